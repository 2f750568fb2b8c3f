"""The new-product track: a share of the products is taken out of training, and must be found all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from metarec_plugin.evaluate import metrics
from metarec_plugin.evaluate.bootstrap import mean_interval, paired_interval
from metarec_plugin.evaluate.episodes import HEADLINE_KS, Episodes, episodes
from metarec_plugin.evaluate.protocol import batch_size, exclude
from metarec_plugin.preprocess.histories import Dataset, Histories

SHARE = 0.2  # of the products that training never sees


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A dataset before and after some of its products were taken out.

    whole: with all N products. warm: what training may see, with W of them. warm_products: (W,) and new_products:
    (J,), places in the whole catalogue, ascending.
    """

    whole: Dataset
    warm: Dataset
    warm_products: np.ndarray
    new_products: np.ndarray

    @cached_property
    def place(self) -> np.ndarray:
        """(N,) int32: a warm product's place in the warm catalogue; a new one's among the new ones, plus W."""
        found = np.empty(self.whole.n_products, dtype=np.int32)
        found[np.concatenate([self.warm_products, self.new_products])] = np.arange(len(found))
        return found


def hold_out(dataset: Dataset, rng: np.random.Generator, share: float = SHARE) -> HeldOut:
    """Take a random share of the products out of the catalogue and of every shopper's history."""
    n = dataset.n_products
    return without(dataset, np.sort(rng.choice(n, round(share * n), replace=False)))


def without(dataset: Dataset, new_products: np.ndarray) -> HeldOut:
    """Take the given products, ascending, out of the catalogue and of every shopper's history."""
    warm = np.setdiff1d(np.arange(dataset.n_products), new_products)
    place = np.full(dataset.n_products, -1, dtype=np.int32)
    place[warm] = np.arange(len(warm))
    train, validation, test = (
        _only(side, place) for side in (dataset.train, dataset.validation, dataset.test)
    )
    source = {**dataset.source, "products_held_out": len(new_products)}
    return HeldOut(
        dataset, Dataset(dataset.product_keys[warm], train, validation, test, source), warm, new_products
    )


def _only(histories: Histories, place: np.ndarray) -> Histories:
    """The distinct products in new places, without those that have none and the subjects that then have none."""
    kept = place[histories.products] >= 0
    before = np.concatenate([[0], np.cumsum(kept)])
    at = None if histories.at is None else histories.at[kept]
    indptr = before[histories.indptr]
    found = replace(
        histories, indptr=indptr, products=place[histories.products[kept]], at=at, occurrences=None
    )
    return found.select(np.flatnonzero(np.diff(indptr)))


@dataclass(frozen=True, eq=False)
class NewcomerEpisodes:
    """Episodes of one k whose products are numbered warm ones first: below W warm, from W on new.

    support: (B, k); query: (B, 20), padded with -1.
    """

    k: int
    rows: np.ndarray
    support: np.ndarray
    query: np.ndarray
    now: np.ndarray | None
    n_warm: int

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice | np.ndarray) -> NewcomerEpisodes:
        now = None if self.now is None else self.now[part]
        return replace(
            self, rows=self.rows[part], support=self.support[part], query=self.query[part], now=now
        )

    def warm(self, support: Sequence[np.ndarray] | None = None) -> Iterator[tuple[np.ndarray, Episodes]]:
        """Yield episodes of the warm catalogue, as scorers want them, with the (b,) places of their rows here.

        Supports are their warm products, or those given; rows of one length come together.
        """
        kept = [each[each < self.n_warm] for each in self.support] if support is None else support
        lengths = np.array([len(each) for each in kept], dtype=int)
        query = np.where(self.query < self.n_warm, self.query, -1)
        for length in np.unique(lengths).tolist():
            rows = np.flatnonzero(lengths == length)
            chosen = np.array([kept[row] for row in rows.tolist()], dtype=np.int32).reshape(len(rows), length)
            now = None if self.now is None else self.now[rows]
            yield rows, Episodes(length, self.rows[rows], chosen, query[rows], now)


def newcomer_episodes(
    held: HeldOut, histories: Histories, k: int, most: int | None = None
) -> NewcomerEpisodes:
    """Return the episodes of the whole catalogue's histories, of at most `most` shoppers spread evenly."""
    cases = episodes(replace(histories, occurrences=None), k)
    if most is not None and len(cases) > most:
        cases = cases[np.linspace(0, len(cases) - 1, most).astype(int)]
    query = np.where(cases.query >= 0, held.place[cases.query], -1)
    support = held.place[cases.support]
    return NewcomerEpisodes(k, cases.rows, support, query, cases.now, len(held.warm_products))


# Episodes of B shoppers -> (B, W + J) scores, the warm products' first.
Ranker = Callable[[NewcomerEpisodes], np.ndarray]


@dataclass(frozen=True, eq=False)
class NewcomerResult:
    """NDCG@20 of one ranker at one k; NaN for a shopper whose query holds no such product.

    among_new: new products are ranked and asked for. overall: all are. warm: all are ranked, known ones are asked
    for; warm_alone: known ones are ranked and asked for. Each (B,). share: of new products among all lists.
    """

    k: int
    rows: np.ndarray
    among_new: np.ndarray
    overall: np.ndarray
    warm: np.ndarray
    warm_alone: np.ndarray
    share: float


Results = dict[int, NewcomerResult]  # by k


def measure_newcomers(ranker: Ranker, held: HeldOut, histories: Histories, k: int) -> NewcomerResult:
    """Rank for every shopper with k + 5 products; the support is never ranked."""
    cases = newcomer_episodes(held, histories, k)
    n_warm, n_products = len(held.warm_products), held.whole.n_products
    found: list[np.ndarray] = [np.empty((0, 4))]
    listed, new = 0, 0
    for start in range(0, len(cases), batch_size(n_products)):
        part = cases[start : start + batch_size(n_products)]
        scores = exclude(np.array(ranker(part), dtype=np.float32), part.support)
        known = np.where(part.query < n_warm, part.query, -1)
        fresh = np.where(part.query >= n_warm, part.query - n_warm, -1)
        whole = metrics.top_products(scores)
        listed += int(np.count_nonzero(whole >= 0))
        new += int(np.count_nonzero(whole >= n_warm))
        columns = (
            (metrics.top_products(scores[:, n_warm:]), fresh),
            (whole, part.query),
            (whole, known),
            (metrics.top_products(scores[:, :n_warm]), known),
        )
        found.append(np.stack([_ndcg(top, query) for top, query in columns], axis=1))
    among_new, overall, warm, alone = np.concatenate(found).T
    return NewcomerResult(k, cases.rows, among_new, overall, warm, alone, new / max(1, listed))


def _ndcg(top: np.ndarray, query: np.ndarray) -> np.ndarray:
    relevant = metrics.relevant(query)
    found = metrics.ndcg(metrics.hits(top, query), np.maximum(relevant, 1))
    return np.where(relevant > 0, found, np.nan)


def measure_at(ranker: Ranker, held: HeldOut, ks: Sequence[int] = HEADLINE_KS) -> Results:
    """Measure on the test shoppers at each k that some of them have products enough for."""
    found = {k: measure_newcomers(ranker, held, held.whole.test, k) for k in ks}
    return {k: result for k, result in found.items() if len(result.rows)}


def figures(results: Results, against: Mapping[str, Results] | None = None) -> dict[str, Any]:
    """Return means over k of what each shopper got, with 95 % intervals over shoppers, as JSON.

    "above NAME": differences from the others, paired by shopper: mean, low, high. warm_loss: what known products
    lose by the new ones beside them, as a share of their NDCG@20 without.
    """
    rng = np.random.default_rng(0)
    found: dict[str, Any] = {}
    for part in ("among_new", "overall"):
        mean = mean_interval(_by_shopper(results, part), rng)
        found[part] = {
            "mean": mean.mean, "low": mean.low, "high": mean.high,
            "by_k": {str(k): _mean(getattr(result, part)) for k, result in results.items()},
        }  # fmt: skip
        for name, other in (against or {}).items():
            difference = paired_interval(_by_shopper(results, part), _by_shopper(other, part), rng)
            found[part][f"above {name}"] = [difference.mean, difference.low, difference.high]
    with_new, alone = _by_shopper(results, "warm"), _by_shopper(results, "warm_alone")
    loss, whole = paired_interval(alone, with_new, rng), float(alone.mean()) if len(alone) else 0.0
    found["warm_loss"] = [bound / whole if whole else np.nan for bound in (loss.mean, loss.low, loss.high)]
    found["share_of_lists"] = float(np.mean([result.share for result in results.values()]))
    return found


def _mean(values: np.ndarray) -> float:
    return np.nan if np.isnan(values).all() else float(np.nanmean(values))


def _by_shopper(results: Results, part: str) -> np.ndarray:
    """(S,) each shopper's mean over the k at which there is a value, for those who have one."""
    n = 1 + max(int(result.rows.max()) for result in results.values())
    total, count = np.zeros(n), np.zeros(n)
    for result in results.values():
        values = getattr(result, part)
        known = ~np.isnan(values)
        total[result.rows[known]] += values[known]
        count[result.rows[known]] += 1
    return total[count > 0] / count[count > 0]
