"""Measure products that training never saw: the new-product track, through the code that serves them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metarec_plugin.adapt.newcomers import ContentModel, with_newcomers
from metarec_plugin.evaluate.content_baselines import constant, content_baselines
from metarec_plugin.evaluate.episodes import HEADLINE_KS, Scorer
from metarec_plugin.evaluate.new_products import (
    HeldOut,
    Ranker,
    Results,
    figures,
    hold_out,
    measure_at,
)
from metarec_plugin.exceptions import InvalidData
from metarec_plugin.features.matrix import feature_matrix, fit_tokens, values_of
from metarec_plugin.features.table import FeatureTable
from metarec_plugin.pipeline.candidates import make_candidate
from metarec_plugin.pipeline.newcomers import MIN_PRODUCTS
from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.train import fit
from metarec_plugin.train.content import Content, fit_content
from metarec_plugin.train.maml import first_vectors

WARM_UP = (1, 2, 5, 10)  # buyers that are known of a new product; `transfer` itself is measured with none
BUYERS_SEED = 1
DIMENSIONS = 64  # of the vectors that the attribute ridge may predict
Progress = Callable[[float, str], None]


@dataclass(frozen=True, eq=False)
class NewProducts:
    """What was held out and fitted without it; ours: what is served, at each k; found: the figures, as JSON."""

    held: HeldOut
    scorer: Scorer
    content: Content
    ours: Results
    found: Mapping[str, Any]


def measure_new_products(
    dataset: Dataset,
    table: FeatureTable,
    learner: str = "mixture",
    ks: Sequence[int] = HEADLINE_KS,
    seed: int = 0,
    budget_seconds: float = 60.0,
    progress: Progress = lambda fraction, message: None,
    *,
    device: str = "auto",
    options: Mapping[str, Any] | None = None,
) -> NewProducts:
    """Take a fifth of the products out, train on the rest, and rank the new ones by what the table says of them.

    learner: whose scores of the catalogue newcomers are scored from. Beside what is served stand chance, the newest
    first, and content kNN and attribute ridge, tuned on validation shoppers. Raises InvalidData where features or
    shoppers do not suffice.
    """
    held = hold_out(dataset, np.random.default_rng(seed))
    _require_enough(held, table)

    def training(fraction: float, message: str) -> None:
        progress(0.6 * fraction, f"{learner}: {message}")

    fitted = fit(
        learner, held.warm, seed=seed, device=device, budget_seconds=budget_seconds, progress=training,
        options=options,
    )  # fmt: skip
    scorer = make_candidate(held.warm, fitted.learner, fitted.kind, fitted.arrays).request_scorer()
    progress(0.6, "what features say of behaviour")
    started = time.perf_counter()
    content = fit_content(held.warm, table, seed)
    if content.is_empty:
        raise InvalidData(
            f"New products are found by their features, and none of {', '.join(table.kinds)} is known of two products "
            "that are sold. Declare others, or name a file of them with --products."
        )
    gate = content.gate(scorer)
    weights = np.array(gate.weights)
    seconds = time.perf_counter() - started
    progress(0.75, "content kNN and attribute ridge")
    baselines = _baselines(held, table, ks, seed)
    n_warm, n_new = len(held.warm_products), len(held.new_products)
    rankers: dict[str, Ranker] = {
        "chance": constant(np.random.default_rng(seed).random(n_warm + n_new)),
        "newest": constant(np.concatenate([held.warm.log_prior, np.arange(n_new)])),
        **{name: each for name, (each, _) in baselines.items()},
    }
    measured = {name: measure_at(ranker, held, ks) for name, ranker in rankers.items()}
    progress(0.85, "new products among test shoppers")
    ours = measure_at(newcomer_ranker(scorer, content, weights, held, table), held, ks)
    _require_asked(ours, ks)
    rows = {name: figures(results) for name, results in measured.items()}
    for name, (_, settings) in baselines.items():
        rows[name]["settings"] = {str(k): setting for k, setting in settings.items()}
    rows["transfer"] = figures(ours, {name: measured[name] for name in baselines})
    for n in WARM_UP:
        progress(0.9, f"new products with {n} buyers")
        warmed = measure_at(newcomer_ranker(scorer, content, weights, held, table, n), held, ks)
        rows[f"transfer, {n} buyers"] = figures(warmed, {"transfer": ours})
    found = {
        "products": n_warm, "new_products": n_new, "shoppers": len(held.whole.test), "seed": seed,
        "learner": learner,
        "content": dict(content.report), "gate": gate.as_json(), "seconds": seconds, "rows": rows,
    }  # fmt: skip
    return NewProducts(held, scorer, content, ours, found)


def newcomer_ranker(
    scorer: Scorer, content: Content, gate: np.ndarray, held: HeldOut, table: FeatureTable, buyers: int = 0
) -> Ranker:
    """Rank as it is served: the catalogue by its scorer, newcomers by their features and so many known buyers."""
    arrays = content.arrays(gate) | {"log_prior": held.warm.log_prior}
    model = ContentModel(arrays, content.map.space.kinds)
    rows = values_of(table, held.whole.product_keys[held.new_products])
    supports = _buyers(held, buyers) if buyers else None
    return with_newcomers(scorer, model, model.place(rows, supports))


def _buyers(held: HeldOut, n: int) -> list[list[np.ndarray]]:
    """For each new product, what up to n of its training buyers had besides, in places of the warm catalogue."""
    rng = np.random.default_rng(BUYERS_SEED)
    train = held.whole.train
    bought = train.matrix(held.whole.n_products).tocsc()
    found = []
    for product in held.new_products:
        who = bought.indices[bought.indptr[product] : bought.indptr[product + 1]]
        others = [held.place[train[u]] for u in rng.permutation(who)[:n]]
        known = [each[each < len(held.warm_products)] for each in others]
        found.append([each for each in known if len(each)])
    return found


def _baselines(
    held: HeldOut, table: FeatureTable, ks: Sequence[int], seed: int
) -> dict[str, tuple[Ranker, Mapping[int, str]]]:
    """Content kNN and attribute ridge with the setting that was chosen for each k."""
    order = np.concatenate([held.warm_products, held.new_products])
    cells = feature_matrix(
        table, fit_tokens(table, held.warm.product_keys), held.whole.product_keys[order]
    ).cells
    vectors = first_vectors(held.warm, DIMENSIONS, seed)
    tuned = content_baselines(cells, held, np.random.default_rng(seed), vectors, ks)
    return {each.name: (each, each.settings) for each in tuned}


def _require_enough(held: HeldOut, table: FeatureTable) -> None:
    if held.warm.n_products < MIN_PRODUCTS or not len(held.new_products):
        raise InvalidData(
            f"The new-product track needs {MIN_PRODUCTS} products beside the fifth that is held out; found "
            f"{held.warm.n_products} and {len(held.new_products)}. Collect more events, or allow more --kinds."
        )
    keys = set(table.rows["key"].to_list())
    known = sum(key in keys for key in held.whole.product_keys.tolist())
    if not table.kinds or not known:
        raise InvalidData(
            "The new-product track needs features of the products with events; found "
            f"{', '.join(table.kinds) or 'no feature'}, for {known} of {held.whole.n_products} products. Name a file "
            "with them by --products, whose product_id is that of the events, or declare features in the mapping."
        )


def _require_asked(ours: Results, ks: Sequence[int]) -> None:
    """Some test shopper must have bought one of the new products, or there is nothing to find."""
    if not any((~np.isnan(result.among_new)).any() for result in ours.values()):
        raise InvalidData(
            "No test shopper has a held-out product among what comes after their first "
            f"{', '.join(map(str, ks))} products. Use smaller --ks, or collect more events."
        )
