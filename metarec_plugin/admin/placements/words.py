"""A placement's options in words: what each is called, what a value of it means, what changed between two revisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from metarec_plugin.admin.conditions import in_words
from metarec_plugin.placements import ONLY

STRATEGY_WORDS = {
    "adapted": gettext_lazy("what this shopper is likely to want"),
    "together": gettext_lazy("bought together with what the page shows"),
    "recent": gettext_lazy("looked at last"),
    "again": gettext_lazy("bought before and due again"),
    "trending": gettext_lazy("sells more than it did"),
    "popular": gettext_lazy("what most shoppers buy"),
    "newest": gettext_lazy("new in the shop"),
}
LABELS = {
    "strategies": gettext_lazy("Where products come from"),
    "size": gettext_lazy("Products in the list"),
    "lift": gettext_lazy("How specific to the shopper"),
    "history": gettext_lazy("Look at what the shopper did before"),
    "repeats": gettext_lazy("Products that the shopper bought before"),
    "filters": gettext_lazy("Only products that"),
    "diversity": gettext_lazy("Variety"),
    "diversity_by": gettext_lazy("Variety of"),
    "fatigue": gettext_lazy("Tired after so many times shown"),
    "fatigue_days": gettext_lazy("Counted over so many days"),
    "exploration": gettext_lazy("Places given to something untried"),
    "objective": gettext_lazy("Also prefer"),
    "dedupe": gettext_lazy("Leave out what the page listed before"),
}
REPEATS = {
    "True": gettext_lazy("may be listed again"),
    "False": gettext_lazy("are left out for as long as they count as recent"),
    "None": gettext_lazy("are listed again where shoppers were seen to buy them again"),
    ONLY: gettext_lazy("only these are listed"),
}


def figure(value: float) -> str:
    """A number as people write it: 3, not 3.0."""
    return number_format(int(value) if float(value).is_integer() else value)


def value_words(option: str, value: Any) -> str:
    """One option's value as a phrase."""
    if option == "strategies":
        return ", ".join(str(STRATEGY_WORDS.get(str(each), each)) for each in value)
    if option == "repeats":
        return str(REPEATS.get(str(value), value))
    if option == "lift" and value is None:
        return _("as was measured to be best")
    if option == "filters":
        return _(" and ").join(in_words(each) for each in value) or _("no condition")
    if option == "objective":
        weights = [f"{name} {figure(weight)}" for name, weight in sorted(value.items())]
        return ", ".join(weights) or _("nothing")
    if option == "exploration":
        return f"{figure(round(100 * value, 2))} %"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, float | int):
        return figure(value)
    return str(value) or _("nothing")


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What differs between the options of two revisions, one sentence each."""
    found = []
    for option in dict.fromkeys([*LABELS, *before, *after]):
        had, has = option in before, option in after
        if (had and has and before[option] == after[option]) or (not had and not has):
            continue
        label, settings = LABELS.get(option, option), _("as in the settings")
        was = value_words(option, before[option]) if had else settings
        now = value_words(option, after[option]) if has else settings
        found.append(_("%(label)s: %(was)s → %(now)s") % {"label": label, "was": was, "now": now})
    return found
