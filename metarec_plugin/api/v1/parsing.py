"""What comes in and goes out is JSON: strictly read, bounded before it is read, and never anything else."""

from __future__ import annotations

from typing import Any

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer

from metarec_plugin.api.v1.problems import Problem
from metarec_plugin.collect.untrusted import read_json
from metarec_plugin.conf import get_config


class StrictJSONParser(BaseParser):
    """Reads at most API_MAX_BYTES. A body in another encoding, such as a gzip bomb, is not unpacked: it is no JSON."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        limit = get_config().api_max_bytes
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise too_large(limit)
        return read_json(body)


def too_large(limit: int) -> Problem:
    return Problem(413, "too-large", f"The body must be at most {limit:,} bytes; send less at a time.")


class OnlyJSON(BaseContentNegotiation):
    """JSON whatever the client says that it accepts: a browser's address line asks for HTML."""

    def select_parser(self, request: Any, parsers: Any) -> Any:
        kind = (request.content_type or "").partition(";")[0].strip().lower()
        return parsers[0] if kind == parsers[0].media_type else None

    def select_renderer(self, request: Any, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class AnswerRenderer(JSONRenderer):
    """Plain JSON: neither indented by the Accept header nor shown as a page."""

    def get_indent(self, accepted_media_type: Any, renderer_context: Any) -> None:
        return None
