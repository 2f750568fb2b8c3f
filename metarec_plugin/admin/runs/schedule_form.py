"""The form "train each day, or each week, at"."""

from __future__ import annotations

from datetime import time
from typing import Any

from django import forms
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext_lazy as _

from metarec_plugin.admin.runs.schedule_words import Shown, cron_day

EACH_DAY = "*"


class PlanForm(forms.Form):
    """stamp: what the form was made from, so that nobody's newer choice is lost."""

    day = forms.ChoiceField(label=_("Train"))
    at = forms.TimeField(
        label=_("at"), widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"), initial=time(3, 0)
    )
    stamp = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        field: Any = self.fields["day"]
        each = [(str(cron_day(number)), _("each {day}")) for number in range(7)]
        named = [(key, words.format(day=WEEKDAYS[number])) for number, (key, words) in enumerate(each)]
        field.choices = [(EACH_DAY, _("each day")), *named]

    @classmethod
    def of(cls, row: Shown | None) -> PlanForm:
        """The form as it stands for the row of training, or for the first one."""
        if row is None:
            return cls(initial={"day": EACH_DAY})
        at, day = row.clock
        return cls(initial={"stamp": row.stamp, "day": day or EACH_DAY, "at": at or time(3, 0)})
