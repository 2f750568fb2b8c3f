"""The gate over a newcomer's terms, on terms made up by hand."""

import numpy as np

from metarec_plugin.features.transfer import TERMS
from metarec_plugin.train.content_cases import NewcomerCases
from metarec_plugin.train.content_gate import LEAST_SPREAD, _fit_ranking

PRIOR = TERMS - 1


def cases(rng: np.random.Generator, b: int = 40, known: int = 30, new: int = 25) -> NewcomerCases:
    """Shoppers who take the new products with the highest mean term; the prior is of a shop without bestsellers."""
    terms = rng.normal(size=(b, new, TERMS)).astype(np.float32)
    terms[:, :, PRIOR] = -4 + 0.001 * rng.normal(size=new)
    query = np.full((b, 20), -1, dtype=np.int32)
    query[:, :3] = known + np.argsort(-terms[:, :, :PRIOR].mean(axis=2), axis=1)[:, :3]
    scores = np.log(rng.dirichlet(np.ones(known), size=b)).astype(np.float32)
    nobody = np.zeros((b, 1), dtype=np.int32)
    return NewcomerCases(1, scores, np.zeros(b, dtype=np.float32), terms, query, nobody, np.arange(b))


def test_a_term_that_hardly_varies_gets_no_large_weight():
    weights, ndcg, alone = _fit_ranking([cases(np.random.default_rng(0))], seed=0)
    assert ndcg > max(alone.values())
    assert np.abs(weights[[PRIOR, TERMS + PRIOR]]).max() < 5
    assert LEAST_SPREAD.shape == (TERMS,)
