"""What a subject's ranking was made with, when a run was last rung for, and when a bundle was deleted."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("metarec", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="modelversion",
            name="pruned_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="bundle deleted at"),
        ),
        migrations.AddField(
            model_name="subjectstate",
            name="lift",
            field=models.FloatField(default=0.0, verbose_name="lift"),
        ),
        migrations.AddField(
            model_name="subjectstate",
            name="window",
            field=models.PositiveIntegerField(default=0, verbose_name="support window"),
        ),
        migrations.AddField(
            model_name="trainingrun",
            name="rung_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="message sent at"),
        ),
    ]
