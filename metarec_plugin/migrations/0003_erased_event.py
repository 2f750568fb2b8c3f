"""Marks of erased events, so that no later look at the shop's tables brings them back."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('metarec', '0002_freshness_and_upkeep'),
    ]

    operations = [
        migrations.CreateModel(
            name='ErasedEvent',
            fields=[
                ('digest', models.CharField(max_length=64, primary_key=True, serialize=False, verbose_name='digest')),
            ],
            options={
                'verbose_name': 'erased event',
                'verbose_name_plural': 'erased events',
            },
        ),
    ]
