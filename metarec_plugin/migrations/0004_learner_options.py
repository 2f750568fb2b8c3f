"""What a run changes in the configs of its learners."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("metarec", "0003_erased_event")]

    operations = [
        migrations.AddField(
            model_name="trainingrun",
            name="learner_options",
            field=models.JSONField(blank=True, default=dict, verbose_name="options of learners"),
        ),
    ]
