"""The model that this process serves: loaded once, looked after every few seconds, swapped whole."""

from __future__ import annotations

import logging
import threading
import time

import numpy as np
from django.core.exceptions import ValidationError

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import BundleError, MetaRecError, NoModel
from metarec_plugin.models import ModelVersion
from metarec_plugin.publish.bundle import read_bundle
from metarec_plugin.publish.features import require_same_features
from metarec_plugin.serve.blas import cap_threads

log = logging.getLogger(__name__)

# A refused bundle is tried again after so many looks at the pointer: hashing it at each would be slow.
REFUSED_LOOKS = 30


def get_model() -> OnlineModel:
    """Return the current version's model, or the one before it while the current bundle cannot be served.

    Asks the database for the pointer at most every RELOAD_SECONDS. Raises NoModel if nothing was promoted,
    BundleError if no bundle can be served.
    """
    return _served.get()


def get_version(version: str) -> OnlineModel:
    """Return the model of one version, such as an experiment's variant; loaded at the first question.

    A version that is the current one is not loaded twice; of others the last few are kept. Raises BundleError where
    it cannot be served.
    """
    current = _served.current
    return current if current is not None and current.version == version else _variants.get(version)


def peek_version(version: str) -> OnlineModel:
    """As `get_version`, for who only looks: what it loads is kept apart, and pushes out nothing that shoppers use."""
    current = _served.current
    if current is not None and current.version == version:
        return current
    return _variants.loaded(version) or _looked_at.get(version)


class Served:
    """One process's model. Threads read the old one while one of them loads the new."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._model: OnlineModel | None = None
        self._why_not: MetaRecError = NoModel("No version was looked for yet.")
        self._look_at = 0.0  # time.monotonic() of the next look at the pointer
        self._refused: dict[str, float] = {}  # version -> when to try it again

    def get(self) -> OnlineModel:
        if time.monotonic() >= self._look_at:
            self._look()
        model = self._model
        if model is None:
            raise type(self._why_not)(str(self._why_not))
        return model

    @property
    def current(self) -> OnlineModel | None:
        return self._model

    def _look(self) -> None:
        # With a model at hand nobody waits for the thread that loads; without one everybody does.
        if not self._lock.acquire(blocking=self._model is None):
            return
        try:
            if time.monotonic() >= self._look_at:
                self._adopt(_pointer())
                self._look_at = time.monotonic() + get_config().reload_seconds
        finally:
            self._lock.release()

    def _adopt(self, pointer: tuple[str, str, str, str] | None) -> None:
        if pointer is None:
            self._model = None
            self._why_not = NoModel(
                "No version has been promoted. "
                "Run manage.py metarec_train, then manage.py metarec_promote VERSION."
            )
            return
        version, sha256, previous, previous_sha256 = pointer
        self._refused = {key: at for key, at in self._refused.items() if key in (version, previous)}
        if self._is_serving(version) or self._load(version, sha256):
            return
        if self._model is None and previous:
            self._load(previous, previous_sha256)

    def _is_serving(self, version: str) -> bool:
        return self._model is not None and self._model.version == version

    def _load(self, version: str, sha256: str) -> bool:
        """Load aside, then swap in one assignment. Returns False, the old model kept, if it is refused."""
        if time.monotonic() < self._refused.get(version, 0.0):
            return False
        try:
            bundle = read_bundle(get_config().artifacts, version, sha256)
            require_same_features(bundle)
            model = warmed(OnlineModel(bundle))
        except BundleError as error:
            self._why_not = error
            self._refused[version] = time.monotonic() + REFUSED_LOOKS * get_config().reload_seconds
            kept = self._model.version if self._model else None
            log.error("bundle refused version=%s kept=%s reason=%s", version, kept, error)
            return False
        cap_threads()
        self._model = model
        log.info("model loaded version=%s kind=%s products=%d", version, model.kind, len(model))
        return True


class Variants:
    """One process's models beside the current one."""

    KEPT = 6  # arrays are mapped from disk: what is not asked costs address space, loading again costs a page

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._models: dict[str, OnlineModel] = {}
        self._refused: dict[str, tuple[float, BundleError]] = {}

    def loaded(self, version: str) -> OnlineModel | None:
        return self._models.get(version)

    def get(self, version: str) -> OnlineModel:
        found = self._models.get(version)
        if found is not None:
            return found
        with self._lock:
            if version not in self._models:
                self._load(version)
            return self._models[version]

    def _load(self, version: str) -> None:
        until, why = self._refused.get(version, (0.0, BundleError("")))
        if time.monotonic() < until:
            raise type(why)(str(why))
        try:
            bundle = read_bundle(get_config().artifacts, version, _sha256_of(version))
            require_same_features(bundle)
            model = warmed(OnlineModel(bundle))
        except BundleError as error:
            self._refused[version] = time.monotonic() + REFUSED_LOOKS * get_config().reload_seconds, error
            raise
        cap_threads()
        kept = list(self._models.items())[1 - self._kept :]
        self._models = {**dict(kept), version: model}


def warmed(model: OnlineModel) -> OnlineModel:
    """Ask a model for the popular list and an adapted one, so that no shopper waits for what is made only once.

    Raises BundleError where it cannot answer: then it is not served, and the one before it is kept.
    """
    model.rank(model.popular, 1)
    model.rank(model.answer(np.arange(min(len(model), 2))).logits, 1)
    return model


def _sha256_of(version: str) -> str:
    """Raises BundleError for a version that is not registered, whatever lies in its folder."""
    try:
        found = ModelVersion.objects.filter(pk=version).values_list("sha256", flat=True).first()
    except ValidationError:  # no id at all
        found = None
    if not found:
        raise BundleError(f"There is no version {version!r}. manage.py metarec_promote --list shows them.")
    return found


def _pointer() -> tuple[str, str, str, str] | None:
    """The current version and the one before it with their checksums, in one query."""
    row = (
        ModelVersion.objects.filter(is_current=True)
        .values_list("pk", "sha256", "previous_id", "previous__sha256")
        .first()
    )
    if row is None:
        return None
    version, sha256, previous, previous_sha256 = row
    return str(version), sha256, str(previous or ""), previous_sha256 or ""


_served, _variants = Served(), Variants()
_looked_at = Variants(kept=4)  # as many as the what-if bench puts side by side
