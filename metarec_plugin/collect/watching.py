"""Finds which models have a say in whether, when and for whom a row of the shop counts."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from django.apps import apps
from django.db.models import ForeignObjectRel, Model

from metarec_plugin.storefront import Interactions
from metarec_plugin.storefront.paths import condition_paths, walk


@dataclass(frozen=True, eq=False)
class Watch:
    """A model on an interaction's paths. `path` leads to it from the row (empty: the row itself).

    `fields` are those that the mapping reads; a save that names others only changes nothing for us. `owner` is
    set where the path comes in against a one-to-one: the path one step before, and the column that points there.
    """

    interactions: Interactions
    model: type[Model]
    path: str
    fields: frozenset[str]
    owner: tuple[str, str] | None = None

    @property
    def is_row(self) -> bool:
        return not self.path


def watches(interactions: Interactions) -> list[Watch]:
    """List the models on the paths of an interaction, `where` and all but `product`, the row's own first."""
    model = apps.get_model(interactions.model)
    read: dict[tuple[str, type[Model]], set[str]] = defaultdict(set)
    read["", model] = set()
    owners: dict[str, tuple[str, str]] = {}
    # Not a product's own models: all orders of a product would be read again each time it is saved.
    walks = [
        walk(model, path)
        for role, paths in interactions.paths().items()
        for path in paths
        if role != "product"
    ]
    walks += [walk(model, path, lookups=True) for path in condition_paths(interactions.where)]
    for walked in walks:
        for step in walked.steps:
            if isinstance(step.field, ForeignObjectRel):
                # The column lies in the other table: that one's rows decide.
                read[step.path, step.field.related_model].add(step.field.field.name)
                owners[step.path] = (step.prefix, step.field.field.attname)
            else:
                read[step.prefix, step.model].add(step.field.name)
    return [
        Watch(interactions, watched, path, frozenset(fields), owners.get(path))
        for (path, watched), fields in sorted(read.items(), key=lambda entry: entry[0][0])
        # A key alone never changes: a path that ends at a user's key does not make us watch users.
        if not path or fields - {watched._meta.pk.name}
    ]
