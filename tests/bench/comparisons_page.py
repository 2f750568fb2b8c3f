"""Learners against the best tuned baseline, and the splits of several seeds, as tables of docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Sequence

from tests.bench.table_page import Figures, spread, table, within

HEADLINE_KS = (1, 2, 3, 5, 10)


def comparisons(found: Sequence[Figures], which: str) -> str:
    """Return each learner at each k beside the best baseline there; found: comparison.Comparison as dicts."""
    if not found:
        return ""
    head = (
        "learner",
        "k",
        "best baseline",
        "NDCG@20",
        "its",
        "difference",
        "in per cent",
        "holds",
        "p (Holm)",
    )
    return (
        f"\nEach learner against the best tuned baseline of each k, {which}: difference with its 95 % interval (paired "
        "bootstrap over shoppers), p-values corrected over k (Holm). It holds where the interval reaches 0; under 100 "
        "shoppers nothing is judged. The mean is over the measured k of 1, 2, 3, 5, 10, against the best single "
        "baseline.\n\n"
    ) + table(head, map(_comparison, found))


def _comparison(c: Figures) -> list[str]:
    return [
        c["learner"],
        "mean" if c["k"] is None else str(c["k"]),
        c["baseline"],
        f"{c['ours']:.4f}",
        f"{c['theirs']:.4f}",
        within(c["difference"], c["low"], c["high"], "+.4f"),
        share(c),
        ("yes" if c["held"] else "**no**") if c["judged"] else f"{c['shoppers']} shoppers",
        "–" if c["holm_p"] is None else f"{c['holm_p']:.4f}",
    ]


def share(c: Figures) -> str:
    """Return a comparison's difference in per cent of the baseline's figure."""
    return "–" if c["share"] is None else within(c["share"], c["share_low"], c["share_high"], "+.1%")


def seed_means(joined: Figures) -> str:
    """Return what the splits have in common: means with deviation and interval, and each split's headline."""
    named = ", ".join(map(str, joined["seeds"]))
    means = joined["means"]
    ks = sorted({mean["k"] for mean in means})
    cells = {(m["learner"], m["k"]): _mean(m) for m in means}
    learners = list(dict.fromkeys(mean["learner"] for mean in means))
    text = (
        f"\nNDCG@20, mean over the splits of seeds {named} ± deviation between them, with the 95 % bootstrap interval "
        "of the mean over shoppers, each drawn with all the splits that tested it:\n\n"
    ) + table(
        ["learner", *(f"k = {k}" for k in ks)],
        ([learner, *(cells.get((learner, k), "–") for k in ks)] for learner in learners),
    )
    return text + _by_seed(joined["seeds"], means, learners)


def _mean(m: Figures) -> str:
    deviation = f" ± {m['deviation']:.4f}" if m["deviation"] is not None else ""
    interval = f" [{m['low']:.4f}, {m['high']:.4f}]" if m.get("low") is not None else ""
    return f"{m['mean']:.4f}{deviation}{interval}"


def _by_seed(seeds: Sequence[int], means: Sequence[Figures], learners: Sequence[str]) -> str:
    rows = []
    for learner in learners:
        at_k = [
            m["by_seed"] for m in means
            if m["learner"] == learner and m["k"] in HEADLINE_KS and m.get("by_seed")
        ]  # fmt: skip
        if at_k:
            splits = [sum(of_split) / len(at_k) for of_split in zip(*at_k)]
            rows.append([learner, *(f"{each:.4f}" for each in splits), spread(splits)])
    if not rows:
        return ""
    return ("\nEach split by itself, NDCG@20, mean over the measured k of 1, 2, 3, 5, 10:\n\n") + table(
        ["learner", *(f"seed {seed}" for seed in seeds), "mean ± deviation"], rows
    )
