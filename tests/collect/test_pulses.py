"""Turns: of two who decide at once the second one sees what the first one did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from metarec_plugin.collect import pulses
from metarec_plugin.models import Pulse


def test_the_second_one_waits_and_finds_what_the_first_one_made(tmp_path):
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "shop.settings",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'shop.sqlite3'}",
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.collect.turns"],
        env=environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # a thread that died would say so here
    assert json.loads(done.stdout.splitlines()[-1]) == [1, 1, 1]


@pytest.mark.django_db
def test_a_turn_is_one_row_however_often_it_is_taken():
    for _time in range(3):
        pulses.wait_for_turn("test")
    assert list(Pulse.objects.values_list("pk", flat=True)) == ["turn:test"]
