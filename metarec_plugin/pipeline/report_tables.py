"""The tables of an evaluation's page: captions, headings and cells as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from metarec_plugin.pipeline.report_names import learner_name, learners_of, listed, said

Found = Mapping[str, Any]
NONE = "–"


@dataclass(frozen=True)
class Table:
    """The first cell of a row is its heading; worded: the cells are sentences, not figures."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    worded: bool = False


def comparisons(found: Sequence[Found]) -> Table:
    rows = []
    for c in found:
        rows.append([
            learner_name(c["learner"]),
            _("mean of 1 to 10") if c["k"] is None else str(c["k"]),
            learner_name(c["baseline"]),
            _figure(c["ours"], ".4f"),
            _figure(c["theirs"], ".4f"),
            f"{c['difference']:+.4f} [{c['low']:+.4f}, {c['high']:+.4f}]",
            _share(c),
            _held(c),
            _figure(c["holm_p"], ".4f"),
            f"{c['shoppers']:,}",
        ])  # fmt: skip
    head = [
        _("learner"), "k", _("best baseline"), "NDCG@20", _("its NDCG@20"), _("difference, 95 per cent interval"),
        _("in per cent"), _("holds"), _("p (Holm)"), _("shoppers"),
    ]  # fmt: skip
    return Table(_("Each learner against the best tuned baseline"), head, rows)


def quality(rows: Sequence[Found]) -> Table:
    ks = sorted({row["k"] for row in rows})
    cells = {
        (row["learner"], row["k"]): f"{row['ndcg20']:.4f} [{row['low']:.4f}, {row['high']:.4f}]"
        for row in rows
    }
    names = dict.fromkeys(row["learner"] for row in rows)
    table = [[learner_name(name), *(cells.get((name, k), NONE) for k in ks)] for name in names]
    shoppers = [f"{max(row['users'] for row in rows if row['k'] == k):,}" for k in ks]
    table.append([_("test shoppers"), *shoppers])
    return Table(_("NDCG@20 with 95 per cent intervals"), [_("learner"), *(f"k = {k}" for k in ks)], table)


def seeds(joined: Found) -> Table:
    means = joined["means"]
    ks = sorted({mean["k"] for mean in means})
    cells = {
        (mean["learner"], mean["k"]): f"{mean['mean']:.4f} ± {_figure(mean['deviation'], '.4f')}"
        for mean in means
    }
    names = dict.fromkeys(mean["learner"] for mean in means)
    table = [[learner_name(name), *(cells.get((name, k), NONE) for k in ks)] for name in names]
    caption = _("NDCG@20, mean over seeds {seeds}").format(seeds=listed(joined["seeds"]))
    return Table(caption, [_("learner"), *(f"k = {k}" for k in ks)], table)


def reliability(tables: Mapping[str, Found]) -> Table:
    rows = [
        [
            learner_name(name),
            f"{each['predicted']:.4f}",
            f"{each['observed']:.4f}",
            _("{low} to {high}").format(low=f"{each['low']:.4f}", high=f"{each['high']:.4f}"),
            f"{each['listed']:,}",
        ]
        for name, table in tables.items()
        for each in table["bins"]
    ]
    head = [_("learner"), _("predicted"), _("observed"), _("95 per cent interval"), _("listed products")]
    return Table(_("Predicted chance and observed share of hits"), head, rows)


def costs(seconds: Found) -> Table:
    kept = set(seconds.get("cached", ()))
    milliseconds = seconds.get("ms_per_shopper", {})
    rows = [
        [
            learner_name(name),
            _("{seconds} (kept)").format(seconds=f"{spent:.2f}") if name in kept else f"{spent:.2f}",
            _figure(milliseconds.get(name), ".3f"),
        ]
        for name, spent in seconds["train"].items()
    ]
    head = [_("learner"), _("seconds to train or tune"), _("ms to rank for a shopper")]
    return Table(_("Cost"), head, rows)


def measures(rows: Sequence[Found]) -> Table:
    table = []
    for r in rows:
        table.append([
            learner_name(r["learner"]), str(r["k"]),
            *(_interval(r, name, ".4f") for name in ("precision20", "recall20", "mrr20")),
            _figure(r["coverage20"], ".3f"), _interval(r, "user_coverage", ".3f"), _interval(r, "novelty20", ".2f"),
            _interval(r, "diversity20", ".3f"), _figure(r["calibration_error"], ".4f"), r["setting"] or NONE,
        ])  # fmt: skip
    head = [
        _("learner"), "k", _("precision@20"), _("recall@20"), "MRR@20", _("product coverage"), _("user coverage"),
        _("novelty, bits"), _("diversity"), _("calibration error"), _("setting"),
    ]  # fmt: skip
    return Table(
        _("All measures, with 95 per cent intervals where a figure is a mean over shoppers"), head, table
    )


def gains(by_learner: Mapping[str, Sequence[Found]]) -> Table:
    rows = []
    for learner, found in by_learner.items():
        for g in found:
            rows.append([
                learner_name(learner), said(g["group"]), said(g["field"]), _SIDES[g["side"]](), str(g["k"]),
                _figure(g["without"], ".4f"),
                f"{g['gain']:+.4f} [{g['low']:+.4f}, {g['high']:+.4f}]", _("on") if g["on"] else _("off"),
                f"{g['shoppers']:,}",
            ])  # fmt: skip
    head = [
        _("learner"), _("group"), _("what is known"), _("measured on"), "k", _("NDCG@20 without"),
        _("what it adds, 95 per cent interval"), _("in use"), _("shoppers"),
    ]  # fmt: skip
    return Table(_("What declared features and the moment add"), head, rows)


_SIDES = {"validation": lambda: _("validation shoppers"), "test": lambda: _("test shoppers")}


def not_run(reasons: Mapping[str, str]) -> Table:
    rows = [[learner_name(name), said(why)] for name, why in reasons.items()]
    return Table(_("Left out"), [_("learner"), _("why")], rows, worded=True)


def names(found: Found) -> Table:
    rows = [[learner_name(name), name] for name in dict.fromkeys([*learners_of(found), *found["not_run"]])]
    return Table(
        _("What the learners are called"), [_("on this page"), _("in commands and files")], rows, worded=True
    )


def origin(found: Found) -> Table:
    around, data = found.get("environment", {}), found["data"]
    seeds_ = found.get("over_seeds", {}).get("seeds") or [found["protocol"]["seed"]]
    versions = listed(f"{name} {version}" for name, version in around.get("versions", {}).items())
    rows = [
        [_("command"), around.get("command") or NONE],
        [_("date (UTC)"), around.get("date", NONE)],
        [_("seeds of the split"), listed(seeds_)],
        [_("hash of the data"), data["hash"]],
        [_("device"), f"{around.get('device', NONE)}; {said(around.get('machine', NONE))}"],
        [_("versions"), versions or NONE],
    ]
    return Table(_("Where these figures come from"), [_("what"), _("value")], rows, worded=True)


def _held(comparison: Found) -> str:
    if not comparison["judged"]:
        return _("too few shoppers")
    return _("yes") if comparison["held"] else _("no")


def _share(c: Found) -> str:
    if c["share"] is None:
        return NONE
    return f"{c['share']:+.1%} [{c['share_low']:+.1%}, {c['share_high']:+.1%}]"


def _interval(row: Found, name: str, form: str) -> str:
    if row.get(name) is None:
        return NONE
    low, high = row["intervals"].get(name, (None, None))
    bounds = f" [{low:{form}}, {high:{form}}]" if low is not None and high is not None else ""
    return f"{row[name]:{form}}{bounds}"


def _figure(value: float | None, form: str) -> str:
    return NONE if value is None else format(value, form)
