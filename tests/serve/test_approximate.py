"""A version with cells, which large catalogues get, is served like any other: lists, reasons, filters, re-ranking."""

from __future__ import annotations

import pytest

from metarec_plugin.serve import recommend
from metarec_plugin.serve.current import get_model
from metarec_plugin.serve.reranking import rerank
from metarec_plugin.train.cells import cell_arrays
from shop.models import Product


@pytest.mark.parametrize("kind", ["gradient", "amortised", "mixture"])
def test_a_version_with_cells_gives_the_lists_of_one_without(kind, publish, visit, keys):
    """So few products are all read exactly, and the softmax of these kinds' steps is all that cells change."""

    def with_cells(arrays):
        arrays.update(cell_arrays(kind, arrays, arrays["log_prior"]))

    found = {}
    for name, change in (("exact", None), ("cells", with_cells)):
        publish(kind, change=change)
        assert any(each.endswith("cell_of") for each in get_model().arrays) == (name == "cells")
        slate = recommend(visit([keys[3], keys[5]]), k=60, placement="home")
        assert (slate.stage, slate.problem, len(slate)) == ("adapted", "", 58)
        found[name] = {entry.key: entry for entry in slate}
    near = [key for key, entry in found["cells"].items() if abs(entry.rank - found["exact"][key].rank) <= 6]
    assert len(near) >= 50
    assert {entry.reason for entry in found["cells"].values()} - {""}
    some = [keys[40], keys[7], keys[41]]
    assert sorted(each.key for each in rerank(visit([keys[3]]), some)) == sorted(some)
    Product.objects.filter(pk=keys[7]).update(price=9)
    [dear] = recommend(visit([keys[3]]), filters=[{"feature": "price", "op": "gt", "value": 8}])
    assert dear.key == keys[7]
