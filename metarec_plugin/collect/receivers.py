"""Keeps the log in step with the shop's tables: saved and deleted rows, logins, logouts, deleted users.

A signal only notes which rows may be concerned. They are read again through the mapping on commit, all of a
transaction at once, so that what counts is decided in one place: an order that is paid later counts then.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from django.apps import apps
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist
from django.core.signals import setting_changed
from django.db import transaction
from django.db.models import Model
from django.db.models.signals import ModelSignal, post_delete, post_save

from metarec_plugin.collect import subjects
from metarec_plugin.collect.erasing import forget_subjects
from metarec_plugin.collect.interactions import event_id
from metarec_plugin.collect.reread import reread
from metarec_plugin.collect.watching import Watch, watches
from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import ConfigurationError
from metarec_plugin.models import ErasureReceipt
from metarec_plugin.storefront import Interactions, get_storefront
from metarec_plugin.storefront.problems import is_usable

log = logging.getLogger(__name__)
BATCH = 500  # keys read again by one query

_connections: list[tuple[ModelSignal, type[Model], Callable[..., None]]] = []


class Pending(threading.local):
    """What this thread noted since its last flush, by database.

    Notes of a transaction that was rolled back stay until the next flush. They do no harm: what is recorded is
    what the tables say then.
    """

    def __init__(self) -> None:
        # (kind, path) -> keys, and kind -> {key: event id} of deleted rows
        self.keys: dict[str, dict[tuple[str, str], set[Any]]] = defaultdict(lambda: defaultdict(set))
        self.gone: dict[str, dict[str, dict[Any, str]]] = defaultdict(lambda: defaultdict(dict))


_pending = Pending()


def connect() -> None:
    """Connect to the models of the storefront in use, and to nothing else; a broken mapping connects nothing."""
    while _connections:
        signal, model, receiver = _connections.pop()
        signal.disconnect(receiver, sender=model)
    user_logged_in.connect(_logged_in, dispatch_uid="metarec.logged_in")
    user_logged_out.connect(_logged_out, dispatch_uid="metarec.logged_out")
    setting_changed.connect(_reconnect, dispatch_uid="metarec.receivers")
    try:
        storefront = get_storefront()
    except ConfigurationError:
        return  # check E001 reports it
    if not is_usable(type(storefront)):
        return  # checks E002 to E007 report it
    _connect(post_delete, storefront.user_model, _user_deleted)
    for interactions in storefront.interactions:
        for watch in watches(interactions):
            _connect(post_save, watch.model, partial(_saved, watch))
            _connect(post_delete, watch.model, partial(_deleted, watch))


def _connect(signal: ModelSignal, model: type[Model], receiver: Callable[..., None]) -> None:
    # A signal's sender is the very class that was saved: proxies and children send under their own name.
    for sender in apps.get_models():
        if issubclass(sender, model):
            signal.connect(receiver, sender=sender, weak=False)
            _connections.append((signal, sender, receiver))


def _reconnect(*, setting: str, **kwargs: object) -> None:
    if setting == "METAREC":
        _pending.keys.clear()  # what was noted are paths of another mapping
        _pending.gone.clear()
        connect()


def _saved(
    watch: Watch,
    *,
    instance: Model,
    using: str,
    update_fields: frozenset[str] | None = None,
    **kwargs: object,
) -> None:
    if watch.is_row or update_fields is None or watch.fields & update_fields:
        _note(using, watch.interactions, watch.path, instance.pk)


def _deleted(watch: Watch, *, instance: Model, using: str, **kwargs: object) -> None:
    if watch.is_row:
        _pending.gone[using][watch.interactions.kind][instance.pk] = _event_id(watch.interactions, instance)
        _note(using, watch.interactions, "", instance.pk)
    elif watch.owner is not None:
        path, column = watch.owner
        _note(using, watch.interactions, path, getattr(instance, column))
    # Else rows pointed here: they were deleted along and say so themselves, or point nowhere now.


def _event_id(interactions: Interactions, instance: Model) -> str:
    order = None if interactions.order is None else _key_behind(instance, interactions.order)
    return event_id(interactions.kind, instance.pk, order)


def _key_behind(instance: Any, path: str) -> Any:
    """The key or value that a path leads to from an instance, without a query where the row itself holds it."""
    *before, last = path.split("__")
    try:
        for name in before:
            instance = getattr(instance, name)
        field = instance._meta.get_field(last)
        if field.is_relation and field.concrete and field.target_field.primary_key:
            return getattr(instance, field.attname)
        found = getattr(instance, last)
    except (ObjectDoesNotExist, FieldDoesNotExist, AttributeError):
        return None
    return getattr(found, "pk", found)


def _note(using: str, interactions: Interactions, path: str, key: Any) -> None:
    _pending.keys[using][interactions.kind, path].add(key)

    # Once per note, since a savepoint may take some of them back; all but the first find nothing left to do.
    # A function of its own: a robust hook that fails is logged by name, which a partial has not.
    def flush_noted() -> None:
        flush(using)

    transaction.on_commit(flush_noted, using=using, robust=not get_config().strict)


def flush(using: str) -> None:
    """Read again what was noted on this database."""
    keys, gone = _pending.keys.pop(using, None), _pending.gone.pop(using, {})
    if keys is None:
        return
    kinds = {interactions.kind: interactions for interactions in get_storefront().interactions}
    for (kind, path), noted in keys.items():
        if kind in kinds:
            deleted = {} if path else gone.get(kind, {})
            for batch in _batches(noted):
                reread(kinds[kind], path, batch, {key: deleted[key] for key in batch if key in deleted})


def _batches(keys: set[Any]) -> Iterator[list[Any]]:
    listed = list(keys)
    for start in range(0, len(listed), BATCH):
        yield listed[start : start + BATCH]


def _logged_in(*, request: Any, user: Any, **kwargs: object) -> None:
    if request is not None:
        subjects.merge_at_login(request, user)


def _logged_out(*, request: Any, **kwargs: object) -> None:
    if request is not None:
        subjects.part_at_logout(request)


def _user_deleted(*, instance: Model, **kwargs: object) -> None:
    forget_subjects([subjects.user_subject(instance.pk)], ErasureReceipt.By.DELETED)
