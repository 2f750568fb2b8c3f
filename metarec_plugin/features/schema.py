"""What was learned of each declared feature on the training side: its values, its spread, its bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from metarec_plugin.exceptions import InvalidData

UNKNOWN = 0  # no value, or one that training never saw
NOT_APPLICABLE = 1  # the feature does not exist for such a product, as colour for milk
FIRST = 2  # codes of known values start here
ABSENT = "n/a"  # the value that says so
KINDS = ("category", "multi_category", "number", "text")  # an embedding has no values to learn


@dataclass(frozen=True)
class FieldSchema:
    """One feature. values: known values, code FIRST + place; a number has its spread and band edges instead."""

    name: str
    kind: str
    values: tuple[str, ...] = ()
    mean: float = 0.0
    deviation: float = 1.0
    edges: tuple[float, ...] = ()  # ascending; band b holds edges[b - 1] < x <= edges[b]

    @property
    def n_codes(self) -> int:
        """How many codes the feature can take."""
        known = len(self.edges) + 1 if self.kind == "number" else len(self.values)
        return FIRST + known


@dataclass(frozen=True)
class FeatureSchema:
    """All features, in the order declared."""

    fields: tuple[FieldSchema, ...] = field(default_factory=tuple)

    def __getitem__(self, name: str) -> FieldSchema:
        return next(each for each in self.fields if each.name == name)

    def as_json(self) -> list[dict[str, Any]]:
        return [asdict(each) for each in self.fields]

    @classmethod
    def from_json(cls, stored: Sequence[Mapping[str, Any]]) -> FeatureSchema:
        """Read what `as_json` gave. Raises InvalidData on a field of another shape or kind."""
        try:
            fields = tuple(
                FieldSchema(**{**each, "values": tuple(each["values"]), "edges": tuple(each["edges"])})
                for each in stored
            )
        except (KeyError, TypeError) as error:
            raise InvalidData(
                f"A feature schema holds name, kind, values and spread; found {stored!r}."
            ) from error
        wrong = [each.name for each in fields if each.kind not in KINDS]
        if wrong:
            raise InvalidData(
                f"Features are of kind {', '.join(KINDS)}; found another for {', '.join(wrong)}."
            )
        return cls(fields)
