"""Who trains, who validates, who tests: disjoint, seeded and, for a shop, for good."""

import polars as pl

from metarec_plugin.preprocess.splits import TEST, TRAIN, VALIDATION, side_of, split_hashed, split_shuffled


def log(n: int, products: int = 3) -> pl.DataFrame:
    return pl.DataFrame([(f"u{u}", f"p{p}") for u in range(n) for p in range(products)], schema=["subject", "product"],
                        orient="row")  # fmt: skip


def sides(split: pl.DataFrame) -> dict[str, str]:
    return dict(split.iter_rows())


def test_a_fifth_tests_and_a_tenth_validates():
    counts = dict(split_shuffled(log(200), 0)["side"].value_counts().iter_rows())
    assert counts == {TRAIN: 140, VALIDATION: 20, TEST: 40}


def test_the_shuffled_split_depends_on_the_seed_and_not_on_the_order_of_rows():
    events = log(100)
    assert sides(split_shuffled(events, 1)) == sides(split_shuffled(events.reverse(), 1))
    assert sides(split_shuffled(events, 1)) != sides(split_shuffled(events, 2))


def test_nobody_changes_sides_when_others_join():
    before, after = sides(split_hashed(log(300), 0)), sides(split_hashed(log(900), 0))
    assert {subject: after[subject] for subject in before} == before


def test_the_hashed_split_is_pinned():
    # A change of these would move held-out shoppers of running shops into training.
    found = [side_of(f"user:{i}", 0) for i in range(8)]
    assert found == [TEST, TRAIN, TRAIN, TEST, TEST, TRAIN, TRAIN, TRAIN]


def test_the_hashed_split_keeps_its_shares():
    counts = dict(split_hashed(log(4_000), 7)["side"].value_counts().iter_rows())
    assert abs(counts[TEST] / 4_000 - 0.2) < 0.02
    assert abs(counts[VALIDATION] / 4_000 - 0.1) < 0.02


def test_another_seed_moves_subjects():
    assert sides(split_hashed(log(200), 0)) != sides(split_hashed(log(200), 1))


def test_subjects_with_one_product_take_no_part():
    events = pl.concat(
        [log(5), pl.DataFrame({"subject": ["once", "twice", "twice"], "product": ["p1", "p1", "p1"]})]
    )
    assert set(split_hashed(events, 0)["subject"]) == {f"u{u}" for u in range(5)}
