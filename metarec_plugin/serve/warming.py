"""Make a process ready before its first shopper: the model loaded and asked once, the merchant's rows read."""

from __future__ import annotations

import logging

from metarec_plugin.serve.current import get_model
from metarec_plugin.serve.guard import Guard
from metarec_plugin.serve.newcomers import get_shelf
from metarec_plugin.serve.policy import get_policy

log = logging.getLogger(__name__)


def warm_up() -> str:
    """Load what the first answer needs and return the version that is served, empty where there is none.

    Never raises for want of a model or for a damaged one: such a process serves popular lists, as ever.
    """
    guard = Guard("warm-up")
    guard(get_policy, None)
    model = guard(get_model, None)
    if model is None:
        return ""
    guard(lambda: get_shelf(model), None)
    log.info("warmed up version=%s", model.version)
    return model.version
