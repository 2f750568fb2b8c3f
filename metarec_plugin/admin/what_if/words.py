"""What the what-if bench says, in plain words: of sources, steps, experts, moves and kinds of events."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from metarec_plugin.conf import get_config
from metarec_plugin.models import Rule
from metarec_plugin.serve.slate import (
    ADAPTED,
    CONTENT,
    EMPTY,
    NEWEST,
    POPULAR,
    RECENT,
    RULE,
    TOGETHER,
    TRENDING,
)
from metarec_plugin.serve.trace import Step
from metarec_plugin.serve.what_if import Move
from metarec_plugin.storefront import get_storefront


def source_words(source: str) -> str:
    """Where an entry, or a list at best, comes from."""
    words = {
        ADAPTED: _("from what this shopper did"),
        CONTENT: _("new product, from its features"),
        POPULAR: _("popular with everybody"),
        TOGETHER: _("bought together with the page's product"),
        RECENT: _("looked at lately"),
        TRENDING: _("sells more than it did"),
        RULE: _("pinned by a rule"),
        NEWEST: _("newest in the shop"),
        EMPTY: _("no product could be shown"),
    }
    return words.get(source, source)


def step_words(name: str) -> tuple[str, str]:
    """What a step is called, and what it does."""
    words = {
        "shopper": (_("Shopper read"), _("The last products that they did something with.")),
        "rules": (_("Rules found"), _("The merchant's rules that count here and now.")),
        "adapted": (_("Adapted"), _("The model ranks for what this shopper did.")),
        "together": (_("Bought together"), _("What others bought along with the page's product.")),
        "recent": (_("Looked at"), _("What this shopper looked at last.")),
        "again": (_("Buy again"), _("What this shopper bought and may need again.")),
        "trending": (_("Trending"), _("What sells more than it did.")),
        "popular": (_("Popular"), _("What is popular with everybody fills the places left.")),
        "newest": (_("Newest"), _("What entered the shop last fills the places left.")),
        "candidates": (_("Candidates"), _("Products found so far that the shop shows now, best first.")),
        "boosts": (_("Boosts and burials"), _("Rules make products more or less likely.")),
        "objective": (_("Objective"), _("Numbers of the product, such as its margin, count.")),
        "fatigue": (_("Fatigue"), _("What was shown often without a click goes behind the others.")),
        "diversity": (_("Diversity"), _("The list is spread over categories.")),
        "shares": (_("Shares"), _("Rules give some products a part of the list.")),
        "exploration": (_("Exploration"), _("A few places are drawn, to learn from them.")),
        "pins": (_("Pins"), _("Rules put products at a place.")),
    }
    return words.get(name, (name, ""))


def said_by(step: Step) -> str:
    """What a step has to say beside its order: names of rules, weights, what was drawn."""
    if rules := step.says.get("rules"):
        return _("Rules: %(names)s") % {"names": ", ".join(map(str, rules))}
    if weights := step.says.get("weights"):
        named = ", ".join(f"{name} × {weight:g}" for name, weight in weights.items())
        return _("Weights: %(names)s") % {"names": named}
    if drawn := step.says.get("drawn"):
        return ngettext("%(number)d place was drawn", "%(number)d places were drawn", len(drawn)) % {
            "number": len(drawn)
        }
    if pinned := step.says.get("pinned"):
        return ngettext("%(number)d product pinned", "%(number)d products pinned", len(pinned)) % {
            "number": len(pinned)
        }
    return ""


def expert_words(name: str) -> str:
    """Who speaks for a product."""
    words = {
        "prior": _("How popular it is"),
        "trend": _("What sells lately"),
        "learned": _("Product to product, learned (“learned” map)"),
        "shared": _("Taken by the same shoppers (“shared” map)"),
        "near": _("Taken at about the same time (“near” map)"),
        "after": _("Taken one after the other (“after” map)"),
        "maml": _("Taste, adapted in a few steps (MAML)"),
        "maml_nn": _("Taste, read by a network (amortised MAML)"),
        "item_knn": _("Taken by the same shoppers (item-kNN)"),
        "closed_form": _("Product to product, learned in closed form"),
    }
    return words.get(name, name)


def rule_words(rule: Any) -> str:
    """What a rule does to the product that it is about."""
    if rule.action == Rule.Action.PIN:
        return _("“%(name)s” pins it to place %(place)d") % {"name": rule.name, "place": rule.position}
    if rule.action == Rule.Action.SHARE:
        share = round(100 * rule.share)
        return _("“%(name)s” gives its like %(share)d %% of the list") % {"name": rule.name, "share": share}
    values = {"name": rule.name, "weight": f"{rule.weight:g}"}
    return _("“%(name)s” makes it %(weight)s times as likely") % values


def move_words(move: Move | None) -> tuple[str, str]:
    """What the last event did to an entry: a sign for the eye, and words."""
    if move is None or move.now is None:
        return "", ""
    if move.before is None:
        return "new", _("new on the list")
    places = abs(move.up)
    if move.up > 0:
        return "up", ngettext("up %(number)d place", "up %(number)d places", places) % {"number": places}
    return "down", ngettext("down %(number)d place", "down %(number)d places", places) % {"number": places}


def kinds() -> list[tuple[str, str]]:
    """The kinds of events that can be clicked together: those of every shop, then the shop's own."""
    config = get_config()
    own = [each.kind for each in get_storefront().interactions]
    disliking = [kind for kind, most in config.dislikes.items() if most is None]
    known = dict.fromkeys(["view", "basket", *config.target_kinds, *own, *disliking])
    return [(kind, kind_words(kind)) for kind in known]


def kind_words(kind: str) -> str:
    words = {
        "view": _("looked at"),
        "click": _("clicked"),
        "basket": _("put in the basket"),
        "purchase": _("bought"),
        "return": _("gave back"),
        "dislike": _("is not interested in"),
        "rating": _("rated"),
        "search": _("searched for"),
        "dwell": _("stayed with"),
    }
    return words.get(kind, kind)
