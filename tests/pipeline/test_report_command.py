"""`metarec_evaluate --html`: the page is in the language of the settings, or in the one that is asked for."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import polars as pl
import pytest
from django.core.management import CommandError, call_command

from tests.evaluate.shoppers import planted


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shoppers = planted(shoppers=120).train
    path = tmp_path_factory.mktemp("language") / "events.csv"
    owner = [subject for subject, n in zip(shoppers.subjects, shoppers.lengths()) for _ in range(n)]
    pl.DataFrame({"user_id": owner, "product_id": shoppers.products}).write_csv(path)
    return path


def page_of(events: Path, *arguments: str) -> str:
    out = events.with_suffix(".html")
    call_command(
        "metarec_evaluate", "--events", str(events), "--learners", "popularity", "--ks", "1", "--no-cache",
        "--html", str(out), *arguments, stdout=StringIO(),
    )  # fmt: skip
    return out.read_text(encoding="utf-8")


def test_the_page_is_in_the_language_of_the_settings(events: Path, settings):
    settings.LANGUAGE_CODE = "zh-hans"
    page = page_of(events)
    assert '<html lang="zh-Hans">' in page
    assert "推荐效果如何？" in page


def test_a_language_that_is_asked_for_goes_first(events: Path):
    assert "推荐效果如何？" in page_of(events, "--language", "zh-hans")
    assert "How good are the recommendations?" in page_of(events, "--language", "en")


def test_a_language_without_words_is_said_before_anything_is_measured(events: Path):
    with pytest.raises(CommandError, match=r"no words in it.*en, zh-hans"):
        call_command("metarec_evaluate", "--events", str(events.parent / "none.csv"), "--language", "de")
