"""The mixture kind in numpy: experts' scores added up by the weights that a gate gives them for this support."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from metarec_plugin.adapt.amortised import Amortised
from metarec_plugin.adapt.descent import InnerLoop, Vector
from metarec_plugin.adapt.passes import Missing, Said
from metarec_plugin.adapt.speaking import Explain, Parts, entries_of
from metarec_plugin.evaluate.experts import MAPS, MOST
from metarec_plugin.exceptions import BundleError

Arrays = Mapping[str, np.ndarray]
DAY = 86_400.0


@dataclass(frozen=True, eq=False)
class Heard:
    """A learner of a mixture after it adapted: it adds factor * (V state + bias) but for a constant."""

    expert: int  # its place among the experts
    learner: Vector
    start: np.ndarray  # (d,)
    state: np.ndarray  # (d,)
    factor: float
    missing: Missing | None = None  # what its cells left out, where it has some


class Mixture:
    """raw(S, now) = the sum of w_e(S) * score_e over experts e, w(S) linear in the gate's inputs.

    The twin of train/expert_columns.py. Maps of products share the columns of a row, so that they and their
    decays cost one look-up together; a learner costs what it costs alone, less its standardising, which is known
    from moments of its vectors. An expert of weight 0 costs nothing.
    """

    def __init__(self, arrays: Arrays) -> None:
        self._log_prior = arrays["log_prior"]
        n_products = len(self._log_prior)
        self._products, self._values = arrays["maps.products"], arrays["maps.values"]  # (N, n), (N, M, n)
        self._deviations, self._decays = arrays["maps.deviations"], arrays["maps.decays"]  # (N, M), (D,)
        self._weights = arrays["gate.weights"]  # (4, W)
        self._centre, self._spread = float(arrays["gate.centre"]), float(arrays["gate.spread"])
        self._days = arrays.get("trend.days", np.zeros(1, dtype=np.float32))  # (S,)
        self._trends = arrays.get("trend.scores", np.zeros((1, 0, n_products), dtype=np.float32))  # (S, H, N)
        present = [name for name in LEARNERS if f"{name}.vectors" in arrays]
        self._learners = [LEARNERS[name](_inside(name, arrays)) for name in present]
        # What is added whole, whatever the support, by a weight for each row.
        rows = [_standardised(self._log_prior), *(each.descent.bias for each in self._learners)]
        self._rows = np.stack(rows)  # (1 + L, N)
        n_maps = self._values.shape[1]
        self._first_map = 1 + self._trends.shape[1]
        self._first_learner = self._first_map + n_maps * len(self._decays)
        self.experts = (*(MAPS[m] if m < len(MAPS) else f"map {m}" for m in range(n_maps)), *present)
        wanted = self._first_learner + len(self._learners)
        if self._weights.shape != (4, wanted):
            raise BundleError(
                f"The gate of a mixture has weights of shape (4, {wanted}) for these experts; found "
                f"{self._weights.shape}. Train again."
            )

    def __call__(self, support: np.ndarray, now: float | None = None) -> np.ndarray:
        """(k,) products, oldest first, k >= 0, and epoch seconds -> (N,) float32 that the caller may overwrite."""
        return self.answer(support, now)[0].whole()

    def answer(
        self, support: np.ndarray, now: float | None = None, weights: np.ndarray | None = None
    ) -> tuple[Said, Explain]:
        """Return the scores of the call, not yet written out, and what explains those of a few products.

        weights: (k,) with mean 1, of the support's products: the maps' rows and the learners' steps count by them.
        """
        gate = self._inputs(support) @ self._weights  # (W,)
        trends = gate[1 : self._first_map]
        snapshot = self._snapshot(now)
        lately = ((snapshot, trends),) if trends.any() else ()

        def trend_of(products: np.ndarray) -> np.ndarray | None:
            return trends @ snapshot[:, products] if len(trends) else None

        if not len(support):
            return Said(((self._rows[:1], gate[:1]), *lately)), lambda products: Parts(
                np.zeros((len(products), len(self.experts), 0)), trend_of(products)
            )
        written, by_row, constant, heard = self._adapt(support, gate, weights)
        factors = self._map_factors(support, gate[self._first_map : self._first_learner], weights)  # (k, M)
        columns = self._products[support]  # (k, n)
        said = Said(
            ((self._rows, by_row), *lately),
            columns=columns.ravel(),
            values=(factors[:, None, :] @ self._values[support].astype(np.float32)).ravel(),
            constant=constant,
            written=written,
            missing=tuple(each.missing for each in heard if each.missing),
        )

        def explain(products: np.ndarray) -> Parts:
            return Parts(self._parts(support, columns, factors, heard, products, weights), trend_of(products))

        return said, explain

    def _inputs(self, support: np.ndarray) -> np.ndarray:
        """Return (4,): 1, x, x^2 with x = log(1 + k) / log 51, and how well known the support's products are."""
        k = len(support)
        x = math.log1p(k) / MOST
        known = (float(self._log_prior[support].sum()) / k - self._centre) / self._spread if k else 0.0
        return np.array([1, x, x * x, min(3.0, max(-3.0, known))], dtype=np.float32)

    def _adapt(
        self, support: np.ndarray, gate: np.ndarray, weights: np.ndarray | None
    ) -> tuple[np.ndarray | None, np.ndarray, float, list[Heard]]:
        """Adapt the learners that count: (N,) of what they say but for their biases and a constant, None if nothing.

        Then the (1 + L,) weights of the rows, the constant, and those learners. One after the other, so that a
        learner's vectors are read for its steps and again for its scores while the cache holds some of them.
        """
        written = None
        by_row = np.zeros(len(self._rows), dtype=np.float32)
        by_row[0] = gate[0]
        constant, heard, n_maps = 0.0, [], self._values.shape[1]
        for place, weight in enumerate(gate[self._first_learner :].tolist()):
            if weight == 0:
                continue
            learner = self._learners[place]
            start, state = learner.adapt(support, weights)
            mean, deviation = learner.moments.of(state)
            if deviation == 0:  # it says the same of all products
                continue
            factor = weight / deviation
            constant -= factor * mean
            by_row[1 + place] = factor
            missing, descent, scaled = None, learner.descent, np.float32(factor) * state
            if descent.cells is None:
                written = descent.scores(scaled, written)
            else:
                written, missing = descent.rough_scores(scaled, descent.cells, written)
            heard.append(Heard(n_maps + place, learner, start, state, factor, missing))
        return written, by_row, constant, heard

    def _snapshot(self, now: float | None) -> np.ndarray:
        """Return the (H, N) trends as of now, the last ones where that is not known."""
        place = len(self._days) - 1
        if now is not None and not math.isnan(now):
            place = min(
                place, max(0, int(np.searchsorted(self._days, np.float32(now / DAY), side="right")) - 1)
            )
        return self._trends[place]

    def _map_factors(
        self, support: np.ndarray, gate: np.ndarray, weights: np.ndarray | None = None
    ) -> np.ndarray:
        """Return (k, M): what each product's row of each map is multiplied with, over all decays; gate: (M * D,)."""
        age = np.arange(len(support) - 1, -1, -1, dtype=np.float32)
        decayed = self._decays[:, None] ** age  # (D, k)
        if weights is not None:
            decayed = decayed * weights
        spread = self._deviations[support]  # (k, M)
        sizes = np.sqrt((decayed * decayed) @ (spread * spread))  # (D, M): what the support could say
        by_map = gate.reshape(-1, len(self._decays)).T / np.maximum(sizes, 1e-12)  # (D, M)
        return decayed.T @ by_map

    def _parts(
        self,
        support: np.ndarray,
        columns: np.ndarray,
        factors: np.ndarray,
        heard: list[Heard],
        products: np.ndarray,
        weights: np.ndarray | None,
    ) -> np.ndarray:
        """Return (m, E, k): what each product of the support adds through each expert."""
        m, k, n_maps = len(products), len(support), self._values.shape[1]
        by = np.zeros((m, len(self.experts), k))
        places, rows, at = entries_of(products, columns, len(self._log_prior))
        values = self._values[support[rows], :, at] * factors[rows]  # (hits, M)
        for each in range(n_maps):
            by[:, each] = np.bincount(places * k + rows, values[:, each], minlength=m * k).reshape(m, k)
        for one in heard:
            moves = one.learner.moves(support, one.start, one.state, weights)  # (k, d)
            by[:, one.expert] = one.factor * one.learner.descent.parts(products, moves)
        return by


LEARNERS: Mapping[str, Callable[[Arrays], Vector]] = {"maml": InnerLoop, "maml_nn": Amortised}


def _inside(prefix: str, arrays: Arrays) -> dict[str, np.ndarray]:
    return {name[len(prefix) + 1 :]: array for name, array in arrays.items() if name.startswith(f"{prefix}.")}


def _standardised(scores: np.ndarray) -> np.ndarray:
    """Return (N,) scores with mean 0 and deviation 1; equal ones become 0."""
    scores = scores - scores.mean()
    deviation = math.sqrt(float(scores @ scores) / len(scores))
    return scores / np.float32(deviation) if deviation > 0 else scores
