"""`metarec_experiment` from the list to the report."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tests.feedback.logs import draft, filled

pytestmark = pytest.mark.django_db


def ran(*arguments: str) -> str:
    out = StringIO()
    call_command("metarec_experiment", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_lists_starts_reports_and_stops():
    assert "no experiment" in ran("list")
    draft()
    assert ran("list").split()[:4] == ["lift", "draft", "home", "fixed"]
    assert ran("start", "lift") == "lift is running.\n"
    assert json.loads(ran("list", "--json"))[0]["state"] == "running"
    assert "Nobody was answered" in ran("report", "lift")
    assert json.loads(ran("stop", "lift", "--json"))["state"] == "stopped"


def test_the_command_prints_the_split_first_and_then_the_figures():
    filled(50, 50, bought=(5, 30), horizon=100)
    lines = ran("report", "lift").splitlines()
    assert lines[1] == "split: p = 1"
    assert lines[2] == "bold is above control in conversion."
    [line] = [line for line in lines if line.strip().startswith("conversion") and "[" in line]
    assert line.split()[:4] == ["conversion", "60.00%", "+50.00", "points"]
    assert json.loads(ran("report", "lift", "--json"))["status"] == "different"


def test_the_command_says_what_is_wrong():
    with pytest.raises(CommandError, match="no experiment 'x'"):
        ran("report", "x")
    draft(horizon=0)
    with pytest.raises(CommandError, match="needs its horizon"):
        ran("start", "lift")
    with pytest.raises(CommandError, match="does not run"):
        ran("stop", "lift")
