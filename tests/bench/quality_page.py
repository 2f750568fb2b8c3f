"""A section of docs/benchmarks.md on one data set's ranking quality, from the JSON of `metarec_evaluate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.bench.comparisons_page import HEADLINE_KS, comparisons, seed_means
from tests.bench.table_page import UNKNOWN, Figures, shown, table, within

FAMILIES = (("popularity", "popularity"), ("itemknn", "item_knn"), ("ease", "ease"), ("ials", "ials"))


def quality(title: str, report: Figures, yardstick: Figures | None = None, lead: str = "") -> str:
    """Return the section: every learner at every k, comparisons, seeds, cost, and parity with the reference.

    lead: what is special about the track.
    """
    rows = [row for row in (*report["rows"], *report.get("wide_rows", ())) if row.get("ndcg20") is not None]
    parts = [
        f"## {title}\n",
        lead,
        _origin(report),
        _table(rows, report.get("not_run", {})),
        comparisons(report.get("comparisons", ()), _seed_words(report)),
    ]
    if joined := report.get("over_seeds"):
        named = ", ".join(map(str, joined["seeds"]))
        parts += [seed_means(joined), comparisons(joined["comparisons"], f"over the splits of seeds {named}")]
    parts += [
        _measures(rows),
        _edges(report),
        _seconds(report["seconds"]),
    ]
    if yardstick:
        parts.append(_parity(yardstick, report["rows"]))
    return "\n".join(filter(None, parts)) + "\n"


def command_and_date(environment: Figures) -> str:
    """Return `command`, date and device in words; the folder of the data is called DATA."""
    if not environment:
        return UNKNOWN
    versions = environment["versions"]
    used = ", ".join(
        f"{name} {versions[name]}" for name in ("python", "numpy", "torch", "implicit") if name in versions
    )
    where = (
        f"{environment['device']}, {environment['machine']}"
        if "machine" in environment
        else environment["device"]
    )
    return f"`{shown(environment['command'])}`, {environment['date']}, on {where} ({used})."


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
    cells = {(row["learner"], row["k"]): within(row["ndcg20"], row["low"], row["high"]) for row in rows}
    ks = sorted({row["k"] for row in rows})
    learners = dict.fromkeys(row["learner"] for row in rows)
    lines = [[learner, *(cells.get((learner, k), "–") for k in ks)] for learner in learners]
    lines += [[learner, why, *[""] * (len(ks) - 1)] for learner, why in not_run.items()]
    lines.append(["test shoppers", *(str(max(r["users"] for r in rows if r["k"] == k)) for k in ks)])
    return table(["learner", *(f"k = {k}" for k in ks)], lines)


def _measures(rows: Sequence[Figures]) -> str:
    """The learners' other measures, averaged over k as the headline is, each k counting once."""
    fields = (
        ("precision20", "precision@20", ".4f"), ("recall20", "recall@20", ".4f"), ("mrr20", "MRR@20", ".4f"),
        ("coverage20", "product coverage", ".3f"), ("user_coverage", "user coverage", ".3f"),
        ("novelty20", "novelty, bits", ".2f"), ("diversity20", "diversity", ".3f"),
        ("calibration_error", "calibration error", ".4f"),
    )  # fmt: skip
    if not any(row.get("mrr20") is not None for row in rows):
        return ""
    lines = []
    for learner in dict.fromkeys(row["learner"] for row in rows):
        mine = [row for row in rows if row["learner"] == learner and row["k"] in HEADLINE_KS]
        cells = []
        for name, _, form in fields:
            values = [row[name] for row in mine if row.get(name) is not None]
            cells.append(format(sum(values) / len(values), form) if values else "–")
        lines.append([learner, *cells])
    return (
        "\nOther measures, mean over the measured k of 1, 2, 3, 5, 10 (each k with its interval is in the JSON):\n\n"
    ) + table(["learner", *(title for _, title, _ in fields)], lines)


def _edges(report: Figures) -> str:
    said = []
    for name, tuned in report.get("tuning", {}).items():
        if tuned.get("edges"):
            said.append(f"{name} at k = {', '.join(tuned['edges'])}")
    if not said:
        return ""
    return (
        f"\nThe best setting lay at an edge of the grid: {'; '.join(said)}. Tuning went on beyond it; rows that end in "
        "`_wide` are what it found, and where a family has none nothing better lay there. With several seeds the "
        "search was made with the first one, and the others chose among the grid and what it found."
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
