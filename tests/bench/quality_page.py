"""The part of docs/benchmarks.md on one data set's ranking quality, from the JSON of `metarec_evaluate`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

Figures = Mapping[str, Any]
# Before reports named what learners are compared with.
BASELINES = ("popularity", "decayed_popularity", "item_knn", "ease", "random", "constant")
FAMILIES = (("popularity", "popularity"), ("itemknn", "item_knn"), ("ease", "ease"), ("ials", "ials"))


def quality(title: str, report: Figures, yardstick: Figures | None = None) -> str:
    """Return the section: every learner at every k, comparisons, seeds, cost, and parity with the reference."""
    rows = [row for row in (*report["rows"], *report.get("wide_rows", ())) if row.get("ndcg20") is not None]
    parts = [
        f"## {title}\n",
        _origin(report),
        _table(rows, report.get("not_run", {})),
        _comparisons(report.get("comparisons", ()), _seed_words(report)),
    ]
    if joined := report.get("over_seeds"):
        named = ", ".join(map(str, joined["seeds"]))
        parts += [_seed_means(joined, named), _comparisons(joined["comparisons"], f"over seeds {named}")]
    parts += [
        _measures(rows, set(report.get("baselines", BASELINES))),
        _edges(report),
        _seconds(report["seconds"]),
    ]
    if yardstick:
        parts.append(_parity(yardstick, report["rows"]))
    return "\n".join(filter(None, parts)) + "\n"


def command_and_date(environment: Figures) -> str:
    """Return `command`, date and device in words; the folder of the data is called DATA."""
    if not environment:
        return "The run left no command or date."
    versions = environment["versions"]
    used = ", ".join(
        f"{name} {versions[name]}" for name in ("python", "numpy", "torch", "implicit") if name in versions
    )
    return f"`{shown(environment['command'])}`, {environment['date']}, on {environment['device']} ({used})."


def shown(command: str) -> str:
    """Return a command without the folders of the machine that it ran on."""
    return re.sub(r"(?<![\w/])/\S*/([^/\s]+/[^/\s]+\.parquet)", r"DATA/\1", command)


def _origin(report: Figures) -> str:
    data = report["data"]
    return (
        f"{_seed_words(report).capitalize()}; {data['products']:,} products, {data['train_users']:,} training and "
        f"{data['test_users']:,} test shoppers, data hash `{data['hash'][:12]}`. "
        f"{command_and_date(report.get('environment', {}))}\n"
    )


def _seed_words(report: Figures) -> str:
    return f"seed {report['protocol'].get('seed', 0)}"


def _table(rows: Sequence[Figures], not_run: Mapping[str, str]) -> str:
    cells = {
        (row["learner"], row["k"]): f"{row['ndcg20']:.4f} [{row['low']:.4f}, {row['high']:.4f}]"
        for row in rows
    }
    ks = sorted({row["k"] for row in rows})
    lines = _head(["learner", *(f"k = {k}" for k in ks)])
    for learner in dict.fromkeys(row["learner"] for row in rows):
        lines.append(_line([learner, *(cells.get((learner, k), "–") for k in ks)]))
    for learner, why in not_run.items():
        lines.append(_line([learner, why, *[""] * (len(ks) - 1)]))
    lines.append(_line(["test shoppers", *(str(max(r["users"] for r in rows if r["k"] == k)) for k in ks)]))
    return "\n".join(lines)


def _comparisons(comparisons: Sequence[Figures], which: str) -> str:
    if not comparisons:
        return ""
    lines = [
        f"\nEach learner against the best tuned baseline of each k, {which}: difference with its 95 % interval (paired "
        "bootstrap over shoppers), p-values corrected over k (Holm). It holds where the interval reaches 0; under 100 "
        "shoppers nothing is judged. The mean is over the measured k of 1, 2, 3, 5, 10, against the best single "
        "baseline.\n",
        *_head(
            [
                "learner",
                "k",
                "best baseline",
                "NDCG@20",
                "its",
                "difference",
                "in per cent",
                "holds",
                "p (Holm)",
            ]
        ),
    ]
    for c in comparisons:
        lines.append(_line([
            c["learner"],
            "mean" if c["k"] is None else str(c["k"]),
            c["baseline"],
            f"{c['ours']:.4f}",
            f"{c['theirs']:.4f}",
            f"{c['difference']:+.4f} [{c['low']:+.4f}, {c['high']:+.4f}]",
            "–" if c["share"] is None else f"{c['share']:+.1%} [{c['share_low']:+.1%}, {c['share_high']:+.1%}]",
            ("yes" if c["held"] else "**no**") if c["judged"] else f"{c['shoppers']} shoppers",
            "–" if c["holm_p"] is None else f"{c['holm_p']:.4f}",
        ]))  # fmt: skip
    return "\n".join(lines)


def _seed_means(joined: Figures, named: str) -> str:
    means = joined["means"]
    ks = sorted({mean["k"] for mean in means})
    cells = {
        (m["learner"], m["k"]): f"{m['mean']:.4f}"
        + (f" ± {m['deviation']:.4f}" if m["deviation"] is not None else "")
        for m in means
    }
    lines = [
        f"\nNDCG@20, mean over the splits of seeds {named} ± deviation between them:\n",
        *_head(["learner", *(f"k = {k}" for k in ks)]),
    ]
    for learner in dict.fromkeys(mean["learner"] for mean in means):
        lines.append(_line([learner, *(cells.get((learner, k), "–") for k in ks)]))
    return "\n".join(lines)


def _measures(rows: Sequence[Figures], baselines: set[str]) -> str:
    """The learners' other measures, averaged over k as the headline is, each k counting once."""
    fields = (
        ("precision20", "precision@20", ".4f"), ("recall20", "recall@20", ".4f"), ("mrr20", "MRR@20", ".4f"),
        ("coverage20", "product coverage", ".3f"), ("user_coverage", "user coverage", ".3f"),
        ("novelty20", "novelty, bits", ".2f"), ("diversity20", "diversity", ".3f"),
        ("calibration_error", "calibration error", ".4f"),
    )  # fmt: skip
    if not any(row.get("mrr20") is not None for row in rows):
        return ""
    lines = [
        "\nOther measures, mean over the measured k of 1, 2, 3, 5, 10 (each k with its interval is in the JSON):\n",
        *_head(["learner", *(title for _, title, _ in fields)]),
    ]
    for learner in dict.fromkeys(row["learner"] for row in rows):
        mine = [row for row in rows if row["learner"] == learner and row["k"] in (1, 2, 3, 5, 10)]
        cells = []
        for name, _, form in fields:
            values = [row[name] for row in mine if row.get(name) is not None]
            cells.append(format(sum(values) / len(values), form) if values else "–")
        lines.append(_line([learner, *cells]))
    return "\n".join(lines)


def _edges(report: Figures) -> str:
    said = []
    for name, tuned in report.get("tuning", {}).items():
        if tuned.get("edges"):
            said.append(f"{name} at k = {', '.join(tuned['edges'])}")
    if not said:
        return ""
    return (
        f"\nThe best setting lay at an edge of the grid: {'; '.join(said)}. Tuning went on beyond it; rows that end in "
        "`_wide` are what it found, and where a family has none nothing better lay there."
    )


def _seconds(seconds: Figures) -> str:
    trained = ", ".join(f"{learner} {spent:.1f} s" for learner, spent in seconds["train"].items())
    kept = (
        f" Tuned in an earlier run of the same data: {', '.join(seconds['cached'])}."
        if seconds.get("cached")
        else ""
    )
    loading, measuring = seconds["load"], seconds["evaluate"]
    return f"\nLoading {loading:.1f} s; training or tuning: {trained}; evaluating {measuring:.1f} s.{kept}"


def _parity(yardstick: Figures, rows: Sequence[Figures]) -> str:
    """The largest difference to the reference implementation, by family, at seed 0."""
    ours = {(row["learner"], row["k"]): row["ndcg20"] for row in rows}
    found = []
    for family, learner in FAMILIES:
        theirs = {
            int(key.split("@")[1]): row["ndcg20"]
            for key, row in yardstick.items()
            if key.startswith(f"{family}@")
        }
        gaps = [abs(figure - ours[learner, k]) for k, figure in theirs.items() if (learner, k) in ours]
        if gaps:
            found.append(f"{learner} {max(gaps):.1e}")
    return f"\nLargest difference to the reference implementation's tuned rows: {', '.join(found)}."


def _head(cells: Sequence[str]) -> list[str]:
    return [_line(cells), "|" + "---|" * len(cells)]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
