from django.db import migrations, models

import contacts.models.sentences


class Migration(migrations.Migration):
    dependencies = [
        ('contacts', '0001_initial'),
    ]

    operations = [
        migrations.RemoveConstraint(model_name='subjectrequest', name='request_refused_says_why'),
        migrations.RunSQL(
            'ALTER TABLE contacts_subjectrequest'
            ' ALTER how TYPE jsonb USING to_jsonb(how), ALTER outcome TYPE jsonb USING to_jsonb(outcome)',
            state_operations=[
                migrations.AlterField(
                    model_name='subjectrequest',
                    name='how',
                    field=contacts.models.sentences.SentenceField(blank=True, default='', verbose_name='how it came, and how the person was recognized'),
                ),
                migrations.AlterField(
                    model_name='subjectrequest',
                    name='outcome',
                    field=contacts.models.sentences.SentenceField(blank=True, default='', verbose_name='outcome'),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name='subjectrequest',
            constraint=models.CheckConstraint(
                condition=models.Q(('state', 'refused'), _negated=True) | models.Q(('outcome', ''), _negated=True),
                name='request_refused_says_why',
            ),
        ),
    ]
