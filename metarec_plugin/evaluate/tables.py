"""The report as text for a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metarec_plugin.evaluate.comparison import Comparison
    from metarec_plugin.evaluate.report import Report, Row
    from metarec_plugin.evaluate.seeds import SeedMean


def report_table(report: Report) -> str:
    """Return the whole report: data, NDCG@20 side by side, comparisons, every row, edges, lifts and times."""
    rows = (*report.rows, *report.wide_rows)
    parts = (
        _head(report),
        _overview(report),
        comparison_table(report.comparisons),
        _details(rows),
        _edges(report.tuning),
        _priors(report),
        _lifts(report),
        _times(report.seconds),
    )
    return "\n\n".join(filter(None, parts))


def comparison_table(comparisons: Sequence[Comparison], seeds: int = 1) -> str:
    """Return learner against best baseline, a line for each k and one for the mean."""
    if not comparisons:
        return ""
    lines = [["learner", "k", "best baseline", "NDCG@20", "its", "difference", "95 %", "in per cent", "held",
              "p, Holm", "shoppers"]]  # fmt: skip
    for c in comparisons:
        percent = (
            f"{c.share:+.1%} [{c.share_low:+.1%}, {c.share_high:+.1%}]" if math.isfinite(c.share) else "-"
        )
        lines.append([
            c.learner, "mean" if c.k is None else str(c.k), c.baseline, f"{c.ours:.4f}", f"{c.theirs:.4f}",
            f"{c.difference:+.4f}", f"{c.low:+.4f} to {c.high:+.4f}", percent, verdict(c),
            "-" if c.holm_p is None else f"{c.holm_p:.4f}", str(c.shoppers),
        ])  # fmt: skip
    over = f", over {seeds} seeds" if seeds > 1 else ""
    return (
        f"Against the best tuned baseline of each k{over}: paired bootstrap over shoppers; held: the interval's upper "
        "end is not below 0; mean: over the measured k of 1, 2, 3, 5, 10, against the best single baseline\n"
        f"{aligned(lines)}"
    )


def gain_table(gains: Sequence[Mapping[str, Any]]) -> str:
    """Return what each declared feature and each part of the moment adds, a line for each and for both kinds of
    shoppers; gains: prior_gains.Gain as dicts."""
    if not gains:
        return ""
    ks = sorted({gain["k"] for gain in gains})
    cells = {
        (*_field(gain), gain["k"]): f"{gain['gain']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}]"
        for gain in gains
    }
    lines = [["known", "field", "shoppers", *(f"k={k}" for k in ks), "in use"]]
    for group, name, side in dict.fromkeys(map(_field, gains)):
        on = any(gain["on"] for gain in gains if (gain["group"], gain["field"]) == (group, name))
        row = [cells.get((group, name, side, k), "-") for k in ks]
        lines.append([group, name, side, *row, "on" if on else "off"])
    return (
        "What each adds to NDCG@20, with the 95 % interval of the paired difference; validation shoppers, each under "
        f"weights that it had no part in, decide what is on\n{aligned(lines)}"
    )


def _field(gain: Mapping[str, Any]) -> tuple[str, str, str]:
    return gain["group"], gain["field"], gain["side"]


def verdict(comparison: Comparison) -> str:
    """Return yes or no, or that there are too few shoppers to say."""
    if not comparison.judged:
        return "too few"
    return "yes" if comparison.held else "no"


def seed_table(seeds: Sequence[int], means: Sequence[SeedMean]) -> str:
    """Return the mean NDCG@20 over the seeds with the deviation between them."""
    ks = sorted({mean.k for mean in means})
    if not ks:
        return ""
    cells = {(mean.learner, mean.k): f"{mean.mean:.4f}±{mean.deviation:.4f}" for mean in means}
    lines = [["NDCG@20", *(f"k={k}" for k in ks)]]
    for learner in dict.fromkeys(mean.learner for mean in means):
        lines.append([learner, *(cells.get((learner, k), "-") for k in ks)])
    named = ", ".join(map(str, seeds))
    return f"Mean over seeds {named} ± deviation between the seeds\n{aligned(lines)}"


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Pad the columns to one width each, the first to the left."""
    columns = range(max(len(line) for line in lines))
    widths = [max(len(line[c]) for line in lines if c < len(line)) for c in columns]
    padded = (
        [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:]))]
        for line in lines
    )
    return "\n".join("  ".join(line).rstrip() for line in padded)


def _head(report: Report) -> str:
    data = report.data
    return (
        f"{data['products']:,} products, {data['train_users']:,} training, {data['validation_users']:,} "
        f"validation and {data['test_users']:,} test shoppers, data {data['hash']}, "
        f"seed {report.protocol['seed']}."
    )


def _overview(report: Report) -> str:
    rows = (*report.rows, *report.wide_rows)
    ks = sorted({row.k for row in rows})
    cells = {(row.learner, row.k): row for row in rows}
    best = {k: max(row.ndcg20 for row in rows if row.k == k) for k in ks}
    lines = [["NDCG@20", *(f"k={k}" for k in ks)]]
    for learner in dict.fromkeys(row.learner for row in rows):
        lines.append([learner, *(_cell(cells.get((learner, k)), best[k]) for k in ks)])
    lines.append(["test shoppers", *(str(max(r.users for r in rows if r.k == k)) for k in ks)])
    text = aligned(lines) if ks else "No test shopper has enough products to be measured."
    return "\n".join([text, *(f"{learner}: {_said(why)}" for learner, why in report.not_run.items())])


def _details(rows: Sequence[Row]) -> str:
    lines = [["learner", "k", "NDCG@20", "95 %", "precision", "recall", "plain", "MRR", "coverage", "users cov.",
              "novelty", "diversity", "ECE", "users", "setting"]]  # fmt: skip
    for r in rows:
        lines.append([
            r.learner, str(r.k), f"{r.ndcg20:.4f}", f"{r.low:.4f}-{r.high:.4f}", f"{r.precision20:.4f}",
            f"{r.recall20:.4f}", f"{r.recall20_plain:.4f}", f"{r.mrr20:.4f}", f"{r.coverage20:.3f}",
            f"{r.user_coverage:.2f}", _figure(r.novelty20, ".2f"), _figure(r.diversity20, ".3f"),
            _figure(r.calibration_error, ".4f"), str(r.users), r.setting,
        ])  # fmt: skip
    return aligned(lines) if rows else ""


def _edges(tuning: Mapping[str, Mapping[str, Any]]) -> str:
    lines = []
    for name, tuned in tuning.items():
        edges = tuned.get("edges", {})
        for edge in dict.fromkeys(edges.values()):
            where = ", ".join(str(k) for k, each in edges.items() if each == edge)
            beyond = tuned.get("beyond")
            further = f"; beyond it: {beyond}" if beyond else "; the search stopped there"
            lines.append(f"  {name}, {edge} at k = {where}{further}")
    return "\n".join(["The best setting lies at the edge of what was tried:", *lines]) if lines else ""


def _priors(report: Report) -> str:
    return "\n\n".join(f"{learner}: {gain_table(gains)}" for learner, gains in report.priors.items() if gains)


def _lifts(report: Report) -> str:
    lines: list[list[str]] = []
    for learner, curve in report.lifts.items():
        if not curve.points:
            continue
        lines.append([learner, *(f"t={p.lift:.1f}" for p in curve.tenths)])
        lines.append(["  NDCG@20", *(f"{p.ndcg:.4f}" for p in curve.tenths)])
        lines.append(["  coverage", *(f"{p.coverage:.3f}" for p in curve.tenths)])
        shares = [p.department_share for p in curve.tenths]
        if None not in shares:
            lines.append(["  department", *(f"{share:.3f}" for share in shares)])
        lines.append([f"  chosen t={curve.chosen:.3g}"])
    head = "Lift, on validation shoppers: score - t * log prior, mean over k = 1, 2, 3, 5, 10"
    return f"{head}\n{aligned(lines)}" if lines else ""


def _times(seconds: Mapping[str, Any]) -> str:
    trained = ", ".join(f"{learner} {spent:.1f}" for learner, spent in seconds["train"].items())
    cached = ", ".join(seconds.get("cached", ()))
    return (
        f"Seconds: load {seconds['load']:.1f}; train or tune {trained or 'nothing'}; "
        f"evaluate {seconds['evaluate']:.1f}." + (f" Read from the cache: {cached}." if cached else "")
    )


def _cell(row: Row | None, best: float) -> str:
    if row is None or math.isnan(row.ndcg20):
        return "-"
    return f"{row.ndcg20:.4f}" + ("*" if row.ndcg20 == best else " ")


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None or math.isnan(value) else format(value, form)


def _said(why: str) -> str:
    return why if why.startswith("not ") else f"not run: {why}"
