"""`{% load metarec %}`: lists of recommendations, and the scripts that fetch late ones and report what is looked at."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from django import template
from django.template import Context, Engine
from django.urls import NoReverseMatch, reverse
from django.utils.safestring import SafeString

from metarec_plugin.collect.marks import mark_cookie
from metarec_plugin.exceptions import ConfigurationError
from metarec_plugin.serve.late import MAX_TOKEN, Late, sign_late
from metarec_plugin.serve.page import dedupes
from metarec_plugin.serve.question import Products, product_keys
from metarec_plugin.serve.widget import Filters, Widget, conditions_of, listed_before, widget

log = logging.getLogger(__name__)
register = template.Library()

MAX_LATE_CONTEXT = 20
DEFAULT_PLACES = 4  # reserved for a late list that names no number


@register.simple_tag(takes_context=True)
def recommend(
    context: Context,
    /,
    placement: str = "default",
    k: int | None = None,
    exclude: Products = (),
    filters: Filters = (),
    controls: bool | None = None,
    **named: Products,
) -> SafeString:
    """Render a list: `{% recommend placement="product" k=4 context=product %}`.

    context and exclude take a product, a key, or any number of either; filters a condition or several. Without k the
    list is as long as the placement says. Rendered by metarec/<placement>.html where there is one, else by
    metarec/recommendations.html.
    """
    found = widget(
        context.get("request"),
        placement=placement,
        k=k,
        context=_about("recommend", named),
        exclude=exclude,
        filters=filters,
        controls=controls,
    )
    return _rendered(context, found)


@register.simple_tag(takes_context=True)
def recommend_late(
    context: Context,
    /,
    placement: str = "default",
    k: int | None = None,
    exclude: Products = (),
    filters: Filters = (),
    **named: Products,
) -> SafeString:
    """Reserve the place of a list that the browser fetches after the page: `{% recommend_late placement="home" k=8 %}`.

    The page stays the same for everybody and may be cached. Without JavaScript it shows the list that everybody gets.
    """
    about = product_keys(_about("recommend_late", named))[:MAX_LATE_CONTEXT]
    conditions = conditions_of(filters)
    # What everybody gets, for browsers without JavaScript: of nobody in particular, so that nothing personal is cached.
    anyone = widget(
        None, placement=placement, k=k, context=about, exclude=exclude, filters=conditions, controls=False
    )
    before = listed_before(context.get("request")) if dedupes(placement) else ()
    left_out = (*before, *product_keys(exclude))  # of too many the last ones count
    try:
        address = reverse("metarec:fragment")
    except NoReverseMatch:  # check W004 says so; everybody's list is better than none
        log.warning("no late list on the page reason=metarec_plugin.urls is not included")
        return _rendered(context, anyone)
    token = sign_late(Late(placement, k, about, left_out, conditions))
    if len(token) > MAX_TOKEN:
        log.warning("no late list on the page reason=its arguments are too long placement=%s", placement)
        return _rendered(context, anyone)
    return _rendered(
        context,
        Widget(
            anyone.slate,
            ("metarec/late.html",),
            {
                "address": f"{address}?{urlencode({'list': token})}",
                "places": range(len(anyone.slate) or k or DEFAULT_PLACES),
                "fallback": _rendered(context, anyone),
            },
        ),
    )


@register.inclusion_tag("metarec/beacon.html")
def metarec_beacon() -> dict[str, object]:
    """Load the script that reports views, dwell time and clicks; the page works the same without it."""
    try:
        return {"endpoint": reverse("metarec:beacon"), "mark": mark_cookie()}
    except (
        NoReverseMatch,
        ConfigurationError,
    ) as error:  # checks W004 and E001 say so; a page is not the place
        log.warning("no beacon on the page reason=%s", error)
        return {"endpoint": ""}


@register.inclusion_tag("metarec/widgets_script.html")
def metarec_widgets() -> dict[str, object]:
    """Load the script of late lists and of the shopper's controls, which work by a new page without it."""
    return {}


def _about(tag: str, named: Mapping[str, Products]) -> Products:
    # Django keeps the name "context" for the template's own; the tag's argument of that name is in `named`.
    unknown: Iterable[str] = sorted(named.keys() - {"context"})
    if unknown:
        takes = (
            "placement, k, context, exclude, filters and controls"
            if tag == "recommend"
            else ("placement, k, context, exclude and filters")
        )
        raise template.TemplateSyntaxError(f"{{% {tag} %}} takes {takes}; found {', '.join(unknown)}.")
    return named.get("context", ())


def _rendered(context: Context, found: Widget) -> SafeString:
    engine: Any = context.template.engine if context.template is not None else Engine.get_default()
    chosen = engine.select_template(list(found.templates))
    # Like an include: in the page's own context, so that its processors do not run once more for each list.
    with context.push(**found.values):
        return chosen.render(context)
