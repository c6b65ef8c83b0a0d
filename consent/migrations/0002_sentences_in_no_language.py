from django.db import migrations

from contacts.models.sentences import SentenceField


def in_no_language(model, table, name, field):
    return migrations.RunSQL(
        f'ALTER TABLE {table} ALTER {name} TYPE jsonb USING to_jsonb({name})',
        state_operations=[migrations.AlterField(model_name=model, name=name, field=field)],
    )


class Migration(migrations.Migration):
    dependencies = [
        ('consent', '0001_initial'),
        ('contacts', '0002_requests_in_no_language'),
    ]

    operations = [
        in_no_language('importbatch', 'consent_importbatch', 'failure', SentenceField(blank=True, default='', verbose_name='failure')),
        in_no_language('refusedrow', 'consent_refusedrow', 'reason', SentenceField(verbose_name='reason')),
        in_no_language('ledgerverification', 'consent_ledgerverification', 'failure', SentenceField(blank=True, default='', verbose_name='failure')),
        migrations.RemoveField(model_name='importbatch', name='spoken'),
    ]
