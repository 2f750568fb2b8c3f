"""Sections of docs/benchmarks.md on what a support says: who and when, weights, dislikes, a past, the pace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.bench.comparisons_page import HEADLINE_KS
from tests.bench.sets import TITLES
from tests.bench.table_page import Figures, interval, shown, table, within

KS = (*HEADLINE_KS, 20)


def context(found: Figures) -> str:
    """What declared features and the moment add; found: tests.bench.context by data set and seed."""
    parts = [
        "What each adds to a closed form's NDCG@20, with the 95 % interval of the difference paired by shopper. "
        "Validation shoppers, each under weights that it had no part in, decide what is in use; test shoppers say what "
        "it is worth.\n"
    ]
    for name, measured in found.items():
        groups = measured["groups"]
        verdicts = [
            f"{group}: {'in use' if each['on'] else 'not in use'}"
            + (f" ({each['why']})" if each["why"] else "")
            for group, each in groups.items()
        ]
        parts.append(f"**{_titled(name)}**; data hash `{measured['hash'][:12]}`. {'; '.join(verdicts)}.\n")
        if measured["gains"]:
            parts.append(_gains(measured["gains"]))
    return "\n".join(parts)


def gate_context(found: Figures) -> str:
    """found: tests.bench.gate_context by data set."""
    rows = [
        [
            TITLES[name],
            "mean" if k == "mean" else f"k = {k}",
            str(each["shoppers"]),
            f"{each['plain']:.4f}",
            within(each["mean"], each["low"], each["high"], "+.4f"),
        ]
        for name, measured in found.items()
        for k, each in measured["k"].items()
    ]
    text = (
        "Weekend, morning and evening as inputs of the mixture's gate, beside k and how well known the support is: "
        "NDCG@20 of test shoppers without them, and the difference that they make, with its 95 % interval paired by "
        "shopper. Seed 0. No gate in use has them: what the moment says of single products is the section before.\n"
    )
    return text + "\n" + table(["data set", "", "test shoppers", "without", "with the moment"], rows)


def _gains(gains: Sequence[Figures]) -> str:
    ks = sorted({gain["k"] for gain in gains})
    cells = {
        (g["group"], g["field"], g["side"], g["k"]): within(g["gain"], g["low"], g["high"], "+.4f")
        for g in gains
    }
    on = {(g["group"], g["field"]) for g in gains if g["on"]}
    rows = [
        [*key, *(cells.get((*key, k), "–") for k in ks), "yes" if key[:2] in on else "no"]
        for key in dict.fromkeys((g["group"], g["field"], g["side"]) for g in gains)
    ]
    return table(["known", "field", "shoppers", *(f"k = {k}" for k in ks), "in use"], rows)


def supports(found: Figures) -> str:
    """What weights of a support add, what low ratings say, and how a past is best ranked."""
    parts = []
    for part, text, rows, head in (
        (
            "weights",
            "Weights of the support's products in a closed form, chosen on validation shoppers: difference in NDCG@20 "
            "to weights that are all 1, with its 95 % interval paired by shopper; the mean is over k = 1, 2, 3, 5, 10. "
            "The mixture weighs by the place already: what a rule adds to that is in the last column.\n",
            _weights,
            ("data set", "rule", "chosen", "mean", "in per cent", *(f"k = {k}" for k in KS), "mean, above the place"),
        ),
        (
            "dislikes",
            "Low ratings before the next high one, in the order of the file: lists without the disliked against lists "
            "that know of none, then with what is like them pushed down (a strength above 0) or up (below 0), the "
            "strength chosen on validation shoppers. Difference in NDCG@20 with its 95 % interval.\n",
            _dislikes,
            ("data set", "disliked", "what", "mean", *(f"k = {k}" for k in KS)),
        ),
        (
            "again",
            "The placement `again` on the repeat track: NDCG@10 among the products of the support, of shoppers whose "
            "next events hold one of them; difference to the order by how often each was bought, with its 95 % "
            "interval paired by shopper.\n",
            _again,
            ("data set", "k", "shoppers", "served", "times alone", "difference"),
        ),
    ):  # fmt: skip
        measured = {name: each[part] for name, each in found.items() if part in each}
        if measured:
            parts += [text, table(head, [row for name, each in measured.items() for row in rows(name, each)])]
            parts.append(_seeds(measured))
    return "\n".join(parts)


def _seeds(measured: Mapping[str, Figures]) -> str:
    said = [
        f"{_title(name)}: seed {each['seed']}, `{shown(each['command'])}`, {each['date']}"
        for name, each in measured.items()
    ]
    return f"{'; '.join(said)}.\n"


def _weights(name: str, measured: Figures) -> list[list[str]]:
    rows = []
    for rule, each in measured.items():
        if not isinstance(each, Mapping) or "chosen" not in each:
            continue
        above, place = each["above all 1"], each.get("above place")
        rows.append([
            _title(name), rule, each["chosen"], interval(above["mean"]), f"{above['share']:+.1%}", *_by_k(above),
            interval(place["mean"]) if place else "–",
        ])  # fmt: skip
    return rows


def _dislikes(name: str, measured: Figures) -> list[list[str]]:
    rows = []
    for which, each in measured.items():
        if not isinstance(each, Mapping):
            continue
        for what, gap in (
            ("left out", each["left out above nothing"]),
            (f"pushed, strength {each['strength']:g}, above left out", each["pushed above left out"]),
        ):
            rows.append([_title(name), which, what, interval(gap["mean"]), *_by_k(gap)])
    return rows


def _again(name: str, measured: Figures) -> list[list[str]]:
    return [
        [
            _title(name), k, str(each["shoppers"]), f"{each['served']:.4f}", f"{each['times alone']:.4f}",
            interval(each["served above times alone"]),
        ]
        for k, each in measured.items()
        if isinstance(each, Mapping)
    ]  # fmt: skip


def _by_k(compared: Figures) -> list[str]:
    return [interval(compared["by_k"].get(str(k))) for k in KS]


def pace(found: Figures) -> str:
    """Whether the days between a shopper's products say what comes next; found: by data set and seed."""
    rows = [
        [
            _titled(name), str(row["k"]), str(row["shoppers"]), f"{row['without']:.4f}", f"{row['with']:.4f}",
            within(row["mean"], row["low"], row["high"], "+.4f"),
        ]
        for name, measured in found.items()
        for row in measured
    ]  # fmt: skip
    return (
        "NDCG@20 of tuned item-kNN without and with the next products of training shoppers who buy as often, in five "
        "bands of days per product, their weight chosen on validation shoppers; 95 % interval of the difference, "
        "paired by shopper.\n\n"
    ) + table(("data set, seed", "k", "test shoppers", "without", "with", "difference"), rows)


def _title(name: str) -> str:
    return TITLES.get(name, name)


def _titled(name: str) -> str:
    """`ml-1m seed 0` with the data set's title."""
    data_set, _, seed = name.partition(" ")
    return f"{_title(data_set)}, {seed}" if seed else _title(data_set)
