"""Diversity: more of it never makes a list more of a kind, and none leaves it as it was."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metarec_plugin.serve import recommend
from metarec_plugin.serve.diversity import diversified
from metarec_plugin.serve.placements import save_placement
from metarec_plugin.serve.slate import Entry
from tests.serve.merchants import keys_of, shelved


def entries(n: int) -> list[Entry]:
    return [Entry(str(at), None, at, -float(at), "adapted", "") for at in range(n)]


def alike(listed: list[Entry], groups: dict[str, object], n: int) -> int:
    """Pairs of one group among the first n."""
    counts = Counter(groups[entry.key] for entry in listed[:n] if groups.get(entry.key) is not None)
    return sum(count * (count - 1) // 2 for count in counts.values())


def test_one_half_of_a_kind_is_spread():
    groups = {str(at): "a" if at < 5 else "b" for at in range(10)}
    shares = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    pairs = [alike(diversified(entries(10), groups, share, 5), groups, 5) for share in shares]
    assert pairs == sorted(pairs, reverse=True)
    assert (pairs[0], pairs[-1]) == (10, 4)


@given(
    st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=1, max_size=40),
    st.floats(0, 1),
    st.integers(0, 12),
)
def test_nothing_is_lost_and_all_of_it_spreads_as_far_as_there_are_groups(names, share, n):
    groups = {str(at): name for at, name in enumerate(names)}
    before = entries(len(names))
    after = diversified(before, groups, share, n)
    assert sorted(entry.key for entry in after) == sorted(entry.key for entry in before)
    assert alike(after, groups, n) <= alike(before, groups, n)
    assert diversified(before, groups, 0.0, n) == before
    most = alike(diversified(before, groups, 1.0, n), groups, n)
    assert most <= alike(after, groups, n)
    assert n == 0 or after[0] == before[0], "the best stays the best"


@given(st.lists(st.sampled_from("abc"), min_size=5, max_size=30), st.floats(0, 1), st.floats(0, 1))
def test_more_of_it_lists_no_more_of_a_kind(names, one, other):
    groups = dict(zip(map(str, range(len(names))), names))
    less, more = sorted((one, other))
    found = [alike(diversified(entries(len(names)), groups, share, 5), groups, 5) for share in (less, more)]
    assert found[1] <= found[0]


@pytest.mark.usefixtures("merchant")
def test_a_placement_spreads_over_shelves(publish, visit, keys):
    publish()
    before = keys_of(recommend(visit(keys[:2]), placement="home", k=60))
    shelved(before[:20], "First")
    for share, shelves in ((0.0, 1), (1.0, 2)):
        save_placement("home", {"diversity": share, "diversity_by": "category"})
        listed = recommend(visit(keys[:2]), placement="home", k=6)
        assert len({product.category_id for product in listed.products}) == shelves
        assert listed.entries[0].key == before[0]
