"""The settings page names every setting, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from metarec_plugin.conf import known_keys

PAGE = Path(__file__).resolve().parents[2] / "docs" / "settings.md"


def test_every_setting_has_a_row_and_every_row_is_a_setting():
    rows = re.findall(r"^\| `([A-Z_]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(known_keys())
