"""Whether the ranking that a worker left is worth a query: where it knows more than the request, or is much cheaper."""

from __future__ import annotations

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.serve.weights import rule_of_settings

# Below so many products a request adapts in less time than the database takes to answer.
MANY_PRODUCTS = 100_000


def reads_states(model: OnlineModel) -> bool:
    """Of all kinds of bundles only that with a network is adapted further by workers, as long as nothing is weighed."""
    knows_more = model.kind == "network" and rule_of_settings() is None
    return knows_more or len(model) >= MANY_PRODUCTS
