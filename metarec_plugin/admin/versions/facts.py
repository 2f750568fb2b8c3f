"""What a version was made from and of: data and window, cleaning, settings, files; and what was done with it."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.admin.options import get_content_type_for_model
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from metarec_plugin.admin.charts import NUMBER, shown
from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import BundleError
from metarec_plugin.models import ModelVersion
from metarec_plugin.pipeline.report_names import learner_name, said
from metarec_plugin.publish.bundle import bundle_path, read_bundle
from metarec_plugin.publish.features import require_same_features

HISTORY = 50  # lines of the log of changes


def learned_from(version: ModelVersion) -> list[tuple[str, Any]]:
    """(name, value) of the data; what a run did not say is left out."""
    run = version.run
    if run is None:
        return []
    data = run.report.get("data", {})
    window = _("all events") if run.days is None else _days(run.days)
    facts = [
        (_("Kinds of events"), ", ".join(data.get("kinds", []))),
        (_("Window"), window),
        (_("Rows read"), data.get("rows")),
        (_("Rows learned from"), data.get("rows_kept")),
        (_("Products"), data.get("products")),
        (_("Shoppers learned from"), data.get("train_users")),
        (_("Shoppers to choose by (validation)"), data.get("validation_users")),
        (_("Shoppers tested on, never learned from"), data.get("test_users")),
    ]
    return [(name, shown(value, NUMBER)) for name, value in facts if value not in (None, "")]


def cleaning_of(version: ModelVersion) -> list[dict[str, Any]]:
    """What cleaning dropped or changed, and why."""
    rules = version.run.report.get("data", {}).get("cleaning", []) if version.run else []
    return [{**each, "why": said(each["why"])} for each in rules if each["rows"] or each["changed"]]


def settings_of(version: ModelVersion) -> dict[str, Any]:
    """What it was trained with, by name, and what its learner found out by itself."""
    run, training = version.run, version.metrics.get("training", {})
    found: dict[str, Any] = {_("learner"): learner_name(version.learner), _("data hash"): version.data_hash}
    if run is not None:
        found |= {
            _("run"): run.pk,
            _("seed"): run.seed,
            _("window"): _("all events") if run.days is None else _days(run.days),
            _("device"): run.device,
            _("time budget in seconds"): run.budget_seconds,
        }
        options = run.learner_options.get(version.learner, {})
        found |= {_("option {name}").format(name=name): value for name, value in options.items()}
    # What the learner found out by itself stands flat in its report, beside how long it took and how well it did.
    found |= {
        name: value
        for name, value in training.items()
        if isinstance(value, str | int | float) and not name.startswith(("seconds", "ndcg"))
    }
    found |= training.get("config", {})
    found |= {
        _("lift of {place}").format(place=name): value
        for name, value in version.metrics.get("lifts", {}).items()
    }
    return found


def files_of(version: ModelVersion) -> list[tuple[str, int]]:
    """(name, bytes) of the bundle's files, the largest first; none where it was deleted."""
    folder = bundle_path(get_config().artifacts, version.pk)
    if version.pruned_at is not None or not folder.is_dir():
        return []
    files = [(path.name, path.stat().st_size) for path in folder.iterdir() if path.is_file()]
    return sorted(files, key=lambda each: (-each[1], each[0]))


def checked(version: ModelVersion) -> tuple[bool, str]:
    """Whether each file of the bundle is the one that was written and the mapping is the same, and that in words."""
    if version.pruned_at is not None:
        return False, _("The bundle was deleted to save space; there is nothing to check.")
    try:
        bundle = read_bundle(get_config().artifacts, version.pk, version.sha256)
        require_same_features(bundle)
    except BundleError as error:
        return False, str(error)
    n = len(bundle.arrays) + 1
    return True, _("Whole: all {n} files are byte by byte the ones that were registered (SHA-256).").format(
        n=n
    )


def history_of(version: ModelVersion) -> list[LogEntry]:
    """Who did what with it in the panel, the newest first."""
    rows = LogEntry.objects.filter(
        content_type_id=get_content_type_for_model(version).pk, object_id=str(version.pk)
    )
    return list(rows.select_related("user").order_by("-pk")[:HISTORY])


def _days(days: int) -> str:
    return ngettext("last {n} day", "last {n} days", days).format(n=days)
