"""A version is asked before it is served, and a process may be made ready before its first shopper."""

from __future__ import annotations

import numpy as np
import pytest

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.serve import current, recommend, warm_up
from metarec_plugin.serve.current import get_model


def test_a_promoted_version_answers_once_before_it_is_swapped_in(publish, monkeypatch):
    first = publish(seed=1)
    assert get_model().version == str(first.pk)
    asked, answer = [], OnlineModel.answer

    def heard(model, support, *given, **named):
        asked.append((model.version, len(support), current._served.current.version))
        return answer(model, support, *given, **named)

    second = publish(seed=2)
    monkeypatch.setattr(OnlineModel, "answer", heard)
    assert get_model().version == str(second.pk)
    assert asked == [(str(second.pk), size, str(first.pk)) for size in (0, 2)], (
        "while the one before still serves"
    )


def test_a_version_that_cannot_answer_is_not_served(publish, visit, keys, monkeypatch, caplog):
    first = publish(seed=1)
    before = recommend(visit(keys[:2]), placement="home")

    def broken(arrays):
        arrays["row_values"][:] = np.float32(3e38)

    publish(seed=2, change=broken)
    slate = recommend(visit(keys[:2]), placement="home")
    assert slate.model_version == str(first.pk)
    assert [entry.key for entry in slate] == [entry.key for entry in before]
    assert "bundle refused" in caplog.text


def test_the_first_shopper_of_a_warm_process_pays_one_query(
    publish, visit, keys, settings, django_assert_num_queries
):
    settings.METAREC = {**settings.METAREC, "RELOAD_SECONDS": 60}
    version = publish()
    assert warm_up() == str(version.pk)
    request = visit(keys[:2])
    with django_assert_num_queries(1):
        assert len(recommend(request, placement="home")) == 10


@pytest.mark.django_db
def test_without_a_version_there_is_nothing_to_warm_and_nothing_breaks():
    assert warm_up() == ""
