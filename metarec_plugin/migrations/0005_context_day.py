"""What days were like, such as their weather."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("metarec", "0004_learner_options")]

    operations = [
        migrations.CreateModel(
            name="ContextDay",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField(verbose_name="day")),
                ("name", models.CharField(max_length=40, verbose_name="name")),
                ("value", models.CharField(max_length=80, verbose_name="value")),
            ],
            options={
                "verbose_name": "day's context",
                "verbose_name_plural": "days' context",
            },
        ),
        migrations.AddConstraint(
            model_name="contextday",
            constraint=models.UniqueConstraint(fields=("day", "name"), name="metarec_context_day_name"),
        ),
    ]
