"""Everything stored of a subject, streamed: what the shopper has a right to see."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Field, Model
from django.utils import timezone

from metarec_plugin.models import Event, Exposure, Impression, QuarantinedEvent, SubjectState

TABLES: tuple[tuple[str, type[Model]], ...] = (
    ("events", Event),
    ("impressions", Impression),
    ("exposures", Exposure),
    ("states", SubjectState),
    ("refused", QuarantinedEvent),
)
CHUNK = 500


def as_json(subject: str, **more: Any) -> Iterator[str]:
    """Stream one JSON object: when it was made, whose it is, what else the caller knows, and the rows by table."""
    yield _json({"exported_at": timezone.now(), "subject": subject, **more}).removesuffix("}")
    for name, rows in rows_of(subject):
        yield f', "{name}": ['
        for place, row in enumerate(rows):
            yield (",\n" if place else "") + _json(row)
        yield "]"
    yield "}"


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False)


def rows_of(subject: str) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
    """Yield (table, its rows about the subject as dicts), in the order in which they were stored."""
    for name, model in TABLES:
        yield name, _rows(model, subject)


def _rows(model: type[Model], subject: str) -> Iterator[dict[str, Any]]:
    if not subject:
        return
    names = [field.attname for field in model._meta.concrete_fields if isinstance(field, Field)]
    own = model._default_manager.filter(subject=subject).order_by("pk")
    for values in own.values_list(*names).iterator(CHUNK):
        yield dict(zip(names, values))
