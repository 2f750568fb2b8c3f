"""Exploration: how often a product stands where is what its propensity says, and what the log keeps."""

from __future__ import annotations

from collections import Counter

import pytest

from metarec_plugin.models import Impression
from metarec_plugin.serve import recommend
from metarec_plugin.serve.exploration import explored
from metarec_plugin.serve.placements import save_placement
from metarec_plugin.serve.slate import Entry
from tests.serve.merchants import keys_of, rule

DRAWS = 10_000


def entries(n: int) -> list[Entry]:
    return [Entry(str(at), None, at, -float(at), "adapted", "") for at in range(n)]


@pytest.mark.parametrize("n, candidates, share", [(4, 12, 0.2), (4, 6, 0.5), (5, 6, 0.5), (3, 4, 0.1)])
def test_propensities_are_the_frequencies(n, candidates, share):
    stood: Counter[tuple[int, str]] = Counter()
    said: dict[tuple[int, str], set[float]] = {}
    given = entries(candidates)
    for draw in range(DRAWS):
        for place, entry in enumerate(explored(given, share, n, str(draw))[:n]):
            stood[place, entry.key] += 1
            said.setdefault((place, entry.key), set()).add(round(entry.propensity, 12))
    assert all(len(each) == 1 for each in said.values()), "it does not depend on what was drawn"
    for at, (propensity,) in said.items():
        deviation = (propensity * (1 - propensity) / DRAWS) ** 0.5
        assert abs(stood[at] / DRAWS - propensity) < 4.5 * deviation + 1e-9, at
    for place in range(n):
        total = sum(next(iter(each)) for (at, _), each in said.items() if at == place)
        assert total == pytest.approx(1)


def test_a_draw_can_be_made_again_and_without_a_share_or_candidates_nothing_is_drawn():
    given = entries(12)
    assert explored(given, 0.3, 4, "a") == explored(given, 0.3, 4, "a")
    assert explored(given, 0.0, 4, "a") == given
    assert explored(given[:4], 0.5, 4, "a") == given[:4]


@pytest.mark.usefixtures("merchant")
def test_what_is_logged_is_what_the_slate_says_and_pins_are_certain(publish, visit, keys):
    publish()
    save_placement("home", {"exploration": 0.5})
    plain = None
    for _ in range(20):
        Impression.objects.all().delete()
        slate = recommend(visit(keys[:2], consent="full"), placement="home", k=6)
        rows = Impression.objects.order_by("rank").values_list("product", "propensity")
        assert list(rows) == [(entry.key, entry.propensity) for entry in slate]
        plain = plain or any(entry.explored for entry in slate)
        assert all(entry.propensity < 0.5 for entry in slate if entry.explored)
        assert all(entry.propensity == 0.5 for entry in slate if not entry.explored)
    assert plain
    rule("pin", product=keys[40], position=2)
    slate = recommend(visit(keys[:2]), placement="home", k=6)
    pinned = slate.entries[1]
    assert (pinned.key, pinned.propensity, pinned.explored) == (keys[40], 1.0, False)
    assert len(set(keys_of(slate))) == 6
