"""The first table of docs/benchmarks.md: what the default learner gains on each data set, and whether each k holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.bench.comparisons_page import share
from tests.bench.sets import SETS, TITLES
from tests.bench.table_page import Figures, table, within

LEARNER = "mixture"  # METAREC["LEARNERS"] by default
HEAD = (
    "data set", "seeds", f"{LEARNER}, NDCG@20", "best single baseline", "its NDCG@20", "difference", "in per cent",
    "every k holds",
)  # fmt: skip


@dataclass(frozen=True)
class Gain:
    """The learner on one data set, on one split or the mean of several."""

    title: str
    seeds: str
    mean: Figures  # the comparison of the mean over k
    at_k: Sequence[Figures]

    @property
    def judged(self) -> list[Figures]:
        return [each for each in self.at_k if each["judged"]]

    @property
    def fallen(self) -> list[Figures]:
        return [each for each in self.judged if not each["held"]]

    def row(self) -> list[str]:
        mean = self.mean
        return [
            self.title,
            self.seeds,
            f"{mean['ours']:.4f}",
            mean["baseline"],
            f"{mean['theirs']:.4f}",
            within(mean["difference"], mean["low"], mean["high"], "+.4f"),
            f"**{share(mean)}**",
            self._holds(),
        ]

    def _holds(self) -> str:
        if not self.judged:
            return "not judged: under 100 shoppers"
        left_out = _ks(each for each in self.at_k if not each["judged"])
        note = f" ({left_out} not judged: under 100 shoppers)" if left_out else ""
        if self.fallen:
            return f"**no** at {_ks(self.fallen)}{note}"
        return f"yes, all {len(self.judged)}{note}"


def summary(figures: Mapping[str, Figures]) -> str:
    """Return the section, or nothing where the learner is in no report of quality."""
    gains = [
        gain
        for each in SETS
        if (report := figures.get(f"quality-{each.name}"))
        for gain in _gains(TITLES[each.name], report)
    ]
    if not gains:
        return ""
    rows = []
    by_seeds: dict[str, list[Gain]] = {}
    for gain in gains:
        by_seeds.setdefault(gain.seeds, []).append(gain)
        rows.append(gain.row())
    rows += [_average(same) for same in by_seeds.values() if len(same) > 1]
    return (
        f"## What the default learner gains\n\n{_words(by_seeds)}\n\n"
        f"`{LEARNER}` against the best single tuned baseline of each data set, in NDCG@20, mean over the measured k of "
        "1, 2, 3, 5, 10, for shoppers never seen in training; 95 % intervals, paired by shopper. The best baseline is "
        "named by these very test figures, in its favour. The last column: at each measured k, against the best "
        "baseline of that k, the interval of the difference reaches 0. Averages count each data set once; as the data "
        "sets are independent, the half-widths of their intervals are added in squares.\n\n"
    ) + table(HEAD, rows)


def _gains(title: str, report: Figures) -> list[Gain]:
    """One row for the first seed, and one for the mean over the seeds where there are several."""
    found = [(str(report["protocol"].get("seed", 0)), report.get("comparisons", ()))]
    if joined := report.get("over_seeds"):
        found.append((f"mean of {', '.join(map(str, joined['seeds']))}", joined["comparisons"]))
    gains = []
    for seeds, comparisons in found:
        own = [each for each in comparisons if each["learner"] == LEARNER]
        means = [each for each in own if each["k"] is None]
        if means:
            gains.append(Gain(title, seeds, means[0], [each for each in own if each["k"] is not None]))
    return gains


def _average(gains: Sequence[Gain]) -> list[str]:
    judged, fallen = _held(gains)
    means = [gain.mean for gain in gains]
    n = len(means)
    return [
        f"average of {n}",
        gains[0].seeds,
        f"{sum(each['ours'] for each in means) / n:.4f}",
        "",
        f"{sum(each['theirs'] for each in means) / n:.4f}",
        within(*_joined(means, "difference", "low", "high"), "+.4f"),
        f"**{within(*_joined(means, 'share', 'share_low', 'share_high'), '+.1%')}**",
        f"yes, all {judged}" if not fallen else f"**no**, {judged - fallen} of {judged}",
    ]


def _joined(means: Sequence[Figures], value: str, low: str, high: str) -> tuple[float, float, float]:
    """Mean over independent data sets, the half-widths added in squares."""
    known = [each for each in means if each[value] is not None]
    n = max(1, len(known))
    mean = sum(each[value] for each in known) / n
    below = sum((each[value] - each[low]) ** 2 for each in known) ** 0.5 / n
    above = sum((each[high] - each[value]) ** 2 for each in known) ** 0.5 / n
    return mean, mean - below, mean + above


def _held(gains: Sequence[Gain]) -> tuple[int, int]:
    return sum(len(gain.judged) for gain in gains), sum(len(gain.fallen) for gain in gains)


def _words(by_seeds: Mapping[str, Sequence[Gain]]) -> str:
    """The table in one sentence, of the rows that most data sets have, several splits before one."""
    seeds, gains = max(by_seeds.items(), key=lambda each: (len(each[1]), not each[0].isdigit()))
    mean, low, high = _joined([gain.mean for gain in gains], "share", "share_low", "share_high")
    ahead = sum(gain.mean["low"] > 0 for gain in gains)
    behind = sum(gain.mean["high"] < 0 for gain in gains)
    judged, fallen = _held(gains)
    which = f"seed {seeds}" if seeds.isdigit() else seeds.replace("of", "of seeds")
    average = "On the one data set measured" if len(gains) == 1 else f"On average over {len(gains)} data sets"
    held = (
        f"It holds at {judged - fallen} of {judged} judged k"
        if judged
        else "No k has the shoppers to be judged"
    )
    return (
        f"**{average}, the default learner `{LEARNER}` is {within(mean, low, high, '+.1%')} against the best single "
        f"tuned baseline ({which}): above it by the whole interval on {ahead} of {len(gains)}, below by the whole "
        f"interval on {behind}. {held}.**"
    )


def _ks(found: Iterable[Figures]) -> str:
    ks = [str(each["k"]) for each in found]
    return f"k = {', '.join(ks)}" if ks else ""
