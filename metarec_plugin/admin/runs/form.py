"""The form that starts a run."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from metarec_plugin.admin.runs.words import explained
from metarec_plugin.conf import LEARNERS, get_config
from metarec_plugin.conf_rules import DEVICES
from metarec_plugin.models import TrainingRun
from metarec_plugin.pipeline.report_names import learner_name

DEVICE_WORDS = {"auto": _("GPU where there is one, else CPU"), "cpu": "CPU", "cuda": "GPU (CUDA)"}
INT32 = 2**31 - 1


class StartForm(forms.Form):
    """What to train with. newest: the newest run when the form was made, so that one click starts one run."""

    learners = forms.MultipleChoiceField(
        label=_("Learners"),
        widget=forms.CheckboxSelectMultiple,
        help_text=_(
            "A learner is one way to make a model. Each gets its own time; the best that passes is served."
        ),
    )
    days = forms.IntegerField(
        label=_("Learn from the last … days"),
        required=False,
        min_value=1,
        max_value=36_500,
        help_text=_("Empty: from all events. Fewer days follow the season, more days know more."),
    )
    minutes = forms.FloatField(
        label=_("Minutes for each learner, at most"),
        min_value=0.05,
        max_value=10_080,
        help_text=_("A learner that gets no better stops earlier."),
    )
    device = forms.ChoiceField(
        label=_("Compute on"), choices=[(name, DEVICE_WORDS[name]) for name in DEVICES]
    )
    seed = forms.IntegerField(
        label=_("Seed"),
        min_value=0,
        max_value=INT32,
        help_text=_("Decides by chance who trains and who tests. Keep it, so that runs can be compared."),
    )
    newest = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        config = get_config()
        field: Any = self.fields["learners"]
        field.choices = [(name, f"{learner_name(name)}: {explained(name)}") for name in LEARNERS]
        newest = TrainingRun.objects.order_by("-pk").values_list("pk", flat=True).first()
        self.initial = {
            "learners": list(config.learners),
            "minutes": f"{config.train_seconds / 60:.4g}",
            "device": config.device,
            "seed": config.seed,
            "newest": newest or 0,
            **self.initial,
        }

    @property
    def first(self) -> list[forms.BoundField]:
        return [self["days"], self["minutes"]]

    @property
    def more(self) -> list[forms.BoundField]:
        return [self["device"], self["seed"]]

    def overtaken_by(self) -> TrainingRun | None:
        """An open run that was started after this form was made."""
        states = (TrainingRun.State.QUEUED, TrainingRun.State.RUNNING)
        later = TrainingRun.objects.filter(pk__gt=self.cleaned_data.get("newest") or 0, state__in=states)
        return later.defer("report").order_by("-pk").first()

    def choices(self) -> dict[str, Any]:
        """What `create_run` is called with."""
        given = self.cleaned_data
        return {
            "learners": tuple(given["learners"]),
            "days": given["days"],
            "device": given["device"],
            "budget_seconds": 60 * given["minutes"],
            "seed": given["seed"],
        }
