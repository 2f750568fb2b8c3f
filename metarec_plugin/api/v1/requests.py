"""What may be asked: the bodies and addresses of version 1."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from metarec_plugin.api.v1.fields import Flag, Strict, Text, Whole, keys
from metarec_plugin.collect.bearer import LEVELS
from metarec_plugin.collect.judging import KINDS, MAX_BASKET_UNITS
from metarec_plugin.placements import MAX_SIZE
from metarec_plugin.serve.conditions import OPS

MOST_PLACEMENTS, MOST_FILTERS, MOST_EXCLUDED, MOST_CONTEXT, MOST_RERANKED = 20, 20, 500, 50, 500
MOST_EVENTS = 500
NAME = 40


@extend_schema_field(
    {"description": "A text, a number, a flag, or a list of these where op is in or not_in."}
)
class AnyValue(serializers.JSONField):
    """serve.conditions says what it may be, by the feature and the op."""


class FilterIn(Strict):
    feature = Text(max_length=100)
    op = serializers.ChoiceField(choices=list(OPS))
    value = AnyValue()


class AskIn(Strict):
    name = Text(max_length=NAME, help_text="A placement of the shop.")
    size = Whole(min_value=1, max_value=MAX_SIZE, required=False, help_text="By default the placement's.")
    context = keys(MOST_CONTEXT, required=False, help_text="Keys of the products that the page is about.")
    exclude = keys(MOST_EXCLUDED, required=False)
    filters = serializers.ListField(child=FilterIn(), max_length=MOST_FILTERS, required=False)
    trace = Flag(required=False, help_text="What each step did; for staff, and keys with the scope trace.")


class RecommendationsIn(Strict):
    placements = serializers.ListField(child=AskIn(), min_length=1, max_length=MOST_PLACEMENTS)
    dry_run = Flag(required=False, help_text="Nothing is stored: no impressions, no exposure.")


class RecommendationsQuery(serializers.Serializer):
    placement = serializers.CharField(max_length=NAME, default="home")
    size = serializers.IntegerField(min_value=1, max_value=MAX_SIZE, required=False)
    context = serializers.ListField(
        child=serializers.CharField(max_length=64), max_length=MOST_CONTEXT, default=list
    )


class SizeQuery(serializers.Serializer):
    size = serializers.IntegerField(min_value=1, max_value=MAX_SIZE, required=False)


class CursorIn(Strict):
    cursor = Text(max_length=64_000)


class EventIn(Strict):
    """One event. It is judged by itself: an unfit one is refused with a reason and the others are stored."""

    id = serializers.UUIDField(help_text="Made anew for each event; sent again with it.")
    kind = serializers.ChoiceField(choices=list(KINDS))
    product = Text(max_length=64, required=False, help_text="A product's key; of all kinds but search.")
    query = Text(max_length=800, required=False, help_text="What was searched for.")
    value = serializers.FloatField(required=False, help_text="Seconds, of dwell.")
    quantity = Whole(min_value=1, max_value=MAX_BASKET_UNITS, required=False, help_text="Of basket.")
    at = Whole(required=False, help_text="Milliseconds since 1970 by the client's clock.")
    slate = Text(max_length=120, required=False, help_text="Of click: the id of the slate.")
    position = Whole(min_value=0, max_value=10_000, required=False, help_text="The entry's rank.")


class EventsIn(Strict):
    events = serializers.ListField(child=EventIn(), min_length=1, max_length=MOST_EVENTS)


class RerankIn(Strict):
    query = Text(
        max_length=200, help_text="What was searched for; given back. Report it by events/ to have it count."
    )
    keys = keys(MOST_RERANKED, min_length=1, help_text="Keys in the order in which the search found them.")


class VisitorIn(Strict):
    consent = serializers.ChoiceField(
        choices=list(LEVELS),
        help_text="session: what the shopper does stays in the token; full: the shop stores it.",
    )


class FeedbackIn(Strict):
    product = Text(max_length=64)
    verdict = serializers.ChoiceField(choices=["not_interested", "why", "undo"])
    slate = Text(
        max_length=120, required=False, help_text="The slate that showed it; of why it must be there."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["verdict"] == "why" and "slate" not in attrs:
            raise serializers.ValidationError({"slate": ["why is asked of a slate."]})
        return attrs
