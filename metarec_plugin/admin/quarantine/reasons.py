"""Why an event was refused, in words, and what to do about it."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.utils.translation import gettext_lazy as _


class Reason(NamedTuple):
    words: Any
    advice: Any


_MEND = _(
    "Mend what sends it; then replay what waits if its content is right by now, or leave it: it goes with time."
)

REASONS = {
    "unknown_product": Reason(
        _("The product is not in your catalogue"),
        _(
            "Look at a key below: was the product deleted, is it withdrawn, or is the key a code that is no primary "
            "key? Once the product is in the shop, replay."
        ),
    ),
    "unknown_user": Reason(_("The user is not in your shop"), _("Import the users first, then the file again.")),
    "too_old": Reason(
        _("It happened before what is kept"),
        _("Raise EVENT_DAYS or HISTORY_DAYS if you want older events, then import or replay."),
    ),
    "no_subject": Reason(
        _("It does not say whose it is"), _("Name a user or a visitor in each row, and import again.")
    ),
    "no_product": Reason(_("It names neither a product nor a search"), _MEND),
    "unknown_kind": Reason(
        _("Its kind is not one that may be reported"),
        _("Purchases come from your tables, not from browsers. Mend the name of the kind where it is sent."),
    ),
    "unknown_field": Reason(
        _("It has a field that an event has not"),
        _("The API takes the fields in its description only. Mend the client."),
    ),
    "id_conflict": Reason(
        _("Another event has the same id"),
        _(
            "The first one is stored and stays. A client that makes ids twice, or a row that was changed after it was "
            "imported, is the usual cause; where the row here is the right one, give it an id of its own."
        ),
    ),
    "oversize": Reason(
        _("It is too long"), _("Only its beginning is kept, so it cannot be replayed. Send less with it.")
    ),
    "unreadable": Reason(_("It is no row or no JSON"), _("Mend the file and import it again.")),
}  # fmt: skip
INVALID = {
    "invalid_at": _("Its time is none"),
    "invalid_id": _("Its id is none"),
    "invalid_price": _("Its price is none"),
    "invalid_quantity": _("Its quantity is out of bounds"),
    "invalid_value": _("Its value is out of bounds"),
    "invalid_query": _("Its search text is none"),
    "invalid_slate": _("It names a list that was never made"),
    "invalid_subject": _("Its shopper is none"),
}


def reason_of(code: str) -> Reason:
    """The words for a code; those of a code without any are the code itself."""
    return REASONS.get(code) or Reason(INVALID.get(code, code), _MEND)
