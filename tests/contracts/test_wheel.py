"""What users install: a wheel of the plugin alone, with everything that is not Python in it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import metarec_plugin

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "metarec_plugin"


def test_the_wheel_is_named_and_numbered_like_the_package(wheel):
    assert wheel.name.startswith(f"django_metarec-{metarec_plugin.__version__}-py3-")


def test_every_file_of_the_package_is_in_the_wheel(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    files = [
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    ]
    assert [name for name in files if name not in inside] == []
    for needed in (
        "py.typed",
        "templates/metarec/recommendations.html",
        "static/metarec/beacon.js",
        "static/metarec/widgets.css",
        "locale/zh_Hans/LC_MESSAGES/django.mo",
        "migrations/0001_initial.py",
        "management/commands/metarec_recommend.py",
    ):
        assert f"metarec_plugin/{needed}" in inside


def test_the_wheel_holds_the_plugin_alone(wheel):
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"metarec_plugin"}
