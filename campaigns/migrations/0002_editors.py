from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('campaigns', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='campaign',
            name='editors',
            field=models.ManyToManyField(blank=True, editable=False, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='changed since the last approval by'),
        ),
        migrations.RunSQL(
            'INSERT INTO campaigns_campaign_editors (campaign_id, user_id)'
            ' SELECT id, changed_by_id FROM campaigns_campaign WHERE changed_by_id IS NOT NULL',
            migrations.RunSQL.noop,
        ),
        migrations.RemoveField(
            model_name='campaign',
            name='changed_by',
        ),
    ]
