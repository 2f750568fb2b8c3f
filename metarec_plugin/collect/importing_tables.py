"""Takes parts of a file as rows of the shop's products or users: made or brought up to date by their key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import DatabaseError, models, router, transaction
from django.db.models import Model

from metarec_plugin.collect.batches import batches
from metarec_plugin.collect.importing_files import Unreadable
from metarec_plugin.collect.importing_targets import UNREADABLE, Chunk, Outcome, plain_field
from metarec_plugin.collect.importing_values import number_of, price_of, sought, text_of
from metarec_plugin.exceptions import InvalidData, InvalidEvent

FORBIDDEN = ("password", "is_superuser", "is_staff")  # no file makes an administrator or a way in


class RowsTarget:
    """Rows that become rows of `model`. paths: each a column of it, or `relation__column`, whose row is made where
    there is none; the first path is the key. A cell that is empty says nothing.
    """

    def __init__(self, model: type[Model], paths: Sequence[str], decimal: str = ".") -> None:
        self._model, self._decimal = model, decimal
        self._using = router.db_for_write(model)  # a replica may not know yet what was written
        self.fields = tuple(paths)
        self._key = plain_field(model, paths[0])
        if not (self._key.unique or self._key.primary_key):
            raise InvalidData(f"{paths[0]} is not unique in {model._meta.label}: no row can be told by it.")
        if len(paths) < 2:
            raise InvalidData("Beside the key at least one more field is needed; name it by --column.")
        self._columns = [_column(model, path) for path in paths[1:]]
        self._related: dict[tuple[str, Any], Model] = {}  # of a part: rows that its cells name
        self._made: list[tuple[str, Any]] = []  # of them, those that the row being taken made

    def check(self, header: Sequence[str], columns: Mapping[str, str]) -> None:
        """Refuse a file without the column of a path."""
        for path in self.fields:
            if columns.get(path, path) not in header:
                raise InvalidData(f"No column for {path}; the file has {', '.join(header)}.")

    def take(self, chunk: Chunk, dry_run: bool) -> Outcome:
        there = self._there(chunk)
        self._related.clear()
        counts = {"stored": 0, "changed": 0, "known": 0}
        refused: list[tuple[int, str, str]] = []
        for place, row in enumerate(chunk):
            try:
                if isinstance(row, Unreadable):
                    raise InvalidEvent(row.message, UNREADABLE)
                counts[self._take(row, there, dry_run)] += 1
            except InvalidEvent as error:
                refused.append((place, error.code, str(error)))
            except ValidationError as error:
                refused.append((place, "invalid_row", "; ".join(error.messages)))
            except (DatabaseError, ValueError, ArithmeticError) as error:
                refused.append((place, "refused_by_the_shop", str(error)))
        return Outcome(**counts, refused=refused)

    def _there(self, chunk: Chunk) -> dict[Any, Model]:
        keys = set()
        for row in chunk:
            try:
                if not isinstance(row, Unreadable):
                    keys.add(sought(self._key, text_of(row[0])))
            except ValidationError:
                continue  # said when the row is taken
        found: dict[Any, Model] = {}
        for batch in batches(keys):
            rows = self._model._default_manager.using(self._using).filter(**{f"{self._key.name}__in": batch})
            found.update((getattr(row, self._key.attname), row) for row in rows)
        return found

    def _take(self, row: Sequence[Any], there: dict[Any, Model], dry_run: bool) -> str:
        if not text_of(row[0]):
            raise InvalidEvent("The key is empty.", "no_key")
        key = sought(self._key, text_of(row[0]))
        instance = there.get(key)
        new = instance is None
        if instance is None:
            instance = self._model(**{self._key.attname: key})
            if isinstance(instance, AbstractBaseUser):
                instance.set_unusable_password()
        before = {field.attname: getattr(instance, field.attname) for field, _ in self._columns}
        try:
            outcome = self._save(instance, row, before, new, dry_run)
        except (InvalidEvent, ValidationError, DatabaseError, ValueError, ArithmeticError):
            for name, value in before.items():
                setattr(instance, name, value)
            for each in self._made:
                self._related.pop(each, None)  # gone with what the database took back
            raise
        there[key] = instance
        return outcome

    def _save(
        self, instance: Model, row: Sequence[Any], before: Mapping[str, Any], new: bool, dry_run: bool
    ) -> str:
        self._made = []
        # A savepoint: what the database refuses takes nothing else with it.
        with transaction.atomic(using=self._using):
            relations = [field.name for field, inner in self._columns if inner is not None]
            for cell, (field, inner) in zip(row[1:], self._columns):
                if text_of(cell):
                    self._set(instance, field, inner, cell, dry_run)
            changed = [
                field.name for field, _ in self._columns if getattr(instance, field.attname) != before[field.attname]
            ]  # fmt: skip
            untold = [
                each.name
                for each in self._model._meta.concrete_fields
                if each.name not in changed and (not new or each.has_default())
            ]
            if new or changed:
                instance.clean_fields(exclude={*relations, *untold})
                if not dry_run:
                    instance.save(force_insert=new, update_fields=None if new else changed)
        return "stored" if new else "changed" if changed else "known"

    def _set(self, instance: Model, field: Any, inner: Any, cell: Any, dry_run: bool) -> None:
        value = self._read(inner or field, cell)
        if inner is None:
            setattr(instance, field.attname, value)
            return
        found = self._related.get((field.name, value))
        if found is None:
            rows = field.related_model._default_manager.using(router.db_for_write(field.related_model))
            found = rows.filter(**{inner.name: value}).order_by("pk").first()
        if found is None and (inner.primary_key or inner is field.target_field):
            raise InvalidEvent(f"no {field.name} is {text_of(cell)[:60]!r}.", "unknown_related")
        if found is None:
            found = field.related_model(**{inner.name: value})
            found.clean_fields()
            if not dry_run:
                found.save()
            self._made.append((field.name, value))
        self._related[field.name, value] = found
        setattr(instance, field.name, found)

    def _read(self, field: Any, cell: Any) -> Any:
        text = text_of(cell)
        if isinstance(field, models.DecimalField) and self._decimal != ".":
            return price_of(text, self._decimal)
        if isinstance(field, models.FloatField):
            return number_of(field.name, text, self._decimal)
        return field.to_python(text)


def _column(model: type[Model], path: str) -> tuple[Any, Any]:
    """(column, column behind it or None). Raises InvalidData where a file cannot say what to write there."""
    name, *behind = path.split("__")
    if name in FORBIDDEN or len(behind) > 1:
        raise InvalidData(f"{path} is not written by an import.")
    field = plain_field(model, name)
    if not field.is_relation:
        if behind:
            raise InvalidData(f"{path} is not a column of {model._meta.label}.")
        return field, None
    related = field.related_model
    inner = plain_field(related, behind[0]) if behind else field.target_field
    if inner.primary_key or field.target_field is inner:
        return field, inner  # a row that must be there
    needed = [each.name for each in related._meta.concrete_fields if _is_needed(each) and each is not inner]
    if needed:
        raise InvalidData(
            f"{path}: a new {related._meta.verbose_name} needs {', '.join(needed)} as well. Make those rows first, and "
            f"name them by their key: {name}."
        )
    return field, inner


def _is_needed(field: Any) -> bool:
    return not (field.has_default() or field.null or field.blank or field.primary_key)


def mapped_path(declared: Any, model: type[Model], name: str) -> str:
    """The path that the mapping declares under a role or a feature's name, else the name itself."""
    if name in declared.features:
        return declared.features[name].path
    role = getattr(declared, name, None)
    if isinstance(role, str) and name in ("title", "image", "price", "added"):
        return role
    try:
        model._meta.get_field(name.split("__")[0])
    except FieldDoesNotExist as error:
        names = ", ".join([*declared.features, *(each.name for each in model._meta.concrete_fields)])
        raise InvalidData(f"{name!r} is no feature and no column of {model._meta.label}: {names}.") from error
    return name
