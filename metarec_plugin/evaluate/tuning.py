"""Tune a baseline on validation shoppers, separately for each k, with one grid and one choice rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from metarec_plugin.evaluate import metrics
from metarec_plugin.evaluate.episodes import HEADLINE_KS, Episodes, Scorer, episodes
from metarec_plugin.evaluate.protocol import batch_size, exclude
from metarec_plugin.preprocess.histories import Histories

PRIOR_WEIGHTS = (0.0, 0.3, 1.0, 2.0)


@dataclass(frozen=True, order=True)
class Setting:
    """One point of a grid; what a family does not have stays None."""

    strength: float | None = None  # shrinkage, ridge or half-life in days
    prior: str | None = None
    prior_weight: float | None = None

    def __str__(self) -> str:
        parts = (self.strength, self.prior, self.prior_weight)
        return ", ".join(
            f"{part:g}" if isinstance(part, float) else part for part in parts if part is not None
        )


@dataclass(frozen=True, eq=False)
class TunedBaseline:
    """A baseline with one setting per k; call it as a scorer. `not_run` says why there is none."""

    name: str
    scorer: Scorer | None = None
    settings: Mapping[int, Setting] = field(default_factory=dict)
    validation: Mapping[int, Mapping[Setting, float]] = field(default_factory=dict)  # NDCG@20 over the grid
    adapts: bool = False
    not_run: str = ""

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
            return self.settings[min(self.settings)].strength or 0.0
        strengths = list(dict.fromkeys(setting.strength for setting in grids[0]))
        means = [
            sum(max(score for s, score in grid.items() if s.strength == strength) for grid in grids)
            for strength in strengths
        ]
        return float(strengths[int(np.argmax(means))] or 0.0)


class LinearMaps(Protocol):
    """One or several product-product maps that share their work."""

    strengths: tuple[float, ...]

    def raws(self, support: np.ndarray, strengths: Sequence[float]) -> list[np.ndarray]:
        """(B, k) support -> for each strength (B, N) float32 that the caller may overwrite."""
        ...


def choose(grids: Mapping[int, Mapping[Setting, float]], ks: Sequence[int]) -> dict[int, Setting]:
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
    name: str, scorers: Mapping[Setting, Scorer], validation: Histories, ks: Sequence[int], n_products: int
) -> TunedBaseline:
    """Choose among ready scorers that do not look at the support."""
    grids: dict[int, dict[Setting, float]] = {k: {} for k in ks}
    for k in ks:
        cases = episodes(validation, k)
        for setting, scorer in scorers.items() if len(cases) else ():
            grids[k][setting] = float(
                np.concatenate(
                    [_ndcg(scorer(part), part) for part in cases.batches(batch_size(n_products))]
                ).mean()
            )
    settings = choose(grids, ks) or dict.fromkeys(ks, next(iter(scorers)))
    return TunedBaseline(name, lambda part: scorers[setting_at(settings, part.k)](part), settings, grids)


def tune_linear(
    name: str,
    passes: Iterable[Callable[[], LinearMaps]],
    priors: Mapping[str, np.ndarray],
    validation: Histories,
    ks: Sequence[int],
) -> TunedBaseline:
    """Choose strength, prior and its weight for z(sum of the support's rows) + weight * prior.

    Passes are opened one after the other, and only what is the best at some k is kept.
    """
    n_products = len(next(iter(priors.values())))
    grids: dict[int, dict[Setting, float]] = {k: {} for k in ks}
    kept: dict[float, LinearMaps] = {}
    settings: dict[int, Setting] = {}
    for opened in passes:
        maps = opened()
        for k in ks:
            cases = episodes(validation, k)
            if len(cases):
                grids[k].update(_grid(maps, priors, cases, batch_size(n_products)))
        settings = choose(grids, ks)
        kept |= dict.fromkeys(maps.strengths, maps)
        kept = {strength: kept[strength] for strength in kept if _used(strength, settings)}
    if not settings:
        settings = dict.fromkeys(ks, Setting(maps.strengths[0], next(iter(priors)), PRIOR_WEIGHTS[0]))
        kept = {maps.strengths[0]: maps}

    def scorer(part: Episodes) -> np.ndarray:
        setting = setting_at(settings, part.k)
        prior = priors[setting.prior or ""]
        if not part.k:
            return np.tile(prior, (len(part), 1))
        strength = setting.strength or 0.0
        scores = standardise(kept[strength].raws(part.support, (strength,))[0])
        scores += (setting.prior_weight or 0.0) * prior
        return scores

    return TunedBaseline(name, scorer, settings, grids, adapts=True)


def standardise(raw: np.ndarray) -> np.ndarray:
    """Bring each row of (B, N) float32 scores to mean 0 and deviation 1, in place."""
    deviation = raw.std(axis=1, keepdims=True)
    raw -= raw.mean(axis=1, keepdims=True)
    raw /= deviation + 1e-9
    return raw


def _used(strength: float, settings: Mapping[int, Setting]) -> bool:
    return any(setting.strength == strength for setting in settings.values())


def _grid(
    maps: LinearMaps, priors: Mapping[str, np.ndarray], cases: Episodes, batch: int
) -> dict[Setting, float]:
    """Return the mean NDCG@20 at every setting of these maps, each distinct ranking measured once."""
    measured: dict[Setting, list[np.ndarray]] = {}
    for part in cases.batches(batch):
        raws = (
            maps.raws(part.support, maps.strengths)
            if cases.k
            else [np.empty(0, dtype=np.float32)] * len(maps.strengths)
        )
        known: dict[tuple[float | None, str | None, float], np.ndarray] = {}
        for strength, raw in zip(maps.strengths, raws):
            if cases.k:
                exclude(standardise(raw), part.excluded)
            for name, prior in priors.items():
                for weight in PRIOR_WEIGHTS:
                    # Without support only the prior ranks; without its weight only the support does.
                    same = (strength if cases.k else None, name if weight or not cases.k else None, weight)
                    same = same if cases.k else (None, name, 0.0)
                    if same not in known:
                        scores = raw + weight * prior if cases.k else np.tile(prior, (len(part), 1))
                        known[same] = _ndcg(scores, part, excluded=True)
                    measured.setdefault(Setting(strength, name, weight), []).append(known[same])
    return {setting: float(np.concatenate(parts).mean()) for setting, parts in measured.items()}


def _ndcg(scores: np.ndarray, part: Episodes, excluded: bool = False) -> np.ndarray:
    if not excluded:
        scores = exclude(np.array(scores, dtype=np.float32), part.excluded)
    found = metrics.hits(metrics.top_products(scores), part.query)
    return metrics.ndcg(found, metrics.relevant(part.query))
