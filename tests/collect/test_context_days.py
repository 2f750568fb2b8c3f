"""Importing what days were like: all of a file or nothing, the same twice over, and errors that name the line."""

from __future__ import annotations

from datetime import date
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from metarec_plugin.collect.context_days import context_days
from metarec_plugin.models import ContextDay

pytestmark = pytest.mark.django_db
HEAD = "day,name,value\n"


@pytest.fixture
def write(tmp_path: Path):
    def file(text: str) -> str:
        path = tmp_path / "days.csv"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return file


def imported(path: str) -> str:
    out = StringIO()
    call_command("metarec_import_context", path, stdout=out)
    return out.getvalue()


def test_a_file_is_stored_and_reading_it_again_changes_nothing(write):
    path = write(HEAD + "2026-03-01,weather,rain\n2026-03-01,temperature,7.5\n\n2026-03-02,weather,sun\n")
    assert imported(path) == "3 values new, 0 changed, 0 known.\n"
    assert imported(path) == "0 values new, 0 changed, 3 known.\n"
    assert context_days() == {
        date(2026, 3, 1): {"temperature": "7.5", "weather": "rain"},
        date(2026, 3, 2): {"weather": "sun"},
    }


def test_a_later_file_corrects_a_value_and_leaves_the_others(write):
    imported(write(HEAD + "2026-03-01,weather,rain\n2026-03-02,weather,sun\n"))
    corrected = write("name,day,value\nweather,2026-03-02,snow\nweather,2026-03-03,sun\n")  # in another order
    assert imported(corrected) == "1 values new, 1 changed, 0 known.\n"
    assert [*ContextDay.objects.order_by("day").values_list("value", flat=True)] == ["rain", "snow", "sun"]


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "must begin with the heading day,name,value; found nothing"),
        ("date,name,value\n", "found date,name,value"),
        (HEAD, "holds no value"),
        (HEAD + "1 March,weather,rain\n", "line 2: a day is written 2026-03-01; found '1 March'"),
        (HEAD + "2026-02-30,weather,rain\n", "line 2: a day is written"),
        (HEAD + "2026-03-01,Weather,rain\n", "line 2: a name is"),
        (HEAD + "2026-03-01,weekday,rain\n", "none of hour, weekday, holiday, approach"),
        (HEAD + "2026-03-01,weather,\n", "line 2: a value has 1 to 80 letters"),
        (HEAD + "2026-03-01,weather\n", "line 2: expected 3 cells"),
        (HEAD + "2026-03-01,weather,a\n2026-03-01,weather,b\n", "line 3: weather of 2026-03-01 is 'b' here"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_stored(write, text, said):
    with pytest.raises(CommandError) as caught:
        imported(write(text))
    assert said in str(caught.value)
    assert not ContextDay.objects.exists()


def test_a_wrong_line_stores_none_of_the_good_ones(write):
    with pytest.raises(CommandError, match="line 3"):
        imported(write(HEAD + "2026-03-01,weather,rain\n2026-03-32,weather,rain\n"))
    assert not ContextDay.objects.exists()


def test_a_missing_file_is_answered_in_words(tmp_path):
    with pytest.raises(CommandError, match="cannot be read as a CSV"):
        imported(str(tmp_path / "nowhere.csv"))
