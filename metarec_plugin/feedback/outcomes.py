"""What the subjects of an experiment did after they were first answered by their variant.

Purchases are counted by intention to treat: every one after the exposure, whatever led to it, so that an arm that only
takes the credit wins nothing. Clicks and baskets are those on slates of the placement.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef
from django.utils import timezone

from metarec_plugin.conf import get_config
from metarec_plugin.feedback.attribution import (
    BASKET,
    CLICK,
    SUBJECTS,
    WINDOWS,
    Attribution,
    Touch,
    Windows,
    events_of,
    last_touch,
    touches_of,
)
from metarec_plugin.models import Experiment, Exposure, Impression

SAME_REQUEST = timedelta(seconds=10)  # a slate's impressions are written just before the exposure


@dataclass(frozen=True)
class Outcome:
    """One exposed subject. unpriced: purchases that no price is known of, which add nothing to revenue."""

    subject: str
    variant: str
    click: bool
    basket: bool
    conversion: bool
    revenue: float
    attributed_conversion: bool
    attributed_revenue: float
    unpriced: int = 0


def outcomes_of(
    experiment: Experiment,
    limit: int | None = None,
    windows: Windows = WINDOWS,
) -> Iterator[Outcome]:
    """Yield the outcome of each exposed subject, in the order of exposure; limit: of so many, the first.

    SUBJECTS at a time, in three queries.
    """
    until = experiment.stopped_at or timezone.now()
    last, left = 0, limit
    while exposures := list(
        Exposure.objects.filter(experiment=experiment, pk__gt=last).order_by("pk")[
            : SUBJECTS if left is None else min(SUBJECTS, left)
        ]
    ):
        yield from _batch(experiment, exposures, until, windows)
        last = exposures[-1].pk
        left = None if left is None else left - len(exposures)


def _batch(
    experiment: Experiment, exposures: Sequence[Exposure], until: datetime, windows: Windows
) -> list[Outcome]:
    subjects = [exposure.subject for exposure in exposures]
    # A browser's clock may be days behind: its events are looked for from earlier, and judged by their slate.
    since = min(exposure.at for exposure in exposures) - windows.longest
    kinds = get_config().target_kinds
    touches = touches_of(subjects, since, until)
    done = last_touch(events_of(subjects, since, until, (*kinds, BASKET)), touches, windows)
    clicked: defaultdict[str, list[Touch]] = defaultdict(list)
    for touch in touches:
        if touch.kind == CLICK:
            clicked[touch.subject].append(touch)
    did: defaultdict[str, list[Attribution]] = defaultdict(list)
    for each in done:
        did[each.done.subject].append(each)
    return [
        _outcome(experiment.placement, exposure, clicked[exposure.subject], did[exposure.subject], kinds)
        for exposure in exposures
    ]


def _outcome(
    placement: str,
    exposure: Exposure,
    clicked: Sequence[Touch],
    did: Sequence[Attribution],
    kinds: Sequence[str],
) -> Outcome:
    def is_ours(touch: Touch | None) -> bool:
        return (
            touch is not None
            and touch.placement == placement
            and touch.shown_at >= exposure.at - SAME_REQUEST
        )

    bought = [each for each in did if each.done.kind in kinds and each.done.at >= exposure.at]
    ours = [each for each in bought if is_ours(each.touch)]
    return Outcome(
        exposure.subject,
        exposure.variant,
        click=any(is_ours(touch) for touch in clicked),
        basket=any(each.done.kind == BASKET and is_ours(each.touch) for each in did),
        conversion=_converted(bought),
        revenue=_revenue(bought),
        attributed_conversion=_converted(ours),
        attributed_revenue=_revenue(ours),
        unpriced=sum(each.done.revenue is None for each in bought),
    )


def _converted(bought: Sequence[Attribution]) -> bool:
    return any(each.done.units > 0 for each in bought)


def _revenue(bought: Sequence[Attribution]) -> float:
    return float(sum(each.done.revenue or 0 for each in bought))


def crossed_subjects(experiment: Experiment) -> int:
    """Count the subjects that were shown another variant, too: somebody who logged in, say. One query."""
    others = (
        Impression.objects.filter(subject=OuterRef("subject"), placement=experiment.placement)
        .filter(at__gte=experiment.started_at, at__lte=experiment.stopped_at or timezone.now())
        .exclude(variant="")
        .exclude(variant=OuterRef("variant"))
    )
    return Exposure.objects.filter(experiment=experiment).filter(Exists(others)).count()
