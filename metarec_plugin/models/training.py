"""Training runs: what was asked for, who works on it, how far it is and how it ended."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class TrainingRun(models.Model):
    """One training run. Only the worker named on an unexpired lease may change a running one."""

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    state = models.CharField(_("state"), max_length=16, choices=State, default=State.QUEUED)
    learners = models.JSONField(_("learners"), default=list)
    learner_options = models.JSONField(_("options of learners"), default=dict, blank=True)
    days = models.PositiveIntegerField(
        _("days of events"), null=True, blank=True, help_text=_("Empty: all that the log holds.")
    )
    seed = models.BigIntegerField(_("seed"), default=0)
    device = models.CharField(_("device"), max_length=16, default="auto")
    budget_seconds = models.FloatField(_("time budget in seconds"))
    progress = models.FloatField(_("progress"), default=0.0)
    message = models.CharField(_("message"), max_length=200, blank=True, default="")
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    worker = models.CharField(_("worker"), max_length=120, blank=True, default="")
    rung_at = models.DateTimeField(_("message sent at"), null=True, blank=True)
    lease_until = models.DateTimeField(_("lease until"), null=True, blank=True)
    asked_by = models.CharField(_("asked for by"), max_length=150, blank=True, default="")
    created = models.DateTimeField(_("created"), default=timezone.now)
    started = models.DateTimeField(_("started"), null=True, blank=True)
    finished = models.DateTimeField(_("finished"), null=True, blank=True)
    report = models.JSONField(_("report"), default=dict, blank=True)
    error = models.TextField(_("error"), blank=True, default="")

    class Meta:
        verbose_name = _("training run")
        verbose_name_plural = _("training runs")
        ordering = ["-id"]
        permissions = [("train_model", _("Can start and cancel training runs"))]

    def __str__(self) -> str:
        return f"run {self.pk} ({self.state})"


class RunStep(models.Model):
    """One line of a run's log. score: the validation NDCG@20 that was reached, where the step measured it."""

    run = models.ForeignKey(TrainingRun, on_delete=models.CASCADE, related_name="steps")
    at = models.DateTimeField(_("at"), default=timezone.now)
    attempt = models.PositiveSmallIntegerField(_("attempt"), default=1)
    progress = models.FloatField(_("progress"), default=0.0)
    message = models.CharField(_("message"), max_length=200)
    learner = models.CharField(_("learner"), max_length=40, blank=True, default="")
    step = models.PositiveIntegerField(_("step"), null=True, blank=True)
    score = models.FloatField(_("validation NDCG@20"), null=True, blank=True)

    class Meta:
        verbose_name = _("step of a run")
        verbose_name_plural = _("steps of runs")
        ordering = ["pk"]
        default_permissions = ()

    def __str__(self) -> str:
        return self.message
