"""Walks lookup paths over the models' metadata, without a query."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import F, Field, ForeignObjectRel, JSONField, Model, Q

from metarec_plugin.exceptions import ConfigurationError

SEPARATOR = "__"


class BrokenPath(ConfigurationError):
    """A lookup path names a step that its model does not have."""

    def __init__(self, path: str, step: str, model: type[Model]) -> None:
        self.path, self.step, self.model = path, step, model
        names = sorted({f.name for f in model._meta.get_fields()} | {"pk"})
        self.nearest = next(iter(get_close_matches(step, names, n=1, cutoff=0.5)), None)
        self.known = ", ".join(names)
        super().__init__(f"The path {path!r} breaks at {step!r}: {model._meta.label} has no such field.")


@dataclass(frozen=True)
class Step:
    """One field on a path. prefix: the path to `model`, empty at its start."""

    prefix: str
    model: type[Model]
    field: Any  # Field | ForeignObjectRel | GenericForeignKey

    @property
    def path(self) -> str:
        return SEPARATOR.join(filter(None, [self.prefix, self.field.name]))

    @property
    def many(self) -> bool:
        return bool(self.field.one_to_many or self.field.many_to_many)

    @property
    def nullable(self) -> bool:
        if isinstance(self.field, ForeignObjectRel):
            return True  # the other side of a one-to-one may not exist
        return bool(getattr(self.field, "null", False))


@dataclass(frozen=True)
class Walk:
    """A path that leads somewhere. target: the model at its end when it ends on a relation or a key."""

    path: str
    steps: tuple[Step, ...]
    rest: tuple[str, ...]  # transforms and lookups behind the last field

    @property
    def many(self) -> Step | None:
        return next((step for step in self.steps if step.many), None)

    @property
    def nullable(self) -> Step | None:
        return next((step for step in self.steps if step.nullable), None)

    @property
    def target(self) -> type[Model] | None:
        last = self.steps[-1]
        if last.field.is_relation and not _is_parent_key(last):
            return last.field.related_model
        return last.model if getattr(last.field, "primary_key", False) else None

    @property
    def ends_on_relation(self) -> bool:
        return bool(self.steps[-1].field.is_relation)


def _is_parent_key(step: Step) -> bool:
    return bool(
        getattr(step.field, "primary_key", False) and getattr(step.field.remote_field, "parent_link", False)
    )


def walk(model: type[Model], path: str, *, lookups: bool = False) -> Walk:
    """Follow `path` from `model`. With `lookups` it may end in one, as the left side of a condition does.

    Raises BrokenPath at the first step that does not exist.
    """
    names = path.split(SEPARATOR)
    steps: list[Step] = []
    here: type[Model] | None = model
    for position, name in enumerate(names):
        found = _field(here, name) if here is not None else None
        if found is None:
            if steps and _ends_well(steps[-1].field, names[position:], lookups=lookups):
                return Walk(path, tuple(steps), tuple(names[position:]))
            raise BrokenPath(path, name, here or steps[-1].model)
        steps.append(Step(SEPARATOR.join(names[:position]), here, found))  # type: ignore[arg-type]
        here = found.related_model if found.is_relation else None
    return Walk(path, tuple(steps), ())


def _field(model: type[Model], name: str) -> Any:
    if name == "pk":
        return model._meta.pk
    try:
        found = model._meta.get_field(name)
    except FieldDoesNotExist:
        return None
    # A generic foreign key has no single model behind it: a query cannot cross it.
    return found if not found.is_relation or found.related_model is not None else None


def _ends_well(last: Any, names: list[str], *, lookups: bool) -> bool:
    """Tell whether `names` are transforms of the field, and at most one closing lookup where that is allowed."""
    if isinstance(last, JSONField):
        return True
    output: Any = last
    for position, name in enumerate(names):
        closing = position == len(names) - 1
        if lookups and closing and output.get_lookup(name) is not None:
            return True
        transform = output.get_transform(name) if isinstance(output, Field) else None
        if transform is None:
            return False
        output = getattr(transform, "output_field", None) or output
    return True


def condition_paths(where: Q | None) -> Iterator[str]:
    """Yield each lookup path that a condition mentions, on either side."""
    for child in where.children if where is not None else ():
        if isinstance(child, Q):
            yield from condition_paths(child)
        elif isinstance(child, tuple):
            yield child[0]
            if type(child[1]) is F:  # an OuterRef speaks of another query
                yield child[1].name  # type: ignore[attr-defined]


def excludes_null(where: Q | None, *paths: str) -> bool:
    """Tell whether a condition can only hold where one of `paths` leads to a row or a value."""
    if where is None:
        return False
    found = [
        any(_child_excludes(child, path, negated=where.negated) for path in paths)
        if isinstance(child, tuple)
        # A condition inside a negated one would have to be turned around; say no rather than guess.
        else isinstance(child, Q) and not where.negated and excludes_null(child, *paths)
        for child in where.children
    ]
    every = (where.connector == Q.OR) != where.negated  # not (a or b) is (not a) and (not b)
    return bool(found) and (all(found) if every else any(found))


def _child_excludes(child: tuple[str, object], path: str, *, negated: bool) -> bool:
    name, value = child
    if negated:
        return (name == f"{path}__isnull" and value is True) or (name == path and value is None)
    if name.endswith("__isnull"):
        base = name.removesuffix("__isnull")
        return value is False and (base == path or base.startswith(path + SEPARATOR))
    return (name == path or name.startswith(path + SEPARATOR)) and value is not None
