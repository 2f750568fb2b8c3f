"""An evaluation's JSON as one page for people: plots beside tables, plain words, no script, nothing external."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from metarec_plugin.evaluate import plots
from metarec_plugin.pipeline import report_tables
from metarec_plugin.pipeline.report_tables import Table

Found = Mapping[str, Any]

STYLE = """
:root{color-scheme:light}
body{margin:0 auto;max-width:70rem;padding:1rem;font:1rem/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff}
h1{font-size:1.6rem;line-height:1.2}h2{font-size:1.25rem;margin:2rem 0 .5rem}p{max-width:65ch}
figure{margin:1rem 0}figure img{width:100%;height:auto;display:block}figcaption{color:#444}
.table{overflow-x:auto;margin:1rem 0}.table:focus{outline:2px solid #0072b2}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.875rem}
caption{text-align:left;font-weight:600;padding:.25rem 0}
th,td{padding:.25rem .6rem;border-bottom:1px solid #ddd;text-align:right;white-space:nowrap}
th[scope=row],thead th:first-child,.worded th,.worded td{text-align:left}
.worded td{white-space:normal;min-width:12rem;overflow-wrap:anywhere}
th[scope=row],thead th:first-child{position:sticky;left:0;background:#fff}
"""
# What the page's own policy, and that of a page which shows it, must allow.
STYLE_HASH = "sha256-" + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; img-src data:; style-src '{STYLE_HASH}'"


@dataclass(frozen=True)
class Picture:
    """One plot in two shapes, for a wide screen and for a phone."""

    wide: str
    narrow: str
    alt: str


@dataclass(frozen=True)
class Section:
    """A heading with what is under it."""

    title: str
    words: Sequence[str] = ()
    picture: Picture | None = None
    tables: Sequence[Table] = ()


def report_page(found: Found) -> str:
    """Return the page of `Report.as_json()` or `SeededReports.as_json()`.

    Raises ConfigurationError without matplotlib.
    """
    sections = [
        section for make in (_verdict, _quality, _seeds, _calibration, _known, _cost, _more, _missing, _origin)
        if (section := make(found)) is not None
    ]  # fmt: skip
    context = {
        "title": _("How good are the recommendations?"),
        "lead": _lead(found),
        "sections": sections,
        "style": STYLE,
        "policy": POLICY,
    }
    return render_to_string("metarec/evaluation.html", context)


def _lead(found: Found) -> str:
    data = found["data"]
    return _(
        "Measured on {test} shoppers whom no learner saw in training, with the purchases of {train} others to "
        "learn from and a catalogue of {products} products. Of each shopper the first k products are shown "
        "to the learner; it then ranks the whole catalogue, and what the shopper chose next is looked for in "
        "its twenty best."
    ).format(
        test=f"{data['test_users']:,}", train=f"{data['train_users']:,}", products=f"{data['products']:,}"
    )


def _verdict(found: Found) -> Section | None:
    joined = found.get("over_seeds", {}).get("comparisons")
    comparisons = joined or found["comparisons"]
    if not comparisons:
        return None
    words = [_sentence(each) for each in comparisons if each["k"] is None]
    if joined:
        words.append(_("Over {n} ways to split the shoppers.").format(n=len(found["over_seeds"]["seeds"])))
    words.append(
        _(
            "At each k the rival is whichever baseline did best there, tuned for that very k. A learner holds "
            "where the 95 % interval of the difference reaches 0 or more. The mean is over the measured k of "
            "1, 2, 3, 5, 10."
        )
    )
    return Section(
        _("Learners against the best baseline"), words, tables=[report_tables.comparisons(comparisons)]
    )


def _sentence(mean: Found) -> str:
    if mean["share"] is None:
        return _("{learner} has no baseline to be compared with.").format(learner=mean["learner"])
    better = _("better") if mean["share"] >= 0 else _("worse")
    return _(
        "{learner}: over a shopper's first 1 to 10 products its lists are {share} {better} than those of the "
        "best single baseline, {baseline} (95 % interval of the difference: {low} to {high})."
    ).format(
        learner=mean["learner"], share=f"{abs(mean['share']):.1%}", better=better, baseline=mean["baseline"],
        low=f"{mean['share_low']:+.1%}", high=f"{mean['share_high']:+.1%}",
    )  # fmt: skip


def _quality(found: Found) -> Section | None:
    rows = [*found["rows"], *found.get("wide_rows", ())]
    if not rows:
        return None
    best = max(rows, key=lambda row: row["ndcg20"])
    alt = _(
        "NDCG@20 against the number of known products, one line for each of {n} learners with its interval; "
        "the highest point is {name} with {figure} at k = {k}. The table below has every figure."
    ).format(
        n=len({row["learner"] for row in rows}),
        name=best["learner"],
        figure=f"{best['ndcg20']:.4f}",
        k=best["k"],
    )
    words = [
        _(
            "NDCG@20 is 1 where the twenty best are what the shopper chose next, the first places counting "
            "most. Bars are 95 % intervals over shoppers. Dashed lines are baselines, each tuned for every k; "
            "a learner is one model for all k."
        )
    ]
    picture = _picture(lambda size: plots.quality_plot(rows, found.get("baselines", ()), size), alt)
    return Section(
        _("How good are the lists, by how much is known?"), words, picture, [report_tables.quality(rows)]
    )


def _seeds(found: Found) -> Section | None:
    if not (joined := found.get("over_seeds")):
        return None
    words = [
        _(
            "The shoppers were split anew for each seed. ± is the deviation between the seeds; the other "
            "sections, unless they say so, are of the first seed."
        )
    ]
    return Section(_("Does it depend on who was tested?"), words, tables=[report_tables.seeds(joined)])


def _calibration(found: Found) -> Section | None:
    tables = {name: by_k["mean"] for name, by_k in found.get("reliability", {}).items() if "mean" in by_k}
    if not tables:
        return None
    errors = ", ".join(f"{name} {table['error']:.4f}" for name, table in tables.items())
    alt = _(
        "Observed share of hits against the predicted chance; the dotted diagonal is perfect. Mean distance: "
        "{errors}. The table below has every bin."
    ).format(errors=errors)
    words = [
        _(
            "Learners say how probable each product is. Listed products are put into ten equal groups by that "
            "chance; on the dotted line as many came next as predicted. The expected calibration error is "
            "the mean distance from it: {errors}. All measured k of 1, 2, 3, 5, 10."
        ).format(errors=errors)
    ]
    picture = _picture(lambda size: plots.reliability_plot(tables, size), alt)
    return Section(
        _("Can the probabilities be trusted?"), words, picture, [report_tables.reliability(tables)]
    )


def _known(found: Found) -> Section | None:
    if not (gains := found.get("priors")):
        return None
    words = [
        _(
            "What shoppers declare, and hour, weekday, holidays and imported values of the day, shift the list for "
            "those of whom few products are known. Each is measured alone, and those that count together. What does "
            "not gain for certain on validation shoppers, each under weights that it had no part in, is off."
        )
    ]
    return Section(_("Does it help to know who and when?"), words, tables=[report_tables.gains(gains)])


def _cost(found: Found) -> Section | None:
    seconds, milliseconds = found["seconds"]["train"], found["seconds"].get("ms_per_shopper", {})
    if not seconds:
        return None
    slowest = max(seconds, key=lambda name: seconds[name])
    alt = _(
        "Bars of the seconds each learner took to train or tune, and of the milliseconds to rank the "
        "catalogue for one shopper; {slowest} took longest to make, {figure} seconds. The table below has "
        "every figure."
    ).format(slowest=slowest, figure=f"{seconds[slowest]:.1f}")
    words = [
        _(
            "On {machine}. Shoppers were ranked many at once; a request for one takes another time. Baselines "
            "marked as kept were tuned in an earlier evaluation of the same data, and their seconds are of "
            "then."
        ).format(machine=found.get("environment", {}).get("machine", "?"))
    ]
    picture = _picture(lambda size: plots.cost_plot(seconds, milliseconds, size), alt)
    return Section(_("What does it cost?"), words, picture, [report_tables.costs(found["seconds"])])


def _more(found: Found) -> Section | None:
    rows = [*found["rows"], *found.get("wide_rows", ())]
    if not rows:
        return None
    ground = found["protocol"].get("diversity_of")
    words = [
        _(
            "Precision is hits in twenty; recall is hits out of what could be hit; MRR is 1 over the place of "
            "the first hit. Product coverage is the share of the catalogue in somebody's list, user coverage "
            "the share of shoppers whose list follows their own products. Novelty is how surprising a listed "
            "product is, in bits; diversity is how unlike two products of a list are, {ground}."
        ).format(ground=_("by their declared features") if ground == "features" else _("by who bought them"))
    ]
    return Section(_("Every other measure"), words, tables=[report_tables.measures(rows)])


def _missing(found: Found) -> Section | None:
    if not found["not_run"]:
        return None
    return Section(_("What was not run, and why"), tables=[report_tables.not_run(found["not_run"])])


def _origin(found: Found) -> Section:
    words = []
    edges = {name: tuned["edges"] for name, tuned in found.get("tuning", {}).items() if tuned.get("edges")}
    if edges:
        words.append(
            _(
                "The best setting lay at the edge of what was tried for {names}. Tuning went on beyond the edge: a "
                "name that ends in _wide is what it found, and a family without one found nothing better."
            ).format(names=", ".join(edges))
        )
    return Section(_("How this was measured"), words, tables=[report_tables.origin(found)])


def _picture(draw: Callable[[tuple[float, float]], str], alt: str) -> Picture:
    return Picture(draw(plots.WIDE), draw(plots.NARROW), alt)
