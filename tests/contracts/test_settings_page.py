"""The settings page names every setting and no other, every command with its options, every signal."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from django.core.management import load_command_class
from django.dispatch import Signal

from metarec_plugin import recommend, signals
from metarec_plugin.conf import known_keys

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "settings.md"
COMMANDS = sorted(path.stem for path in ROOT.glob("metarec_plugin/management/commands/metarec_*.py"))
DJANGOS = {"--help", "--version", "--verbosity", "--settings", "--pythonpath", "--traceback", "--no-color"}
DJANGOS |= {"--force-color", "--skip-checks"}


def test_every_setting_has_a_row_and_every_row_is_a_setting():
    rows = re.findall(r"^\| `([A-Z_]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(known_keys())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_with_its_options(name: str):
    page = PAGE.read_text()
    assert re.search(rf"^\| `{name}\b", page, re.MULTILINE)
    parser = load_command_class("metarec_plugin", name).create_parser("manage.py", name)
    options = {text for action in parser._actions for text in action.option_strings if text[:2] == "--"}
    assert [option for option in sorted(options - DJANGOS) if option not in page] == []


def test_every_signal_has_a_row():
    rows = re.findall(r"^\| `([a-z_]+)` \| `[A-Z]\w+` \|", PAGE.read_text(), re.MULTILINE)
    public = [name for name, value in vars(signals).items() if isinstance(value, Signal)]
    assert sorted(rows) == sorted(public)


def test_recommend_is_shown_with_all_its_arguments():
    [shown] = re.findall(r"^recommend\((.*?)\) -> Slate", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    for name, parameter in inspect.signature(recommend).parameters.items():
        default = "" if parameter.default is parameter.empty else f"={parameter.default!r}".replace("'", '"')
        assert f"{name}{default}," in shown
