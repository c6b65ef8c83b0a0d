from django.db import migrations

import contacts.models.sentences


class Migration(migrations.Migration):
    dependencies = [
        ('campaigns', '0001_initial'),
    ]
    operations = [
        migrations.RunSQL(
            'ALTER TABLE campaigns_campaign ALTER state_reason TYPE jsonb USING to_jsonb(state_reason)',
            state_operations=[
                migrations.AlterField(
                    model_name='campaign',
                    name='state_reason',
                    field=contacts.models.sentences.SentenceField(blank=True, default='', editable=False, verbose_name='why'),
                ),
            ],
        ),
    ]
