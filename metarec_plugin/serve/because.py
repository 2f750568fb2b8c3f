"""Tell which product of the support led to an entry, where one did: nothing of what everybody is shown anyway."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from metarec_plugin.adapt.online import Answer, OnlineModel

FURTHER = 10  # products of the popular list beyond a slate's length: some may not be on sale


@dataclass(frozen=True)
class Told:
    """because: the key of the product of the support that had the largest part, or empty. expert: who heard it."""

    because: str = ""
    expert: str = ""


NOTHING = Told()


class Teller:
    """Explains what a model ranked for one support.

    An entry that the list without support holds as well is the prior's, or the trend's: the support may have moved
    it, but did not bring it.
    """

    def __init__(
        self,
        model: OnlineModel,
        answer: Answer,
        support: Collection[str],
        excluded: np.ndarray,
        lift: float,
        k: int,
    ) -> None:
        """support: the keys that may be named; what stands in for a product that is not in the bundle is not one."""
        self._model, self._answer, self._support, self._lift = model, answer, frozenset(support), lift
        n, left_out = 2 * k + FURTHER, set(excluded.tolist())
        order = model.popular_order[: n + len(excluded)].tolist()
        self._popular = [model.key(product) for product in order if product not in left_out][:n]
        self._anyway = frozenset(self._popular[:k])

    def __call__(self, keys: Sequence[str]) -> dict[str, Told]:
        """Return what there is to tell of those of the keys that the model knows."""
        products = self._model.index(keys)
        speakers = self._answer.speakers(products, self._lift)
        told = {}
        for row, (product, because) in enumerate(zip(products.tolist(), speakers.because.tolist())):
            key = self._model.key(product)
            if because < 0 or key in self._anyway:
                told[key] = Told(expert=speakers.alone(row))
            else:
                name = self._model.key(because)
                told[key] = Told(name if name in self._support else "", speakers.name(row))
        return told

    def is_popular(self, keys: Sequence[str], not_shown: Collection[str]) -> bool:
        """Whether the list without support would be the same; not_shown: keys that the shop does not show now."""
        return [key for key in self._popular if key not in not_shown][: len(keys)] == list(keys)
