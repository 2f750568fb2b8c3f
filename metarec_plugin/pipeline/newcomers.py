"""Give a model what it takes to score products that it does not know."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from metarec_plugin.features.table import product_table
from metarec_plugin.pipeline.candidates import Candidate
from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.storefront import get_storefront
from metarec_plugin.train.content import Content, fit_content

MIN_PRODUCTS = 20  # of the catalogue: from fewer nothing general is learned


def content_of(dataset: Dataset, seed: int) -> Content | None:
    """Learn what the shop's declared product features say of behaviour; None where they say nothing."""
    if dataset.n_products < MIN_PRODUCTS or not get_storefront().products.features:
        return None
    content = fit_content(dataset, product_table(), seed)
    return None if content.is_empty else content


def with_content(candidate: Candidate, content: Content | None) -> Candidate:
    """Add the content arrays, their gate fitted on the candidate's own scores of validation shoppers.

    Those of requests: newcomers are placed inside the request, also beside a ranking that a worker left.
    """
    if content is None:
        return candidate
    gate = content.gate(candidate.request_scorer())
    report = {**candidate.report, "content": {**content.report, "gate": gate.as_json()}}
    arrays = {**candidate.arrays, **content.arrays(np.array(gate.weights))}
    return replace(candidate, arrays=arrays, report=report)
