"""Tune a baseline on validation shoppers, separately for each k: settings, the choice among them, ready scorers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from metarec_plugin.evaluate import metrics
from metarec_plugin.evaluate.episodes import HEADLINE_KS, Episodes, Scorer, episodes
from metarec_plugin.evaluate.protocol import batch_size, exclude
from metarec_plugin.evaluate.widening import Beyond, Grids, Setting, Strength, at_edges, nowhere, wanted
from metarec_plugin.preprocess.histories import Histories

__all__ = ["Setting", "TunedBaseline", "choose", "setting_at", "tune_scorers"]


@dataclass(frozen=True, eq=False)
class TunedBaseline:
    """A baseline with one setting per k; call it as a scorer. `not_run` says why there is none.

    widen: tunes on beyond the grid from wherever the best of some k lies at its edge; None where no best does. Given
    strengths that such a search found on another split, it chooses among the grid and those instead of searching.
    """

    name: str
    scorer: Scorer | None = None
    settings: Mapping[int, Setting] = field(default_factory=dict)
    validation: Grids = field(default_factory=dict)  # NDCG@20 over the grid, by k
    adapts: bool = False
    not_run: str = ""
    edges: Mapping[int, str] = field(default_factory=dict)  # k -> which edge of the grid its best lies at
    widen: Callable[..., TunedBaseline] | None = None

    def __call__(self, episodes: Episodes) -> np.ndarray:
        if self.scorer is None:
            raise ValueError(f"{self.name} was not run: {self.not_run}")
        return self.scorer(episodes)

    def best_strength(self, ks: Sequence[int] = HEADLINE_KS) -> float:
        """Return the one strength with the best mean validation NDCG@20 over ks, the rest free at each k.

        Without a validation shopper for any of ks it is the first of the grid.
        """
        grids = [self.validation[k] for k in ks if self.validation.get(k)]
        if not grids:
            return _scalar(self.settings[min(self.settings)].strength)
        strengths = list(dict.fromkeys(setting.strength for setting in grids[0]))
        means = [
            sum(max(score for s, score in grid.items() if s.strength == strength) for grid in grids)
            for strength in strengths
        ]
        return _scalar(strengths[int(np.argmax(means))])

    def as_json(self) -> dict[str, Any]:
        """Return what was chosen at each k, how it validated, and the whole grid."""
        return {
            "chosen": {k: str(setting) for k, setting in self.settings.items()},
            "strengths": list(
                dict.fromkeys(s.strength for s in self.settings.values() if s.strength is not None)
            ),
            "validation_ndcg20": {
                k: grid[self.settings[k]]
                for k, grid in self.validation.items()
                if self.settings.get(k) in grid
            },
            "edges": dict(self.edges),
            "grid": {k: {str(s): score for s, score in grid.items()} for k, grid in self.validation.items()},
        }


def choose(grids: Grids, ks: Sequence[int]) -> dict[int, Setting]:
    """Return the best setting at each k, the first of equals; where none was measured that of the k below."""
    chosen: dict[int, Setting] = {}
    last: Setting | None = None
    for k in sorted(ks):
        if grids[k]:
            last = max(grids[k], key=lambda setting: grids[k][setting])
        if last is not None:
            chosen[k] = last
    return chosen


def setting_at(settings: Mapping[int, Setting], k: int) -> Setting:
    """Return the setting of k, or of the nearest smaller k that was tuned, or else of the smallest."""
    return settings[max((each for each in settings if each <= k), default=min(settings))]


def tune_scorers(
    name: str,
    scorers: Mapping[Setting, Scorer],
    validation: Histories,
    ks: Sequence[int],
    n_products: int,
    *,
    made: Callable[[Strength], Scorer] | None = None,
    beyond: Beyond = nowhere,
) -> TunedBaseline:
    """Choose among ready scorers that do not look at the support.

    made: makes the scorer of a strength that `beyond` names, for widening.
    """
    grids: dict[int, dict[Setting, float]] = {k: {} for k in ks}
    for k in ks:
        cases = episodes(validation, k)
        for setting, scorer in scorers.items() if len(cases) else ():
            grids[k][setting] = mean_ndcg(scorer, cases, n_products)
    settings = choose(grids, ks) or dict.fromkeys(ks, next(iter(scorers)))
    edges = at_edges(settings, grids, beyond, weighted=False)

    def widened(found: Sequence[Strength] = ()) -> TunedBaseline:
        known, wide = dict(scorers), {k: dict(grid) for k, grid in grids.items()}
        chosen = settings
        for strength in found if made else ():
            new = Setting(strength)
            if new not in known and made:
                known[new] = made(strength)
                for k in ks:
                    if len(cases := episodes(validation, k)):
                        wide[k][new] = mean_ndcg(known[new], cases, n_products)
            chosen = choose(wide, ks) or chosen
        while made and not found and (asked := wanted(chosen, wide, beyond, weighted=False)):
            for new, at in asked.items():
                known[new] = made(new.strength or 0.0)
                for k in at:
                    wide[k][new] = mean_ndcg(known[new], episodes(validation, k), n_products)
            chosen = choose(wide, ks)
        left = at_edges(chosen, wide, beyond, weighted=False)
        scorer = _by_k(known, chosen)
        return TunedBaseline(f"{name}_wide", scorer, chosen, wide, edges=left)

    return TunedBaseline(
        name,
        _by_k(scorers, settings),
        settings,
        grids,
        edges=edges,
        widen=widened if made and edges else None,
    )


def mean_ndcg(scorer: Scorer, cases: Episodes, n_products: int) -> float:
    """Return the mean NDCG@20 of a scorer of raw scores on the given episodes."""
    parts = cases.batches(batch_size(n_products))
    return float(np.concatenate([ndcg_of(scorer(part), part) for part in parts]).mean())


def ndcg_of(scores: np.ndarray, part: Episodes, excluded: bool = False) -> np.ndarray:
    """Return the (B,) NDCG@20 of (B, N) scores; excluded: what is no answer is out of them already."""
    if not excluded:
        scores = exclude(np.array(scores, dtype=np.float32), part.excluded)
    found = metrics.hits(metrics.top_products(scores), part.query)
    return metrics.ndcg(found, metrics.relevant(part.query))


def _by_k(scorers: Mapping[Setting, Scorer], settings: Mapping[int, Setting]) -> Scorer:
    return lambda part: scorers[setting_at(settings, part.k)](part)


def _scalar(strength: Strength | None) -> float:
    return float(strength) if isinstance(strength, float | int) else 0.0
