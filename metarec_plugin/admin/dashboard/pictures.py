"""The pictures of the dashboard: each a table from the board."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache

from django.utils import formats
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from metarec_plugin.admin.charts import BAR, INTERVAL, LINE, MONEY, MS, PERCENT, STACK, Chart, Column
from metarec_plugin.feedback.board import Board, share_of_fallbacks, together_of
from metarec_plugin.feedback.ratios import Estimate, change, ratio, total

MOST_KINDS = 5  # series of their own in the flow of events; what is left goes together
CLICKS, BASKETS, PURCHASES, REVENUE = "clicks", "baskets", "purchases", "revenue"


def pictures(board: Board) -> list[Chart]:
    """Those of which there is something to see."""
    drawn = (flow, refused, rates, revenue, coverage, latency, fallbacks)
    return [chart for draw in drawn if (chart := draw(board))]


@lru_cache(maxsize=20)
def _labels(blocks: tuple[date, ...], language: str) -> tuple[str, ...]:
    return tuple(formats.date_format(start, "MONTH_DAY_FORMAT") for start in blocks)


def _days(board: Board) -> tuple[str, Sequence[str]]:
    """The head and the labels of rows by time."""
    labels = _labels(board.span.blocks, get_language() or "")
    return (_("Week from"), labels) if board.span.by_week else (_("Day"), labels)


def flow(board: Board) -> Chart:
    """Events by kind."""
    by_kind: dict[str, Counter[date]] = defaultdict(Counter)
    for row in board.events:
        if not row.refused:
            by_kind[row.kind][row.start] += row.events
    kinds = sorted(by_kind, key=lambda kind: -by_kind[kind].total())
    own, rest = kinds[:MOST_KINDS], kinds[MOST_KINDS:]
    series = [(kind, by_kind[kind]) for kind in own]
    if rest:
        left: Counter[date] = sum((by_kind[kind] for kind in rest), Counter())
        series.append((_("others: %(kinds)s") % {"kinds": ", ".join(rest)}, left))
    head, labels = _days(board)
    columns = [Column(name, [counts[start] for start in board.span.blocks]) for name, counts in series]
    says = _("What shoppers did, by kind. A day without any is a day from which nothing is learned.")
    return Chart("events", _("Events"), head, labels if columns else (), columns, STACK, says)


def refused(board: Board) -> Chart:
    """What did not get in, by reason."""
    found = board.refused.most_common()
    return Chart(
        "refused", _("Events that were refused"), _("Reason"), [reason for reason, _n in found],
        [Column(_("Events"), [n for _reason, n in found])], BAR,
        _("They did not get into the log; the quarantine keeps them for a while, and can replay them."),
    )  # fmt: skip


def _outcomes() -> tuple[tuple[str, str], ...]:
    return ((CLICKS, _("Clicked")), (BASKETS, _("Put in the basket")), (PURCHASES, _("Bought")))


def _column(name: str, found: Sequence[Estimate], unit: str, drawn: bool = True) -> Column:
    return Column(
        name, [each.value for each in found], unit,
        [each.low for each in found], [each.high for each in found], drawn,
    )  # fmt: skip


def rates(board: Board) -> Chart:
    """Clicks, baskets and purchases for each list, by placement and variant."""
    labels = [f"{row.placement} · {row.variant}" if row.variant else row.placement for row in board.lists]
    columns = [
        _column(name, [ratio(row.outcomes[outcome]) for row in board.lists], PERCENT)
        for outcome, name in _outcomes()
    ]
    slates = [int(row.outcomes[CLICKS].x) for row in board.lists]
    return Chart(
        "rates", _("What lists lead to, by placement and variant"), _("Placement"), labels,
        [*columns, Column(_("Lists"), slates, drawn=False)], INTERVAL,
        _("Of all lists shown, how many led to it. The line through a point is where the true figure lies in 19 of "
          "20 cases; without one there were too few to tell. A variant is one side of an experiment."),
    )  # fmt: skip


def revenue(board: Board) -> Chart:
    """What was bought after a click on a list."""
    starts = {row.start: total(row.outcomes[REVENUE]) for row in board.lists_by_block}
    found = [starts.get(start, Estimate()) for start in board.span.blocks]
    head, labels = _days(board)
    return Chart(
        "revenue", _("Revenue owed to lists"), head, labels if any(each.value for each in found) else (),
        [_column(_("Revenue"), found, MONEY)], BAR,
        _("Of products bought within seven days after they were clicked in a list, in the currency of the shop. How "
          "much of it would have been bought anyway, only an experiment tells."),
    )  # fmt: skip


def coverage(board: Board) -> Chart:
    """How much of the catalogue is shown at all."""
    catalogue = board.drift.get("catalogue") or 0
    most = {row.start: row.products for row in board.lists_by_block}
    shown = [most.get(start) for start in board.span.blocks]
    head, labels = _days(board)
    columns = [Column(_("Products"), shown, drawn=not catalogue)]
    if catalogue:
        shares = [None if each is None else min(1.0, each / catalogue) for each in shown]
        columns.insert(0, Column(_("Share of the catalogue"), shares, PERCENT))
    return Chart(
        "coverage", _("How much of the catalogue is shown"), head, labels if most else (), columns, LINE,
        _("Distinct products on a day, of the placement that showed most of them: at least so many were seen."),
    )  # fmt: skip


def latency(board: Board) -> Chart:
    """How long a list took to make."""
    times = [board.answers.by_ms.get(start, {}) for start in board.span.blocks]
    head, labels = _days(board)
    columns = [
        Column(_("Median"), [quantile(each, 0.5) for each in times], MS),
        Column(_("Slowest twentieth"), [quantile(each, 0.95) for each in times], MS),
    ]
    return Chart(
        "latency", _("How long a list takes"), head, labels if board.answers.by_ms else (), columns, LINE,
        _("In the web process, in milliseconds at most: half of the lists, and 19 of 20, were not slower."),
    )  # fmt: skip


def quantile(times: Mapping[int, int], share: float) -> int | None:
    """The bound of the first bucket that so large a share lies within."""
    wanted, seen = share * sum(times.values()), 0
    for bound in sorted(times):
        seen += times[bound]
        if seen >= wanted:
            return bound
    return None


def fallbacks(board: Board) -> Chart:
    """Lists that were the same for everybody."""
    stages = [board.answers.by_stage.get(start, {}) for start in board.span.blocks]
    head, labels = _days(board)
    return Chart(
        "fallbacks", _("Lists that were the same for everybody"), head, labels if board.answers.by_stage else (),
        [
            Column(_("Share"), [share_of_fallbacks(each) for each in stages], PERCENT),
            Column(_("Lists"), [sum(each.values()) for each in stages], drawn=False),
        ], LINE,
        _("Of somebody new, or without consent, nothing is known: what is popular is right for them. A rise on other "
          "days is a sign that events are missing."),
    )  # fmt: skip


def live(board: Board) -> Chart:
    """Whole days against as many before them."""
    if not board.lists_whole:
        return Chart("live", "", "", (), ())
    now = [ratio(together_of(board.lists_whole, outcome)) for outcome, _name in _outcomes()]
    before = [ratio(together_of(board.lists_before, outcome)) for outcome, _name in _outcomes()]
    columns = [_column(_("These days"), now, PERCENT)]
    if board.lists_before:
        columns.append(_column(_("The days before"), before, PERCENT))
        columns.append(_column(_("Change"), list(map(change, now, before)), PERCENT, drawn=False))
    return Chart(
        "live", _("What lists lead to, now and before"), _("For each list"), [name for _key, name in _outcomes()],
        columns, INTERVAL,
        _("Whole days: %(days)s up to yesterday, and %(days)s before them. Two times are compared, and not two "
          "models: a season changes both. Only an experiment tells which model is better.")
        % {"days": board.span.compared},
    )  # fmt: skip
