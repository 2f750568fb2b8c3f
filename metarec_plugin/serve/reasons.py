"""Say in a few words why a product is listed."""

from __future__ import annotations

from django.utils.translation import gettext as _

from metarec_plugin.serve.because import NOTHING, Told
from metarec_plugin.serve.slate import ADAPTED, CONTENT, NEWEST, POPULAR, RECENT, RULE, TOGETHER, TRENDING


def reason_to_buy_again() -> str:
    """The reason of what the shopper bought before, in the active language."""
    return _("Buy again")


def reason_for(
    source: str, placement: str, told: Told = NOTHING, title: str = "", on_page: bool = False
) -> str:
    """The reason in the active language.

    title: of the product that led here, empty where it may not be named: it names what the shopper looked at.
    on_page: whether that product is one that the page is about.
    """
    if source in (ADAPTED, POPULAR) and told.expert in ("prior", "trend"):
        return _("Popular right now") if told.expert == "trend" else _("Popular in this shop")
    if source == ADAPTED and title:
        if not on_page:
            return _("Because you looked at %(title)s") % {"title": title}
        if placement == "basket":
            return _("Goes with %(title)s") % {"title": title}
    if source == ADAPTED:
        by_placement = {
            "product": _("Often chosen together with this product"),
            "together": _("Often chosen together with this product"),
            "basket": _("Goes with your basket"),
        }
        return by_placement.get(placement, _("From what you looked at and bought"))
    return {
        CONTENT: _("New, and like what you may look for"),
        POPULAR: _("Popular in this shop"),
        NEWEST: _("New in this shop"),
        TOGETHER: _("Often bought together"),
        RECENT: _("You looked at this"),
        TRENDING: _("Trending now"),
        RULE: _("Picked by the shop"),
    }[source]
