"""`metarec_roles`: make the four groups of people who may do what in the admin panel."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group, Permission
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

VIEW = "view_dashboard"
GROUPS = {
    "MetaRec viewer": (VIEW,),
    "MetaRec operator": (VIEW, "operate"),
    "MetaRec trainer": (VIEW, "train_model"),
    "MetaRec promoter": (VIEW, "promote_model"),
}


class Command(BaseCommand):
    help = (
        "Makes four groups, viewer, operator, trainer and promoter, each of which may look, and prints what they may "
        "do. Running it again adds what is missing and takes nothing away."
    )

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        wanted = {codename for codenames in GROUPS.values() for codename in codenames}
        found = {
            permission.codename: permission
            for permission in Permission.objects.filter(
                content_type__app_label="metarec", codename__in=wanted
            )
        }
        if missing := sorted(wanted - set(found)):
            raise CommandError(
                f"The permission metarec.{missing[0]} is not there yet; run `manage.py migrate` first."
            )
        for name, codenames in GROUPS.items():
            group, made = Group.objects.get_or_create(name=name)
            group.permissions.add(*(found[codename] for codename in codenames))
            says = ", ".join(f"metarec.{codename}" for codename in codenames)
            self.stdout.write(f"{name} ({'made' if made else 'was there'}): {says}")
        self.stdout.write("Put people who are staff into them in the admin, under Groups of each user.")
