"""Write a placement's options: checked against the mapping, kept with each revision, never over another's change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, router, transaction
from django.utils import timezone

from metarec_plugin.exceptions import InvalidRule
from metarec_plugin.models import Placement, PlacementRevision
from metarec_plugin.serve.options import read_placement as check_options
from metarec_plugin.serve.policy import forget_policy

__all__ = ["check_options", "save_placement"]


def save_placement(
    name: str, options: Mapping[str, Any], *, by: str = "", active: bool = True, revision: int | None = None
) -> Placement:
    """Store options as the next revision. revision: the one that they were made from, where that is known.

    Raises InvalidRule for options that cannot be, and where somebody else changed the placement since that revision.
    """
    check_options(name, options)
    try:
        with transaction.atomic(using=router.db_for_write(Placement)):
            row = Placement.objects.select_for_update().filter(name=name).first()
            if revision is not None and (row.revision if row else 0) != revision:
                raise InvalidRule(
                    f"Placement {name!r} was changed since revision {revision}; look at it again first."
                )
            if row is None:
                row = Placement(name=name, revision=0)
            row.options, row.active, row.updated_by = dict(options), active, by
            row.updated_at = timezone.now()
            row.revision += 1
            row.full_clean(validate_unique=False, validate_constraints=False)
            row.save()
            PlacementRevision.objects.create(
                name=name, revision=row.revision, options=row.options, active=active, by=by
            )
    except ValidationError as error:
        raise InvalidRule(f"Placement {name!r} cannot be kept: {' '.join(error.messages)}") from error
    except IntegrityError as error:
        raise InvalidRule(
            f"Placement {name!r} was changed at the same time; look at it again first."
        ) from error
    forget_policy()
    return row
