"""Options of learners: read from the command line, checked against the fields of a learner's config."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import Field, fields, replace
from typing import Any, TypeVar

from metarec_plugin.exceptions import ConfigurationError

Options = Mapping[str, Mapping[str, Any]]  # by learner and name
Config = TypeVar("Config")


def parse_options(given: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Read `learner.name=value` texts; a value is JSON, or else the text itself. Raises ConfigurationError."""
    parsed: dict[str, dict[str, Any]] = {}
    for text in given:
        path, equals, value = text.partition("=")
        learner, dot, name = path.strip().partition(".")
        if not (equals and dot and learner and name):
            raise ConfigurationError(
                f"An option is written learner.name=value, such as maml.first_order=true; found {text!r}."
            )
        parsed.setdefault(learner, {})[name] = _value(value.strip())
    return parsed


def configured(learner: str, config: Config, options: Mapping[str, Any]) -> Config:
    """Return the config with the options put in. Raises ConfigurationError where a name or a value does not fit.

    A field's metadata says what its type does not: `least`, the smallest number, 1 for whole numbers and 0 for
    others where nothing is said; `most`; `choices`.
    """
    known = {field.name: field for field in fields(config)}  # type: ignore[arg-type]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ConfigurationError(
            f"The learner {learner} has no option {', '.join(map(repr, unknown))}; it has {', '.join(known)} "
            "(METAREC['LEARNER_OPTIONS'] or --option)."
        )
    values = {name: _fitting(learner, known[name], getattr(config, name), options[name]) for name in options}
    return replace(config, **values)  # type: ignore[type-var]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _fitting(learner: str, field: Field[Any], default: Any, value: Any) -> Any:
    """Return the value in the type of the field's default."""
    expected: str | None = None
    if isinstance(default, bool):
        expected = None if isinstance(value, bool) else "true or false"
    elif isinstance(default, str):
        choices = field.metadata.get("choices", ())
        expected = None if value in choices else f"one of {', '.join(choices)}"
    elif isinstance(default, tuple):
        if isinstance(value, list | tuple) and value:
            return tuple(_fitting(learner, field, default[0], each) for each in value)
        names = isinstance(default[0], str)
        expected = f"a list of {', '.join(field.metadata['choices']) if names else 'numbers'}"
    else:
        whole = isinstance(default, int)
        least, most = field.metadata.get("least", 1 if whole else 0), field.metadata.get("most", math.inf)
        number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not (number and math.isfinite(value) and least <= value <= most):
            upper = f" to {most:g}" if most < math.inf else ""
            expected = f"a {'whole ' if whole else ''}number from {least:g}{upper}"
        elif not whole:
            return float(value)
    if expected is not None:
        raise ConfigurationError(
            f"The option {field.name} of the learner {learner} is {expected}; found {value!r} "
            "(METAREC['LEARNER_OPTIONS'] or --option)."
        )
    return value
