"""Let a page render whatever happens to recommendations: a step that fails is logged, then passed over."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import MetaRecError, NoModel

log = logging.getLogger(__name__)
T = TypeVar("T")


class Guard:
    """Runs the steps of one `recommend()` call and remembers the first that failed."""

    def __init__(self, placement: object) -> None:
        self._placement = str(placement)  # a page may pass anything
        self.problem = ""

    def __call__(self, step: Callable[[], T], otherwise: T) -> T:
        """Return the step's result, or `otherwise` after an error.

        A MetaRecError is an answer that the plugin foresaw. Any other error is a bug, ours or one in the
        shop's mapping, or a database that went away: it must be seen, but a shopper's page is not the place
        to show it. So it is logged with its traceback; METAREC["STRICT"] lets it through, as tests want.
        """
        try:
            return step()
        except MetaRecError as error:
            self._note(error)
            _log_once(self._placement, type(error).__name__, str(error))
        except Exception as error:
            if get_config().strict:
                raise
            self._note(error)
            log.exception("recommendations fell back placement=%s", self._placement)
        return otherwise

    def _note(self, error: Exception) -> None:
        self.problem = self.problem or f"{type(error).__name__}: {error}"


@lru_cache(maxsize=256)
def _log_once(placement: str, error: str, message: str) -> None:
    """Log a foreseen error once a process: it is the same on every page until somebody acts."""
    level = logging.INFO if error == NoModel.__name__ else logging.WARNING
    log.log(level, "recommendations fell back placement=%s error=%s reason=%s", placement, error, message)
