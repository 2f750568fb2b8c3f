"""What the panel reads instead of the big tables: counts by day, kept up to date by a task."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class EventDay(models.Model):
    """How many events of a kind and a source came on a day; with a reason in `refused`, how many did not get in.

    unseen: of purchases that were told within a day, those of subjects who looked at nothing in the week before: with
    many, views are not told.
    """

    day = models.DateField(_("day"))
    kind = models.CharField(_("kind"), max_length=32, blank=True, default="")
    source = models.CharField(_("source"), max_length=16)
    refused = models.CharField(_("refused for"), max_length=40, blank=True, default="")
    events = models.PositiveBigIntegerField(_("events"), default=0)
    unseen = models.PositiveBigIntegerField(_("purchases without a look"), default=0)

    class Meta:
        verbose_name = _("events of a day")
        verbose_name_plural = _("events by day")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["day", "kind", "source", "refused"], name="metarec_event_day_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.kind} {self.source}: {self.events}"


class PlacementDay(models.Model):
    """What the lists of a placement and a variant led to on a day: sums, and sums of squares for intervals.

    The unit is one subject on one day. With x its slates and y one of its outcomes, `<outcome>` is the sum of y,
    `<outcome>_sq` that of y*y and `<outcome>_slates` that of x*y: all that the variance of a ratio asks for (the delta
    method: Deng, Knoblich, Lu, KDD 2018), and sums add up over days. An outcome counts on the day that it came.
    """

    day = models.DateField(_("day"))
    placement = models.CharField(_("placement"), max_length=40)
    variant = models.CharField(_("variant"), max_length=40, blank=True, default="")
    impressions = models.PositiveBigIntegerField(_("products shown"), default=0)
    fallbacks = models.PositiveBigIntegerField(_("of them the same for everybody"), default=0)
    products = models.PositiveIntegerField(_("distinct products shown"), default=0)
    subjects = models.PositiveBigIntegerField(_("subjects"), default=0)
    slates = models.PositiveBigIntegerField(_("slates"), default=0)
    slates_sq = models.FloatField(default=0.0)
    clicks = models.FloatField(_("slates clicked"), default=0.0)
    clicks_sq = models.FloatField(default=0.0)
    clicks_slates = models.FloatField(default=0.0)
    baskets = models.FloatField(_("put in the basket"), default=0.0)
    baskets_sq = models.FloatField(default=0.0)
    baskets_slates = models.FloatField(default=0.0)
    purchases = models.FloatField(_("purchases"), default=0.0)
    purchases_sq = models.FloatField(default=0.0)
    purchases_slates = models.FloatField(default=0.0)
    revenue = models.FloatField(_("revenue"), default=0.0)
    revenue_sq = models.FloatField(default=0.0)
    revenue_slates = models.FloatField(default=0.0)

    class Meta:
        verbose_name = _("placement on a day")
        verbose_name_plural = _("placements by day")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["day", "placement", "variant"], name="metarec_placement_day_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.placement} {self.variant}".strip()


class AnswerDay(models.Model):
    """How many lists of a placement were answered on a day by a stage within so many milliseconds.

    Counted where they are made, consent or not: nothing of it is about anybody. failed: a better source was not used.
    """

    day = models.DateField(_("day"))
    placement = models.CharField(_("placement"), max_length=40)
    stage = models.CharField(_("stage"), max_length=16)
    ms = models.PositiveIntegerField(_("milliseconds, at most"))
    answers = models.PositiveBigIntegerField(_("lists"), default=0)
    failed = models.PositiveBigIntegerField(_("of them with a problem"), default=0)

    class Meta:
        verbose_name = _("lists of a day")
        verbose_name_plural = _("lists by day")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["day", "placement", "stage", "ms"], name="metarec_answer_day_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.placement} {self.stage} {self.ms} ms: {self.answers}"


class ShadowDay(models.Model):
    """How a version in shadow and the served one would each have ranked what shoppers then bought on a day.

    Sums over events: NDCG@20 of each, the difference and its square. sampled_of: events of the day that could be asked.
    """

    day = models.DateField(_("day"))
    version = models.ForeignKey("metarec.ModelVersion", on_delete=models.CASCADE, related_name="shadow_days")
    against = models.UUIDField(_("the served version"))
    events = models.PositiveIntegerField(_("purchases compared"), default=0)
    sampled_of = models.PositiveIntegerField(_("purchases of the day"), default=0)
    ndcg = models.FloatField(default=0.0)
    ndcg_served = models.FloatField(default=0.0)
    difference = models.FloatField(default=0.0)
    difference_sq = models.FloatField(default=0.0)

    class Meta:
        verbose_name = _("shadow comparison of a day")
        verbose_name_plural = _("shadow comparisons by day")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["day", "version", "against"], name="metarec_shadow_day_unique")
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.version_id}"


class Pulse(models.Model):
    """When a part last gave a sign of life, and what it had to say: workers by queue, the roll-up, drift."""

    name = models.CharField(_("name"), max_length=60, primary_key=True)
    at = models.DateTimeField(_("at"), default=timezone.now)
    says = models.JSONField(_("says"), default=dict, blank=True)

    class Meta:
        verbose_name = _("sign of life")
        verbose_name_plural = _("signs of life")
        default_permissions = ()

    def __str__(self) -> str:
        return self.name
