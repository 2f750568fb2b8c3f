"""How specific a placement's list is: 0 ranks the most probable products first, 1 the most specific."""

from __future__ import annotations

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.conf import get_config


def lift_of(model: OnlineModel, placement: str) -> float:
    """The configured lift, else the one that the bundle chose for this placement or for the home page."""
    configured = get_config().placement(placement).lift
    if configured is not None:
        return float(configured)
    lifts = model.manifest.get("lifts", {})
    return float(lifts.get(placement, lifts.get("home", 0.0)))
