"""Two versions side by side: quality, what they were made with, and what they would show."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from metarec_plugin.admin.charts import NUMBER, shown
from metarec_plugin.admin.versions.charts import differences, side_by_side
from metarec_plugin.admin.versions.facts import settings_of
from metarec_plugin.admin.versions.typical import LENGTH, typical_lists
from metarec_plugin.admin.versions.words import title_of
from metarec_plugin.exceptions import BundleError
from metarec_plugin.models import ModelVersion


def comparison(a: ModelVersion, b: ModelVersion) -> dict[str, Any]:
    """What the page shows. Figures of different data are shown beside each other and never subtracted."""
    same_data = a.data_hash == b.data_hash
    names = {f"A: {title_of(a)}": a, f"B: {title_of(b)}": b}
    charts = [side_by_side(names), *([differences(a, b)] if same_data else [])]
    lists, no_lists = [], _deleted(a, b)
    if not no_lists:
        try:
            lists = typical_lists(a, b)
        except BundleError as error:
            no_lists = str(error)
    return {
        "a": a,
        "b": b,
        "a_name": title_of(a),
        "b_name": title_of(b),
        "same_data": same_data,
        "charts": [chart for chart in charts if chart],
        "settings": _differing(a, b),
        "lists": lists,
        "no_lists": no_lists,
        "length": LENGTH,
    }


def _deleted(*versions: ModelVersion) -> str:
    """Why there are no lists, where a bundle was deleted to save space."""
    gone = [title_of(version) for version in versions if version.pruned_at is not None]
    if not gone:
        return ""
    return _("The bundle of {versions} was deleted to save space, so there are no lists to compare.").format(
        versions=" · ".join(gone)
    )


def _differing(a: ModelVersion, b: ModelVersion) -> list[tuple[str, str, str]]:
    """(name, of A, of B) of all that is not the same; a dash where one has none of it."""
    first, second = settings_of(a), settings_of(b)
    names = dict.fromkeys([*first, *second])
    differing = (name for name in names if first.get(name) != second.get(name))
    return [(name, _said(first.get(name)), _said(second.get(name))) for name in differing]


def _said(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value) if isinstance(value, dict | bool) else shown(value, NUMBER)
