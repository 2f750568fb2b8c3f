"""What is answered, as the schema says it: for documentation and clients; views build the same as plain dicts."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from metarec_plugin.api.v1.problems import CONTENT_TYPE

ENTRY_FIELDS = ("key", "title", "url", "image", "price", "rank", "source", "reason", "because")


class Entry(serializers.Serializer):
    """One product. Which of the fields are there is for ?fields= to say; without it all are."""

    key = serializers.CharField(required=False)
    title = serializers.CharField(required=False, allow_blank=True)
    url = serializers.CharField(required=False, allow_blank=True, help_text="Absolute.")
    image = serializers.CharField(required=False, allow_blank=True, help_text="Absolute, or empty.")
    price = serializers.CharField(required=False, allow_null=True, help_text="A decimal number as text.")
    rank = serializers.IntegerField(required=False, help_text="From 0.")
    source = serializers.CharField(required=False, help_text="adapted, content, popular, ...")
    reason = serializers.CharField(required=False, allow_blank=True, help_text="In the request's language.")
    because = serializers.CharField(
        required=False, allow_null=True, help_text="Key of the product that led here, if one did."
    )


class Step(serializers.Serializer):
    step = serializers.CharField()
    keys = serializers.ListField(child=serializers.CharField())
    ms = serializers.FloatField()


class Slate(serializers.Serializer):
    id = serializers.CharField(help_text="Send it back with a click.")
    placement = serializers.CharField()
    stage = serializers.CharField(
        help_text="What the list was ranked by, at best; empty where it has no entry."
    )
    version = serializers.CharField(allow_null=True)
    variant = serializers.CharField(allow_blank=True, help_text="Of the experiment that the placement is in.")
    entries = Entry(many=True)
    next = serializers.CharField(allow_null=True, help_text="The cursor of what comes next; null at the end.")
    trace = Step(many=True, required=False)


class Slates(serializers.Serializer):
    slates = Slate(many=True)


class EventResult(serializers.Serializer):
    id = serializers.CharField(help_text="The event's, or its place where it has none.")
    status = serializers.ChoiceField(choices=["stored", "known", "refused"])
    reason = serializers.CharField(allow_blank=True)


class EventResults(serializers.Serializer):
    results = EventResult(many=True)


class Ranked(serializers.Serializer):
    key = serializers.CharField()
    rank = serializers.IntegerField()
    was = serializers.IntegerField(help_text="Its place in the request.")


class Reranked(serializers.Serializer):
    query = serializers.CharField()
    results = Ranked(many=True)


class Visitor(serializers.Serializer):
    visitor = serializers.CharField(help_text="Send it as X-Visitor; an answer's X-Visitor takes its place.")
    consent = serializers.ChoiceField(choices=["session", "full"])
    expires_at = serializers.DateTimeField()


class Profile(serializers.Serializer):
    who = serializers.ChoiceField(choices=["member", "visitor", "nobody"])
    consent = serializers.ChoiceField(choices=["none", "session", "full"])
    stage = serializers.CharField(help_text="What a list for this shopper would be ranked by.")
    events = serializers.IntegerField(help_text="Stored of this shopper.")
    products = serializers.ListField(child=serializers.CharField(), help_text="The last ones, oldest first.")
    disliked = serializers.ListField(child=serializers.CharField())


class Row(serializers.DictField):
    """A row of a table, all of its columns."""


class Export(serializers.Serializer):
    exported_at = serializers.DateTimeField()
    subject = serializers.CharField(allow_blank=True)
    token = serializers.DictField(help_text="What the visitor's own cookie or token holds.")
    events = serializers.ListField(child=Row())
    impressions = serializers.ListField(child=Row())
    exposures = serializers.ListField(child=Row())
    states = serializers.ListField(child=Row())
    refused = serializers.ListField(child=Row())


class Receipt(serializers.Serializer):
    receipt = serializers.UUIDField(allow_null=True)
    erased_at = serializers.DateTimeField()
    deleted = serializers.DictField(child=serializers.IntegerField(), help_text="Rows by table.")


class Feedback(serializers.Serializer):
    product = serializers.CharField()
    verdict = serializers.CharField()
    changed = serializers.BooleanField(help_text="Whether this was news.")
    reason = serializers.CharField(allow_blank=True)
    because = serializers.CharField(allow_null=True)


class ErrorItem(serializers.Serializer):
    pointer = serializers.CharField(
        allow_blank=True, help_text="RFC 6901, into the body; or a query parameter."
    )
    detail = serializers.CharField()
    known = serializers.ListField(child=serializers.CharField(), required=False, help_text="What there is.")


class Problem(serializers.Serializer):
    """RFC 9457."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    instance = serializers.CharField()
    request_id = serializers.CharField()
    errors = ErrorItem(many=True)
    results = EventResult(many=True, required=False)


PROBLEMS = (400, 401, 403, 404, 413, 415, 429, 503)


def answers(status: int, serializer: Any, *more: int) -> dict[Any, Any]:
    """The responses of an operation: what it is for, and the problems that all share, with `more` of its own."""
    return {status: serializer, **{(code, CONTENT_TYPE): Problem for code in sorted({*PROBLEMS, *more})}}
