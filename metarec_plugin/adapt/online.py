"""Turn one subject's last products into a score for every product, in numpy, inside the request.

Nothing is kept between calls, so one model serves all threads. Working arrays are float32 and reused in
place: at 10,000 products the whole of it takes a fraction of a millisecond.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from metarec_plugin.adapt.kinds import KINDS
from metarec_plugin.adapt.passes import Said, log_total
from metarec_plugin.adapt.speaking import Explain, Parts, Speakers, speakers
from metarec_plugin.exceptions import BundleError
from metarec_plugin.publish.bundle import Bundle
from metarec_plugin.publish.layout import check_arrays

if TYPE_CHECKING:
    from metarec_plugin.evaluate.episodes import Episodes


@dataclass(frozen=True, eq=False)
class Answer:
    """What a model says to one support, and on request who made it say so of which products.

    logits: (N,), log probabilities but for a constant. They rank, and a list needs no more.
    """

    logits: np.ndarray
    _support: np.ndarray
    _explain: Explain
    _names: tuple[str, ...]  # of the experts
    _factor: float  # from raw scores to log probabilities
    _log_prior: np.ndarray  # (N,)
    _mean_log_prior: float

    @cached_property
    def scores(self) -> np.ndarray:
        """(N,) log probabilities: the logits less one number, which costs a pass of exponentials."""
        return self.logits - np.float32(log_total(self.logits))

    def speakers(self, products: np.ndarray, lift: float = 0.0) -> Speakers:
        """Share out what puts (m,) products above the mean one: score - lift * log prior, as they are ranked.

        Costs two means and a few look-ups: a learner's vector is kept with the answer.
        """
        total = self.logits[products] - self.logits.mean()  # (m,)
        total -= lift * (self._log_prior[products] - self._mean_log_prior)
        return speakers(self._explain(products), self._names, self._factor, total, self._support)


class OnlineModel:
    """A bundle that answers: which products, given these?"""

    def __init__(self, bundle: Bundle) -> None:
        check_arrays(bundle.kind, bundle.arrays)
        arrays = bundle.arrays
        self.version = bundle.version
        self.manifest = bundle.manifest
        self.kind = bundle.kind
        self.arrays = arrays
        self.product_keys = arrays["product_keys"]  # (N,) bytes, ascending
        self.log_prior = arrays["log_prior"]  # (N,)
        self._calibration = tuple(
            np.asarray(arrays[name], dtype=np.float64)  # (K,)
            for name in ("calibration_k", "calibration_scale", "calibration_prior")
        )
        with np.errstate(invalid="ignore", divide="ignore"):  # refused below, or found with the scores
            self._calibrated_at = np.log1p(self._calibration[0])  # (K,)
            self._mean_log_prior = float(self.log_prior.mean())
        self._raw = KINDS[bundle.kind](arrays)
        self._names = self._raw.experts or (str(bundle.manifest.get("learner", bundle.kind)),)
        self._has_trends = "trend.scores" in arrays
        self.beside: dict[object, object] = {}  # what others make of it once, which goes when it goes
        ks = self._calibration[0]
        finite = all(np.isfinite(array).all() for array in (self.log_prior, *self._calibration))
        if not finite or (ks[1:] <= ks[:-1]).any():
            raise BundleError(
                f"Bundle {self.version} needs a finite prior and a finite calibration with ascending k; "
                "found other numbers. Train again."
            )

    def __len__(self) -> int:
        return len(self.product_keys)

    def index(self, keys: Iterable[str]) -> np.ndarray:
        """Return the (n,) indices of the keys that the bundle knows, in the given order, without repeats."""
        width = self.product_keys.dtype.itemsize
        encoded = (key.encode("utf-8", "surrogatepass") for key in dict.fromkeys(keys))
        # A longer key would widen, thus copy, the whole mapped array; a NUL at a key's end would be lost.
        known = [key for key in encoded if 0 < len(key) <= width and b"\0" not in key]
        wanted = np.array(known, dtype=self.product_keys.dtype)
        places = np.searchsorted(self.product_keys, wanted)
        places[places == len(self)] = 0
        return places[self.product_keys[places] == wanted]

    def key(self, product: int) -> str:
        return bytes(self.product_keys[product]).decode("utf-8", "surrogatepass")

    def stage(self, support: np.ndarray) -> str:
        """`adapted` where the support changes the scores, else `popular`."""
        return "adapted" if len(support) and self.kind != "popularity" else "popular"

    def scores(self, support: np.ndarray, now: float | None = None) -> np.ndarray:
        """Return each product's calibrated log probability, (N,) float32, given a (k,) support of indices.

        now: epoch seconds, for what sold lately; without it the last days known. Without support it is the prior,
        with its trends where the bundle has some. Raises BundleError if a score is not finite.
        """
        return self.answer(support, now).scores

    def answer(
        self, support: np.ndarray, now: float | None = None, weights: np.ndarray | None = None
    ) -> Answer:
        """Return the scores of `scores`, with what explains those of a few products.

        weights: (k,) float32 with mean 1, how much each product of the support counts; None: all the same.
        """
        if not self._has_trends and self.stage(support) == "popular":
            return self._answer(self.log_prior.copy(), 1.0, support, self._nobody)
        with np.errstate(over="ignore", invalid="ignore"):  # found below, and said in words
            said, explain = self._raw.answer(support, now, weights)
            return self._answer(*self._calibrated(said, len(support)), support, explain)

    def speakers(
        self, support: np.ndarray, products: np.ndarray, now: float | None = None, lift: float = 0.0
    ) -> Speakers:
        """Return who puts (m,) products where they stand for a (k,) support.

        It adapts for it; where the scores are wanted too, ask their `answer`, which has adapted.
        """
        return self.answer(support, now).speakers(products, lift)

    @cached_property
    def popular(self) -> np.ndarray:
        """(N,) scores without support, as of the last days known: what everybody is answered. Not to be written to."""
        scores = self.scores(np.empty(0, dtype=np.int64))
        scores.flags.writeable = False
        return scores

    @cached_property
    def popular_order(self) -> np.ndarray:
        """(N,) products by `popular`, the best first; ties in the order of the bundle."""
        return np.argsort(-self.popular, kind="stable").astype(np.int32)

    def rank(
        self, scores: np.ndarray, n: int, exclude: np.ndarray | None = None, lift: float = 0.0
    ) -> np.ndarray:
        """Return the <= n products with the highest score - lift * log prior; ties go to the lower index.

        lift: 0 ranks the most probable first, 1 the most specific. exclude: indices never returned.
        """
        cost = np.multiply(self.log_prior, np.float32(lift))  # (N,), ascending is best
        cost -= scores
        if exclude is not None and len(exclude):
            cost[exclude] = np.inf
        n = min(n, len(cost))
        if n <= 0:
            return np.empty(0, dtype=np.int64)
        # The n-th best of a part is no better than the n-th best of all: a bar that keeps few and loses none.
        part = cost[:: max(1, len(cost) // max(1024, 8 * n, len(cost) // 64))]
        near = np.flatnonzero(cost <= np.partition(part, n - 1)[n - 1])  # with all ties at the bar, ascending
        best = near[np.argsort(cost[near], kind="stable")][:n]
        return best[cost[best] < np.inf]

    def scorer(self) -> Callable[[Episodes], np.ndarray]:
        """A scorer for evaluation, (B, k) -> (B, N), that goes through the code that serves, one by one."""

        def score(episodes: Episodes) -> np.ndarray:
            out = np.empty((len(episodes.support), len(self)), dtype=np.float32)
            for row, support in enumerate(episodes.support):
                out[row] = self.scores(support, None if episodes.now is None else episodes.now[row])
            return out

        return score

    def _answer(self, logits: np.ndarray, factor: float, support: np.ndarray, explain: Explain) -> Answer:
        return Answer(logits, support, explain, self._names, factor, self.log_prior, self._mean_log_prior)

    def _nobody(self, products: np.ndarray) -> Parts:
        return Parts(np.zeros((len(products), len(self._names), 0)))

    def _calibrated(self, said: Said, k: int) -> tuple[np.ndarray, float]:
        """Return (N,) a raw / deviation + b log prior, and a / deviation; a and b are linear in log(1 + k)."""
        _, scales, prior_weights = self._calibration
        at = math.log1p(k)
        scale, prior_weight = (
            float(np.interp(at, self._calibrated_at, measured)) for measured in (scales, prior_weights)
        )
        logits, factor = said.logits(scale, prior_weight, self.log_prior)
        if not math.isfinite(factor):
            raise BundleError(
                f"Bundle {self.version} gives scores that are not finite for a support of {k}. "
                "Roll back (manage.py metarec_rollback) or train again."
            )
        return logits, factor
