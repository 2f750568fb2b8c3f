"""Tune what scores by a support beside a prior: z(raw scores) + weight * prior, one grid and one choice rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from metarec_plugin.evaluate.episodes import Episodes, Scorer, episodes
from metarec_plugin.evaluate.protocol import batch_size, exclude
from metarec_plugin.evaluate.tuning import TunedBaseline, choose, ndcg_of, setting_at
from metarec_plugin.evaluate.widening import Beyond, Setting, Strength, at_edges, nowhere, wanted
from metarec_plugin.preprocess.histories import Histories

PRIOR_WEIGHTS = (0.0, 0.3, 1.0, 2.0)


class SupportScores(Protocol):
    """One or several models of a family that share their work."""

    def raws(self, support: np.ndarray, strengths: Sequence[Strength]) -> list[np.ndarray]:
        """(B, k) support -> for each strength (B, N) float32 that the caller may overwrite."""
        ...


@dataclass(frozen=True, eq=False)
class Family:
    """A kind of baseline: its grid, how its models are made, and where to look beyond the grid.

    start: the prior whose scores stand in for the model's without support; None ranks by each prior alone.
    """

    name: str
    passes: Sequence[
        tuple[Strength, ...]
    ]  # opened one after the other; the strengths of one share their work
    opened: Callable[[tuple[Strength, ...]], SupportScores]
    weights: tuple[float, ...] = PRIOR_WEIGHTS
    beyond: Beyond = nowhere
    start: str | None = None


def tune_linear(
    family: Family, priors: Mapping[str, np.ndarray], validation: Histories, ks: Sequence[int]
) -> TunedBaseline:
    """Choose strength, prior and its weight for each k. Only the models that are best at some k are kept."""
    grids: dict[int, dict[Setting, float]] = {k: {} for k in ks}
    kept: dict[Strength, SupportScores] = {}
    settings: dict[int, Setting] = {}
    for strengths in family.passes:
        model = family.opened(strengths)
        points = [Setting(s, name, weight) for s in strengths for name in priors for weight in family.weights]
        for k in ks:
            grids[k].update(_measured(model, points, family, priors, episodes(validation, k)))
        settings = choose(grids, ks)
        kept = _used(kept | dict.fromkeys(strengths, model), settings)
    if not settings:
        first = family.passes[0]
        settings = dict.fromkeys(ks, Setting(first[0], next(iter(priors)), family.weights[0]))
        kept = {first[0]: family.opened(first)}
    edges = at_edges(settings, grids, family.beyond, weighted=True)

    def widened(found: Sequence[Strength] = ()) -> TunedBaseline:
        models, wide, chosen = dict(kept), {k: dict(grid) for k, grid in grids.items()}, settings
        for strength in found:
            if any(strength in each for each in family.passes):
                continue
            model = models[strength] if strength in models else family.opened((strength,))
            points = [Setting(strength, name, weight) for name in priors for weight in family.weights]
            for k in ks:
                wide[k].update(_measured(model, points, family, priors, episodes(validation, k)))
            chosen = choose(wide, ks) or chosen
            models = _used(models | {strength: model}, chosen)
        further = nowhere if found else family.beyond  # the prior's weights go on either way
        while asked := wanted(chosen, wide, further, weighted=True):
            strengths = dict.fromkeys(s.strength for s in asked if s.strength is not None)
            for strength in sorted(
                strengths, key=lambda each: each not in models
            ):  # before what is at hand goes
                model = models[strength] if strength in models else family.opened((strength,))
                for k in ks:
                    points = [each for each, at in asked.items() if each.strength == strength and k in at]
                    if points:
                        wide[k].update(_measured(model, points, family, priors, episodes(validation, k)))
                chosen = choose(wide, ks)
                models = _used(models | {strength: model}, chosen)
        left = at_edges(chosen, wide, further, weighted=True)
        scorer = _scorer(models, chosen, family, priors)
        return TunedBaseline(f"{family.name}_wide", scorer, chosen, wide, adapts=True, edges=left)

    scorer = _scorer(kept, settings, family, priors)
    return TunedBaseline(
        family.name, scorer, settings, grids, adapts=True, edges=edges, widen=widened if edges else None
    )


def standardise(raw: np.ndarray) -> np.ndarray:
    """Bring each row of (B, N) float32 scores to mean 0 and deviation 1, in place."""
    deviation = raw.std(axis=1, keepdims=True)
    raw -= raw.mean(axis=1, keepdims=True)
    raw /= deviation + 1e-9
    return raw


def _scorer(
    models: Mapping[Strength, SupportScores],
    settings: Mapping[int, Setting],
    family: Family,
    priors: Mapping[str, np.ndarray],
) -> Scorer:
    def scorer(part: Episodes) -> np.ndarray:
        setting = setting_at(settings, part.k)
        prior, weight = priors[setting.prior or ""], setting.prior_weight or 0.0
        if part.k:
            strength = setting.strength if setting.strength is not None else 0.0
            scores = standardise(models[strength].raws(part.support, (strength,))[0])
        elif family.start is None:
            return np.tile(prior, (len(part), 1))
        else:
            scores = standardise(np.tile(priors[family.start], (len(part), 1)))
        scores += weight * prior
        return scores

    return scorer


def _used(
    models: Mapping[Strength, SupportScores], settings: Mapping[int, Setting]
) -> dict[Strength, SupportScores]:
    used = {setting.strength for setting in settings.values()}
    return {strength: model for strength, model in models.items() if strength in used}


def _measured(
    model: SupportScores,
    points: Sequence[Setting],
    family: Family,
    priors: Mapping[str, np.ndarray],
    cases: Episodes,
) -> dict[Setting, float]:
    """Return the mean NDCG@20 at the points of one model, each distinct ranking measured once."""
    if not len(cases):
        return {}
    strengths = tuple(dict.fromkeys(s.strength for s in points if s.strength is not None))
    found: dict[Setting, list[np.ndarray]] = {}
    for part in cases.batches(batch_size(len(next(iter(priors.values()))))):
        raws: Mapping[Strength, np.ndarray] = {}
        if cases.k:
            raws = dict(zip(strengths, model.raws(part.support, strengths)))
            for raw in raws.values():
                exclude(standardise(raw), part.excluded)
        known: dict[Setting, np.ndarray] = {}
        for point in points:
            ranking = _ranking(point, cases.k, family.start)
            if ranking not in known:
                known[ranking] = ndcg_of(_scores(point, raws, family, priors, part), part, bool(cases.k))
            found.setdefault(point, []).append(known[ranking])
    return {point: float(np.concatenate(parts).mean()) for point, parts in found.items()}


def _ranking(point: Setting, k: int, start: str | None) -> Setting:
    """What of a point decides the ranking: without support no strength does, without its weight no prior."""
    if k:
        return point if point.prior_weight else Setting(point.strength)
    if start is None:
        return Setting(prior=point.prior)
    return Setting(prior=point.prior, prior_weight=point.prior_weight) if point.prior_weight else Setting()


def _scores(
    point: Setting,
    raws: Mapping[Strength, np.ndarray],
    family: Family,
    priors: Mapping[str, np.ndarray],
    part: Episodes,
) -> np.ndarray:
    prior, weight = priors[point.prior or ""], point.prior_weight or 0.0
    if part.k and point.strength is not None:
        return raws[point.strength] + weight * prior
    if family.start is None:
        return np.tile(prior, (len(part), 1))
    return standardise(np.tile(priors[family.start], (len(part), 1))) + weight * prior
