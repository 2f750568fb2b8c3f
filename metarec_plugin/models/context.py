"""What a day was like: values imported from elsewhere, such as its weather."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class ContextDay(models.Model):
    """One value of one day in the shop's time zone. A name whose values are all numbers is read as a number."""

    day = models.DateField(_("day"))
    name = models.CharField(_("name"), max_length=40)
    value = models.CharField(_("value"), max_length=80)

    class Meta:
        verbose_name = _("day's context")
        verbose_name_plural = _("days' context")
        constraints = [models.UniqueConstraint(fields=["day", "name"], name="metarec_context_day_name")]

    def __str__(self) -> str:
        return f"{self.day} {self.name}"
