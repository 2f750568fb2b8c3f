"""Lists that a page fetches after it was loaded: the page may lie in a cache, the list never does."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import select_template
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET

from metarec_plugin.exceptions import InvalidSignature
from metarec_plugin.serve.late import read_late
from metarec_plugin.serve.widget import widget


@require_GET
def fragment(request: HttpRequest) -> HttpResponse:
    """Answer the list that a page of this site asks for, for whoever asks now.

    204 where there is nothing to show, 400 for what no page of this site asked. No cache may keep any of it.
    """
    response: HttpResponse
    try:
        late = read_late(request.GET.get("list"))
    except InvalidSignature as error:
        response = JsonResponse({"error": str(error)}, status=400)
    else:
        found = widget(
            request,
            placement=late.placement,
            k=late.k,
            context=late.context,
            exclude=late.exclude,
            filters=late.filters,
            controls=True,
        )
        if found.values["cards"]:
            template = select_template(found.templates)
            response = HttpResponse(template.render({**found.values, "late": True}, request))
        else:
            response = HttpResponse(status=204)
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["X-Robots-Tag"] = "noindex"
    patch_vary_headers(response, ["Cookie"])
    return response
