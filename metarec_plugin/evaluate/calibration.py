"""Put a learner's scores on the scale of log probabilities: log softmax(a z(raw) + b log prior), per k."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metarec_plugin.evaluate import metrics
from metarec_plugin.evaluate.episodes import Episodes, Scorer, episodes
from metarec_plugin.evaluate.protocol import BATCH_CELLS, batch_size, exclude
from metarec_plugin.preprocess.histories import Histories

MIN_SHOPPERS = 20  # fewer say nothing about a k: the neighbouring k's numbers hold there
# Weights of the prior, in deviations of the log prior per deviation of the raw scores.
RATIOS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0)
MIN_SCALE = 0.05  # scores so heavy-tailed that likelihood wants none of them still rank
_FITTED = 256  # shoppers to fit the size on
_STEPS = 50
_TOLERANCE = 1e-5


@dataclass(frozen=True, eq=False)
class Calibration:
    """a and b at the measured k; between them linear in log(1 + k), beyond them constant."""

    ks: np.ndarray  # (K,) float32, ascending
    scale: np.ndarray  # (K,) float32: a
    prior_weight: np.ndarray  # (K,) float32: b

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the bundle's three calibration arrays."""
        return {
            "calibration_k": self.ks,
            "calibration_scale": self.scale,
            "calibration_prior": self.prior_weight,
        }

    def at(self, k: int) -> tuple[float, float]:
        """Return (a, b) at k."""
        place, places = np.log1p(k), np.log1p(self.ks)
        return float(np.interp(place, places, self.scale)), float(np.interp(place, places, self.prior_weight))

    def apply(self, raw: np.ndarray, k: int, log_prior: np.ndarray) -> np.ndarray:
        """Turn the (B, N) raw scores of k >= 1 support products into (B, N) log probabilities."""
        scale, prior_weight = self.at(k)
        scores = scale * z(raw) + prior_weight * log_prior
        return scores - _log_sum(scores)


NEUTRAL = Calibration(np.ones(1, np.float32), np.ones(1, np.float32), np.ones(1, np.float32))


def calibrated(raw: Scorer, calibration: Calibration, log_prior: np.ndarray) -> Scorer:
    """Return the scorer of log probabilities behind a scorer of raw ones; without support they are the prior."""

    def scorer(part: Episodes) -> np.ndarray:
        if not part.k:
            return np.tile(log_prior, (len(part), 1))
        return calibration.apply(raw(part), part.k, log_prior)

    return scorer


def halves(histories: Histories) -> tuple[Histories, Histories]:
    """Cut the shoppers in two at random, always the same way: one to fit on, one to choose the lift on."""
    fit, other = _half_rows(len(histories))
    return histories.select(fit), histories.select(other)


def _half_rows(n: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.random.default_rng(0).permutation(n)
    middle = (n + 1) // 2
    return np.sort(order[:middle]), np.sort(order[middle:])


def fit_calibration(
    raw: Scorer,
    validation: Histories,
    log_prior: np.ndarray,
    ks: Sequence[int],
    weighs_prior: bool = False,
) -> Calibration:
    """Fit a and b at each k >= 1 with enough validation shoppers.

    weighs_prior: the raw scores hold the prior, and that of no support is more than it, as a mixture's: then b is
    0, and k = 0 is fitted too.

    The ratio b / a decides the ranking, the size of both only how sure the scores are. So the ratio is the one
    of a grid with the best NDCG@20 over the validation shoppers, smoothed over neighbours in k and in the
    grid; given the ratio, the size maximises the likelihood of one half's queries. The ratio of highest
    likelihood ranks worse: by 5 % on dense histories, by up to 20 % where most raw scores are zero.
    """
    fit_half = np.zeros(len(validation), dtype=bool)
    fit_half[_half_rows(len(validation))[0]] = True
    ratios = np.array(RATIOS[:1] if weighs_prior else RATIOS) / (float(log_prior.std()) or 1.0)
    measured, shoppers, quality, kept = [], [], [], []
    for k in sorted(set(ks) if weighs_prior else set(ks) - {0}):
        cases = episodes(validation, k)[: max(64, BATCH_CELLS // len(log_prior))]
        if len(cases) < MIN_SHOPPERS:
            continue
        parts = [z(np.asarray(raw(part), np.float32)) for part in cases.batches(batch_size(len(log_prior)))]
        scores = np.concatenate(parts)  # (B, N)
        measured.append(k)
        shoppers.append(len(cases))
        quality.append([_mean_ndcg(scores, log_prior, ratio, cases) for ratio in ratios])
        mine = np.flatnonzero(fit_half[cases.rows])[:_FITTED]
        mine = mine if len(mine) else np.arange(len(cases))
        kept.append((cases[mine], scores[mine]))
    if not measured:
        return NEUTRAL
    chosen = ratios[_smooth(np.array(quality), np.array(shoppers)).argmax(axis=1)]
    scales = [
        best_scale(scores + np.float32(r) * log_prior, cases) for (cases, scores), r in zip(kept, chosen)
    ]
    return Calibration(
        np.array(measured, np.float32), np.array(scales, np.float32), np.array(scales * chosen, np.float32)
    )


def _smooth(quality: np.ndarray, shoppers: np.ndarray) -> np.ndarray:
    """Average (K, R) NDCG with its neighbours: validation shoppers are few, and nothing jumps with k."""
    relative = quality / np.maximum(quality.max(axis=1, keepdims=True), 1e-12)
    weights = np.eye(len(quality)) * 0.5 + (np.eye(len(quality), k=1) + np.eye(len(quality), k=-1)) * 0.25
    weights = weights * shoppers  # (K, K): a k with few shoppers says little to its neighbours
    over_k = weights @ relative / weights.sum(axis=1, keepdims=True)
    padded = np.pad(over_k, ((0, 0), (1, 1)), mode="edge")
    return 0.25 * padded[:, :-2] + 0.5 * padded[:, 1:-1] + 0.25 * padded[:, 2:]


def z(raw: np.ndarray) -> np.ndarray:
    """Return (B, N) scores with mean 0 and deviation 1 in each row; a constant row becomes 0."""
    centred = raw - raw.mean(axis=1, keepdims=True)
    deviation = np.sqrt((centred * centred).mean(axis=1, keepdims=True))
    return np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 0)


def best_scale(scores: np.ndarray, cases: Episodes) -> float:
    """Return the a >= MIN_SCALE under which log softmax(a * scores) expects the queries best.

    scores: (B, N); the support is no outcome. Newton's method with step halving on the mean over shoppers of
    the query's mean negative log likelihood, which is convex in a.
    """
    asked = cases.query >= 0  # (B, 20)
    hit = np.take_along_axis(scores, cases.query, axis=1)
    target = float(((hit * asked).sum(axis=1) / asked.sum(axis=1)).mean())

    def likelihood(scale: float) -> tuple[float, np.ndarray]:
        weighted = exclude(np.float32(scale) * scores, cases.excluded)
        total = _log_sum(weighted)
        return float(total.mean()) - scale * target, np.exp(weighted - total, out=weighted)

    scale = 0.0
    loss, chances = likelihood(scale)
    for _ in range(_STEPS):
        mean = np.einsum("bn,bn->b", chances, scores)  # (B,)
        slope = float(mean.mean()) - target
        bend = float((np.einsum("bn,bn,bn->b", chances, scores, scores) - mean * mean).mean())
        step = slope / max(bend, 1e-6)
        if abs(slope * step) < _TOLERANCE:
            break
        trial, trial_chances = likelihood(scale - step)
        while trial > loss and abs(step) > 1e-4:
            step /= 2
            trial, trial_chances = likelihood(scale - step)
        scale, loss, chances = scale - step, trial, trial_chances
    return max(MIN_SCALE, scale)


def _mean_ndcg(scores: np.ndarray, log_prior: np.ndarray, ratio: float, cases: Episodes) -> float:
    ranked = exclude(scores + np.float32(ratio) * log_prior, cases.excluded)
    found = metrics.hits(metrics.top_products(ranked), cases.query)
    return float(metrics.ndcg(found, metrics.relevant(cases.query)).mean())


def _log_sum(scores: np.ndarray) -> np.ndarray:
    """Return log sum exp over the rows of (B, N), (B, 1)."""
    top = scores.max(axis=1, keepdims=True)
    return top + np.log(np.exp(scores - top).sum(axis=1, keepdims=True))
