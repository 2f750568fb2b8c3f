"""The sections of an evaluation's page: a heading, plain words, a plot and its tables, from the report's JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from metarec_plugin.evaluate import plots
from metarec_plugin.pipeline import report_tables
from metarec_plugin.pipeline.report_names import labels_of, learner_name, listed, said
from metarec_plugin.pipeline.report_tables import Table

Found = Mapping[str, Any]


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


def verdict(found: Found) -> Section | None:
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
            "where the 95 per cent interval of the difference reaches 0 or more. The mean is over the measured k of "
            "1, 2, 3, 5, 10."
        )
    )
    return Section(
        _("Learners against the best baseline"), words, tables=[report_tables.comparisons(comparisons)]
    )


def _sentence(mean: Found) -> str:
    if mean["share"] is None:
        return _("{learner} has no baseline to be compared with.").format(
            learner=learner_name(mean["learner"])
        )
    better = _(
        "{learner}: over a shopper's first 1 to 10 products its lists are {share} better than those of the "
        "best single baseline, {baseline} (95 per cent interval of the difference: {low} to {high})."
    )
    worse = _(
        "{learner}: over a shopper's first 1 to 10 products its lists are {share} worse than those of the "
        "best single baseline, {baseline} (95 per cent interval of the difference: {low} to {high})."
    )
    return (better if mean["share"] >= 0 else worse).format(
        learner=learner_name(mean["learner"]), share=f"{abs(mean['share']):.1%}",
        baseline=learner_name(mean["baseline"]), low=f"{mean['share_low']:+.1%}", high=f"{mean['share_high']:+.1%}",
    )  # fmt: skip


def quality(found: Found) -> Section | None:
    rows = [*found["rows"], *found.get("wide_rows", ())]
    if not rows:
        return None
    best = max(rows, key=lambda row: row["ndcg20"])
    alt = _(
        "NDCG@20 against the number of known products, one line for each of {n} learners with its interval; "
        "the highest point is {name} with {figure} at k = {k}. The table below has every figure."
    ).format(
        n=len({row["learner"] for row in rows}),
        name=learner_name(best["learner"]),
        figure=f"{best['ndcg20']:.4f}",
        k=best["k"],
    )
    words = [
        _(
            "NDCG@20 is 1 where the twenty best are what the shopper chose next, the first places counting "
            "most. Bars are 95 per cent intervals over shoppers. Dashed lines are baselines, each tuned for every k; "
            "a learner is one model for all k."
        )
    ]
    labels, baselines = labels_of(found), found.get("baselines", ())
    picture = _picture(lambda size: plots.quality_plot(rows, baselines, labels, size), alt)
    return Section(
        _("How good are the lists, by how much is known?"), words, picture, [report_tables.quality(rows)]
    )


def seeds(found: Found) -> Section | None:
    if not (joined := found.get("over_seeds")):
        return None
    words = [
        _(
            "The shoppers were split anew for each seed. ± is the deviation between the seeds; the other "
            "sections, unless they say so, are of the first seed."
        )
    ]
    return Section(_("Does it depend on who was tested?"), words, tables=[report_tables.seeds(joined)])


def calibration(found: Found) -> Section | None:
    tables = {name: by_k["mean"] for name, by_k in found.get("reliability", {}).items() if "mean" in by_k}
    if not tables:
        return None
    errors = listed(f"{learner_name(name)} {table['error']:.4f}" for name, table in tables.items())
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
    labels = labels_of(found)
    picture = _picture(lambda size: plots.reliability_plot(tables, labels, size), alt)
    return Section(
        _("Can the probabilities be trusted?"), words, picture, [report_tables.reliability(tables)]
    )


def known(found: Found) -> Section | None:
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


def cost(found: Found) -> Section | None:
    seconds, milliseconds = found["seconds"]["train"], found["seconds"].get("ms_per_shopper", {})
    if not seconds:
        return None
    slowest = max(seconds, key=lambda name: seconds[name])
    alt = _(
        "Bars of the seconds each learner took to train or tune, and of the milliseconds to rank the "
        "catalogue for one shopper; {slowest} took longest to make, {figure} seconds. The table below has "
        "every figure."
    ).format(slowest=learner_name(slowest), figure=f"{seconds[slowest]:.1f}")
    words = [
        _(
            "On {machine}. Shoppers were ranked many at once; a request for one takes another time. Baselines "
            "marked as kept were tuned in an earlier evaluation of the same data, and their seconds are of "
            "then."
        ).format(machine=said(found.get("environment", {}).get("machine", "?")))
    ]
    labels = labels_of(found)
    picture = _picture(lambda size: plots.cost_plot(seconds, milliseconds, labels, size), alt)
    return Section(_("What does it cost?"), words, picture, [report_tables.costs(found["seconds"])])


def more(found: Found) -> Section | None:
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


def missing(found: Found) -> Section | None:
    if not found["not_run"]:
        return None
    return Section(_("What was not run, and why"), tables=[report_tables.not_run(found["not_run"])])


def origin(found: Found) -> Section:
    words = []
    edges = {name: tuned["edges"] for name, tuned in found.get("tuning", {}).items() if tuned.get("edges")}
    if edges:
        words.append(
            _(
                "The best setting lay at the edge of what was tried for {names}. Tuning went on beyond the edge: a "
                "name marked wide is what it found, and a family without one found nothing better."
            ).format(names=listed(map(learner_name, edges)))
        )
    return Section(
        _("How this was measured"), words, tables=[report_tables.origin(found), report_tables.names(found)]
    )


def _picture(draw: Callable[[tuple[float, float]], str], alt: str) -> Picture:
    return Picture(draw(plots.WIDE), draw(plots.NARROW), alt)


# In the order of the page; None where the report has nothing to say there.
SECTIONS: tuple[Callable[[Found], Section | None], ...] = (
    verdict, quality, seeds, calibration, known, cost, more, missing, origin,
)  # fmt: skip
