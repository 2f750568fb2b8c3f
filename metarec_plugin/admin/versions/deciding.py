"""Decisions about which version is served: done, or refused with words that say who was faster."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.db import OperationalError
from django.utils.translation import gettext as _

from metarec_plugin.admin.versions.words import title_of
from metarec_plugin.exceptions import ChangedMeanwhile, MetaRecError
from metarec_plugin.publish import registry

log = logging.getLogger(__name__)


def overtaken() -> str:
    """What is served instead of what somebody saw, and by whom, where its row knows."""
    serving = registry.current()
    if serving is None:
        return _("No version is served any more; nothing was changed. Look again before you decide.")
    said = _("{version} was promoted meanwhile; nothing was changed. Look again before you decide.")
    if serving.promoted_by:
        said = _(
            "{version} was promoted meanwhile by {who}; nothing was changed. Look again before you decide."
        )
    return said.format(version=title_of(serving), who=serving.promoted_by)


def other_in_shadow() -> str:
    return _("Another version is in shadow by now; nothing was changed. Look again before you decide.")


def tried(change: Callable[[], Any], words: Callable[[], str] = overtaken) -> tuple[str, int]:
    """Make a change. Returns why it was refused, and the status that says so; empty words where it was made."""
    try:
        change()
    except ChangedMeanwhile:
        return words(), 409
    except MetaRecError as error:
        return str(error), 400
    except OperationalError as error:  # a lock that was not given
        log.warning("versions not changed, the database refused: %s", error)
        said = _("Nothing was changed: the database was busy with another change of the versions. Try again.")
        return said, 503
    return "", 200
