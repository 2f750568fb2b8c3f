"""The page of an evaluation: what a strict policy allows, what a reader needs beside a plot, and what it says."""

from __future__ import annotations

import base64
import hashlib
import re
import sys
from html.parser import HTMLParser

import pytest

from metarec_plugin.exceptions import ConfigurationError
from metarec_plugin.pipeline.evaluate import evaluate_dataset
from metarec_plugin.pipeline.report_page import STYLE, STYLE_HASH, report_page
from tests.evaluate.shoppers import planted


class Elements(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def found() -> dict:
    report = evaluate_dataset(
        planted(shoppers=200),
        ("closed_form", "popularity", "ease", "decayed_popularity"),
        (0, 1, 2),
        command="c <b>",
    )
    return report.as_json()


@pytest.fixture(scope="module")
def page(found: dict) -> str:
    return report_page(found)


def test_a_strict_policy_is_kept(page: str):
    elements = Elements(page)
    assert not elements.all("script")
    assert not elements.all("link")
    assert not [
        name for _, attributes in elements.found for name in attributes if name == "style" or name[:2] == "on"
    ]
    sources = [
        value for _, a in elements.found for name in ("src", "srcset", "href") if (value := a.get(name))
    ]
    assert sources
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert "http://" not in page.replace("http-equiv", "")
    assert "https://" not in page


def test_the_policy_names_the_hash_of_the_one_style_on_the_page(page: str):
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.S)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert style == STYLE
    assert f"sha256-{digest}" == STYLE_HASH
    assert STYLE_HASH in Elements(page).all("meta")[1]["content"]


def test_every_plot_has_a_text_and_a_table_beside_it(page: str):
    images = Elements(page).all("img")
    assert len(images) == 3
    assert all(len(image["alt"]) > 40 for image in images)
    for section in page.split("<section>")[1:]:
        assert "<table" in section
    assert len(Elements(page).all("source")) == 3  # the shape for a phone


def test_tables_have_captions_and_headings_and_can_be_scrolled_by_keyboard(page: str):
    elements = Elements(page)
    tables = elements.all("table")
    assert len(elements.all("caption")) == len(tables)
    regions = [a for a in elements.all("div") if a.get("role") == "region"]
    assert len(regions) == len(tables)
    assert all(region["tabindex"] == "0" and region["aria-label"] for region in regions)
    assert {a["scope"] for a in elements.all("th")} == {"row", "col"}


def test_the_figures_are_the_reports(found: dict, page: str):
    for row in found["rows"]:
        assert f"{row['ndcg20']:.4f} [{row['low']:.4f}, {row['high']:.4f}]" in page
    mean = next(each for each in found["comparisons"] if each["k"] is None)
    assert f"{abs(mean['share']):.1%}" in page


def test_what_was_not_run_is_said_with_its_reason(page: str):
    assert "What was not run, and why" in page
    assert "the events have no timestamps" in page


def test_names_and_commands_are_escaped(page: str):
    assert "c &lt;b&gt;" in page
    assert "c <b>" not in page


def test_the_same_report_makes_the_same_page(found: dict, page: str):
    assert report_page(found) == page


def test_without_matplotlib_it_is_said_how_to_install_it(found: dict, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigurationError, match="pip install"):
        report_page(found)


def test_nothing_measured_still_makes_a_page():
    report = evaluate_dataset(planted(shoppers=60), ("popularity",), (40,))
    assert "<h1>" in report_page(report.as_json())
