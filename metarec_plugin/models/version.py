"""Model versions: the bundles on disk, what was measured of them and which one is served."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class ModelVersion(models.Model):
    """One bundle. Its folder is named after the key; at most one row is current."""

    class State(models.TextChoices):
        CANDIDATE = "candidate", _("candidate")
        PASSED = "passed", _("passed")
        FAILED = "failed", _("failed")
        INSUFFICIENT = "insufficient", _("not enough evidence")
        BASELINE = "baseline", _("baseline")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    run = models.ForeignKey(
        "metarec.TrainingRun", on_delete=models.SET_NULL, null=True, blank=True, related_name="versions"
    )
    learner = models.CharField(_("learner"), max_length=40)
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.CANDIDATE)
    verdict = models.JSONField(_("verdict"), default=dict, blank=True)
    metrics = models.JSONField(_("metrics"), default=dict, blank=True)
    data_hash = models.CharField(_("hash of the data"), max_length=64, blank=True, default="")
    sha256 = models.CharField(_("checksum of the bundle"), max_length=64, blank=True, default="")
    validation_score = models.FloatField(_("validation score"), default=0.0)
    created = models.DateTimeField(_("created"), default=timezone.now)
    promoted_at = models.DateTimeField(_("promoted at"), null=True, blank=True)
    promoted_by = models.CharField(_("promoted by"), max_length=150, blank=True, default="")
    pruned_at = models.DateTimeField(_("bundle deleted at"), null=True, blank=True)
    is_current = models.BooleanField(_("current"), default=False)
    in_shadow_since = models.DateTimeField(_("in shadow since"), null=True, blank=True)
    previous = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        verbose_name = _("model version")
        verbose_name_plural = _("model versions")
        ordering = ["-created"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_current"], condition=Q(is_current=True), name="metarec_one_current_version"
            )
        ]
        permissions = [
            ("view_dashboard", _("Can see the recommendation dashboard")),
            ("operate", _("Can operate placements, rules and experiments")),
            ("promote_model", _("Can promote a model version or roll back")),
        ]

    def __str__(self) -> str:
        return f"{self.learner} {self.pk}"
