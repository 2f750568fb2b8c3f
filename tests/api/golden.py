"""The schema that version 1 promises. `python -m tests.api.golden` writes it anew, for who meant to change it."""

from __future__ import annotations

from pathlib import Path

PATH = Path(__file__).parent / "schema_v1.yml"
SERVER = "/api/metarec/v1"


def made() -> str:
    from metarec_plugin.api.v1.views.schema import as_yaml, make_schema

    return as_yaml(make_schema(SERVER)).decode()


def main() -> None:
    import os

    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    PATH.write_text(made())


if __name__ == "__main__":
    main()
