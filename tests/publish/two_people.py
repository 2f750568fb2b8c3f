"""Two people who saw the same version served each promote another one at once; prints JSON.

In a process of its own, on the database of DATABASE_URL: the test run has its in memory, where threads share one
connection.
"""

from __future__ import annotations

import json
import uuid
from threading import Barrier, Thread
from typing import Any

import django

django.setup()

from django.db import connection  # noqa: E402

from metarec_plugin.conf import get_config  # noqa: E402
from metarec_plugin.exceptions import ChangedMeanwhile  # noqa: E402
from metarec_plugin.models import ModelVersion, TrainingRun  # noqa: E402
from metarec_plugin.publish import registry  # noqa: E402
from metarec_plugin.publish.bundle import Bundle, write_bundle  # noqa: E402
from metarec_plugin.storefront import get_storefront  # noqa: E402
from tests import bundles  # noqa: E402

TURNS = 5


def registered() -> str:
    version = uuid.uuid4()
    manifest = bundles.manifest(feature_schema=get_storefront().feature_schema())
    sha256 = write_bundle(get_config().artifacts, version, manifest, bundles.arrays())
    state = ModelVersion.State.PASSED
    return str(registry.register(version, learner="closed_form", sha256=sha256, state=state).pk)


def decide(version: str, seen: str, found: dict[str, str]) -> None:
    try:
        registry.promote(version, expected=seen)
        found[version] = "promoted"
    except ChangedMeanwhile as error:
        found[version] = str(error)
    finally:
        connection.close()


def turn(seen: str) -> dict[str, object]:
    """Both decide by the version that is served now; returns what each was told and what is served then."""
    versions, found = (registered(), registered()), dict[str, str]()
    running = [Thread(target=decide, args=(version, seen, found)) for version in versions]
    for each in running:
        each.start()
    for each in running:
        each.join()
    return {"told": found, "served": [str(pk) for pk in current_keys()]}


def current_keys() -> list[uuid.UUID]:
    return list(ModelVersion.objects.filter(is_current=True).values_list("pk", flat=True))


if __name__ == "__main__":
    with connection.schema_editor() as editor:  # the two tables alone: migrating takes seconds
        editor.create_model(TrainingRun)
        editor.create_model(ModelVersion)
    registry.promote(registered())
    both, verify = Barrier(2), registry.read_bundle

    def verified(*args: Any) -> Bundle:
        bundle = verify(*args)
        both.wait()  # so that they meet where one of them flips
        return bundle

    registry.read_bundle = verified  # type: ignore[assignment]
    print(json.dumps([turn(str(current_keys()[0])) for _ in range(TURNS)]))
