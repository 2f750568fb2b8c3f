"""Say in a few words why a product is listed."""

from __future__ import annotations

from django.utils.translation import gettext as _

from metarec_plugin.serve.slate import ADAPTED, CONTENT, NEWEST, POPULAR


def reason_to_buy_again() -> str:
    """The reason of what the shopper bought before, in the active language."""
    return _("Buy again")


def reason_for(source: str, placement: str) -> str:
    """The reason in the active language; it names no event of the shopper."""
    if source == ADAPTED:
        by_placement = {
            "product": _("Often chosen together with this product"),
            "basket": _("Goes with your basket"),
        }
        return by_placement.get(placement, _("From what you looked at and bought"))
    return {
        CONTENT: _("New, and like what you may look for"),
        POPULAR: _("Popular in this shop"),
        NEWEST: _("New in this shop"),
    }[source]
