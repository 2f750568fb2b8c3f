"""`manage.py metarec_doctor`: say what is missing before recommendations adapt, in the order to mend it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core import checks
from django.core.management.base import BaseCommand
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import MetaRecError
from metarec_plugin.models import Event, ModelVersion, TrainingRun
from metarec_plugin.publish import registry
from metarec_plugin.publish.bundle import read_bundle
from metarec_plugin.publish.features import require_same_features
from metarec_plugin.serve.current import warmed
from metarec_plugin.storefront import get_storefront

# Warnings without whose cause nothing adapts: no interactions, no middleware or URLs, nowhere to write.
BLOCKING = ("metarec.W001", "metarec.W004", "metarec.W005")
WAITING = timedelta(minutes=5)  # a queued run older than this has no worker


@dataclass(frozen=True)
class Finding:
    """One step of the way: fine, or what is wrong and the command or change that mends it."""

    step: str
    wrong: str = ""
    mend: str = ""

    @property
    def fine(self) -> bool:
        return not self.wrong


def mapping() -> Finding:
    step = "storefront mapped, plugin installed, artifacts writable"
    for message in checks.run_checks(include_deployment_checks=True):
        ours = str(message.id).startswith("metarec.")
        if ours and (message.is_serious() or message.id in BLOCKING):
            return Finding(step, f"{message.id}: {message.msg}", str(message.hint or ""))
    return Finding(step)


def migrations() -> Finding:
    executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
    targets = [key for key in executor.loader.graph.leaf_nodes() if key[0] == "metarec"]
    missing = [
        migration.name
        for migration, _ in executor.migration_plan(targets)
        if migration.app_label == "metarec"
    ]
    if missing:
        return Finding("tables migrated", f"not applied: {', '.join(missing)}", "manage.py migrate")
    return Finding("tables migrated")


def products() -> Finding:
    if not get_storefront().products_queryset().exists():
        return Finding(
            "products to recommend", "the mapping finds none", "add products, or widen Products(where=...)"
        )
    return Finding("products to recommend")


def events() -> Finding:
    kinds = get_config().target_kinds
    if not Event.objects.filter(kind__in=kinds).exists():
        return Finding(
            f"events of kind {', '.join(kinds)}", "the log has none", "manage.py metarec_sync --full"
        )
    return Finding(f"events of kind {', '.join(kinds)}")


def training() -> Finding:
    step = "a training run done"
    waiting = TrainingRun.objects.filter(
        state=TrainingRun.State.QUEUED, created__lt=timezone.now() - WAITING
    ).first()
    if waiting is not None:
        return Finding(
            step,
            f"run {waiting.pk} has waited since {waiting.created:%H:%M}: no worker takes the queue metarec.gpu",
            "celery -A <project> worker -Q metarec.gpu --pool=solo, or manage.py metarec_train in the foreground",
        )
    done = TrainingRun.objects.filter(state=TrainingRun.State.DONE).exists()
    if not done and registry.current() is None:  # a version may have been brought from another machine
        last = TrainingRun.objects.first()
        wrong = f"the last one is {last.state}: {last.error[:200]}" if last else "there is none"
        return Finding(step, wrong, "manage.py metarec_train")
    return Finding(step)


def promotion() -> Finding:
    step = "a version promoted"
    if registry.current() is None:
        ready = (
            ModelVersion.objects.filter(state__in=registry.PROMOTABLE).order_by("-validation_score").first()
        )
        mend = f"manage.py metarec_promote {ready.pk}" if ready else "manage.py metarec_train"
        return Finding(step, "no version is served", mend)
    return Finding(step)


def bundle() -> Finding:
    step = "its bundle whole, made for this storefront, and answering"
    version = registry.current()
    assert version is not None  # noqa: S101  (the step before stops here otherwise)
    try:
        found = read_bundle(get_config().artifacts, version.pk, version.sha256)
        require_same_features(found)
        warmed(OnlineModel(found))
    except MetaRecError as error:
        return Finding(step, str(error), "manage.py metarec_rollback, or manage.py metarec_train")
    return Finding(step)


def search() -> str:
    """Return how much of the exact list approximate search finds; nothing where search is exact."""
    version = registry.current()
    found = version.metrics.get("training", {}).get("approximate", {}) if version is not None else {}
    if not found.get("supports"):
        return ""
    return (
        f"Approximate search: recall@20 {found['recall20']:.3f}, at a lift of {found['lift']} "
        f"{found['recall20_lifted']:.3f}, of {found['supports']} held-out supports, measured at training."
    )


# Each step needs those before it, so the first that fails ends the list.
STEPS: tuple[Callable[[], Finding], ...] = (
    mapping,
    migrations,
    products,
    events,
    training,
    promotion,
    bundle,
)


class Command(BaseCommand):
    help = "Say what is missing, in order, each with what mends it. Exits 1 when something is."
    requires_system_checks: list[str] = []  # the first step reports them

    def handle(self, **options: Any) -> None:
        for step in STEPS:
            finding = step()
            self.stdout.write(f"{'ok ' if finding.fine else 'NO '} {finding.step}")
            if not finding.fine:
                self.stdout.write(f"    {finding.wrong}\n    mend: {finding.mend}")
                raise SystemExit(1)
        self.stdout.write("Recommendations adapt.")
        said = search()
        if said:
            self.stdout.write(said)
