"""Experiments: which variant of a placement or of the model a subject is answered by, and that they were."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Experiment(models.Model):
    """A test of variants of one placement.

    variants: [{"name": "control", "share": 0.5, "options": {...}, "version": ""}, ...]; the first is what the others
    are held against. Shares add up to at most 1; who falls into none is not part of it.
    """

    class State(models.TextChoices):
        DRAFT = "draft", _("draft")
        RUNNING = "running", _("running")
        STOPPED = "stopped", _("stopped")

    class Mode(models.TextChoices):
        LIVE = "live", _("variants differ")
        AA = "aa", _("A/A: all variants are the same")

    class Design(models.TextChoices):
        FIXED = "fixed", _("fixed horizon")
        SEQUENTIAL = "sequential", _("sequential")

    class Goal(models.TextChoices):
        CLICK = "click", _("click")
        BASKET = "basket", _("basket")
        CONVERSION = "conversion", _("purchase")
        REVENUE = "revenue", _("revenue per subject")

    name = models.SlugField(_("name"), max_length=40, unique=True)
    placement = models.SlugField(_("placement"), max_length=40)
    variants = models.JSONField(_("variants"), default=list)
    goal = models.CharField(_("goal"), max_length=12, choices=Goal, default=Goal.CONVERSION)
    mode = models.CharField(_("mode"), max_length=4, choices=Mode, default=Mode.LIVE)
    design = models.CharField(_("design"), max_length=12, choices=Design, default=Design.FIXED)
    horizon = models.PositiveIntegerField(
        _("horizon"), default=0, help_text=_("Subjects after which a fixed test is read.")
    )
    salt = models.CharField(_("salt"), max_length=32, blank=True, default="")
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.DRAFT)
    started_at = models.DateTimeField(_("started at"), null=True, blank=True)
    stopped_at = models.DateTimeField(_("stopped at"), null=True, blank=True)
    updated_at = models.DateTimeField(_("updated at"), default=timezone.now)
    updated_by = models.CharField(_("updated by"), max_length=150, blank=True, default="")

    class Meta:
        verbose_name = _("experiment")
        verbose_name_plural = _("experiments")
        ordering = ["-pk"]
        constraints = [
            # Two running tests of one placement would each be the other's noise.
            models.UniqueConstraint(
                fields=["placement"],
                condition=models.Q(state="running"),
                name="metarec_one_experiment_per_placement",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Exposure(models.Model):
    """That a subject was answered by a variant: who was never answered is no part of the comparison."""

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="exposures")
    subject = models.CharField(_("subject"), max_length=120)
    variant = models.CharField(_("variant"), max_length=40)
    at = models.DateTimeField(_("at"), default=timezone.now)

    class Meta:
        verbose_name = _("exposure")
        verbose_name_plural = _("exposures")
        constraints = [
            models.UniqueConstraint(fields=["experiment", "subject"], name="metarec_exposure_unique")
        ]
        indexes = [models.Index(fields=["subject"], name="metarec_exposure_subject")]

    def __str__(self) -> str:
        return f"{self.subject}: {self.variant}"
