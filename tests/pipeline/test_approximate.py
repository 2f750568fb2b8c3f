"""Catalogues above a size are searched approximately: what is measured is what is served, and its recall is shown."""

from __future__ import annotations

import pytest

from metarec_plugin.management.commands.metarec_doctor import search
from metarec_plugin.pipeline.candidates import make_candidate
from metarec_plugin.publish import registry
from metarec_plugin.train import fit
from tests.evaluate.shoppers import planted


@pytest.fixture(scope="module")
def made():
    store = planted(groups=2, products=20, shoppers=150, length=12)
    fitted = fit("maml", store, device="cpu", budget_seconds=0)
    return lambda: make_candidate(store, "maml", fitted.kind, fitted.arrays, report={"steps": 0})


def test_above_the_size_the_candidate_has_cells_and_the_report_says_what_they_find(made, settings):
    settings.METAREC = {**settings.METAREC, "APPROXIMATE_ABOVE": 39}
    candidate = made()
    assert candidate.model()._raw.descent.cells is not None
    found = candidate.report["approximate"]
    assert found["supports"] > 30
    assert 0.9 <= found["recall20"] <= 1
    assert candidate.report["steps"] == 0


@pytest.mark.parametrize("above", [40, None, 200_000])
def test_up_to_the_size_search_is_exact(made, settings, above):
    settings.METAREC = {**settings.METAREC, "APPROXIMATE_ABOVE": above}
    candidate = made()
    assert not any("cell" in name for name in candidate.arrays)
    assert "approximate" not in candidate.report


class Version:
    def __init__(self, **training: object) -> None:
        self.metrics = {"training": training}


def test_the_doctor_shows_the_recall_of_the_version_that_is_served(monkeypatch):
    found = {"recall20": 0.98712, "recall20_lifted": 0.97, "lift": 0.7, "supports": 200}
    monkeypatch.setattr(registry, "current", lambda: Version(approximate=found))
    assert search() == (
        "Approximate search: recall@20 0.987, at a lift of 0.7 0.970, of 200 held-out supports, measured at training."
    )
    monkeypatch.setattr(registry, "current", lambda: Version())
    assert search() == ""
