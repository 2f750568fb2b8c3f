"""What is learned of features and quantities is of training shoppers: no test shopper's events change it."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from metarec_plugin.features.encoding import fit_schema
from metarec_plugin.features.matrix import fit_tokens
from metarec_plugin.features.table import table_from_file
from metarec_plugin.preprocess.dataset import Dataset, dataset_from_file
from metarec_plugin.preprocess.files import read_products


@pytest.fixture
def rows() -> list[dict[str, object]]:
    rng = np.random.default_rng(0)
    return [
        {
            "user_id": f"u{u:03d}", "product_id": f"p{p}", "quantity": 90.0 if p == 3 else 1.0, "price": 1.0 + p,
            "kind": "purchase", "order_id": f"{u}", "timestamp": datetime(2024, 1, 1) + timedelta(hours=24 * place + u),
        }
        for u in range(80)
        for place, p in enumerate(rng.permutation(20)[:10])
    ]  # fmt: skip


def learned(folder: Path, rows: list[dict[str, object]], products: pl.DataFrame) -> tuple[Dataset, object]:
    path, catalogue = folder / "events.parquet", folder / "products.parquet"
    pl.DataFrame(rows).write_parquet(path)
    products.write_parquet(catalogue)
    dataset = dataset_from_file(path, ["purchase"], clean=True, products=catalogue)
    table = table_from_file(read_products(catalogue).rows)
    tokens = fit_tokens(table, dataset.product_keys)
    fitted = (tokens.ids.tolist(), tokens.weights.tolist(), tokens.edges.tolist())
    known = (dataset.product_keys.tolist(), dataset.popularity.tolist(), dataset.log_prior.tolist())
    return dataset, (fit_schema(table, dataset.product_keys), fitted, known)


def test_no_event_of_a_test_shopper_changes_an_encoding_or_a_statistic(
    tmp_path: Path, rows: list[dict[str, object]]
):
    products = pl.DataFrame(
        {
            "product_id": [f"p{p}" for p in range(20)] + [f"new{p}" for p in range(9)],
            "price": [1.0 + p for p in range(20)] + [5_000.0] * 9,
            "category": [f"c{p % 4}" for p in range(20)] + ["unheard of"] * 9,
        }
    )
    before, statistics = learned(tmp_path, rows, products)
    testers = set(before.test.subjects.tolist())
    assert testers
    # They turn to other products and codes, buy p3 by the thousand, and return what they can.
    own = [row for row in rows if row["user_id"] in testers]
    more = [{**row, "product_id": f"new{i % 9}", "quantity": 7.0} for i, row in enumerate(own)]
    more += [{**row, "product_id": "p3", "quantity": 900.0 + i} for i, row in enumerate(own)]
    more += [{**row, "product_id": "P5"} for row in own]
    more += [{**row, "kind": "return", "quantity": -1.0} for row in own]
    after, again = learned(tmp_path, rows + more, products)
    assert again == statistics
    assert np.array_equal(after.train.subjects, before.train.subjects)
    assert np.array_equal(after.train.products, before.train.products)
    changed = {rule["rule"]: rule["changed"] for rule in after.source["cleaning"]}
    assert changed["measure"] == 0  # most of the rows of p3 are above 100 now, but none of a training shopper
    assert changed["code_case"] == len(own)
    # The same events of training shoppers do change it.
    _, moved = learned(
        tmp_path, rows + [{**row, "user_id": before.train.subjects[0]} for row in more], products
    )
    assert moved != statistics
