"""Everything that the page of one version says besides its pictures."""

from __future__ import annotations

from typing import Any

from metarec_plugin.admin.versions.facts import cleaning_of, files_of, history_of, learned_from
from metarec_plugin.admin.versions.words import colour_of, findings, headline, meaning, title_of
from metarec_plugin.feedback.shadow import DAYS, SAMPLE, comparable_since
from metarec_plugin.feedback.shadow_report import shadow_report
from metarec_plugin.models import ModelVersion
from metarec_plugin.publish import registry


def about(version: ModelVersion) -> dict[str, Any]:
    in_shadow, serving, files = registry.in_shadow(), registry.current(), files_of(version)
    return {
        "colour": colour_of(version),
        "ndcg": headline(version),
        "meaning": meaning(version),
        "findings": findings(version),
        "facts": learned_from(version),
        "cleaning": cleaning_of(version),
        "files": files,
        "bytes": sum(size for _name, size in files),
        "history": history_of(version),
        "is_shadow": version.in_shadow_since is not None,
        "in_shadow": in_shadow,
        "shadow_title": title_of(in_shadow) if in_shadow else "",
        "since": comparable_since(version, serving) if serving else None,
        "against": title_of(serving) if serving else "",
        "report": shadow_report(version),
        "sample": SAMPLE,
        "days": DAYS,
    }
