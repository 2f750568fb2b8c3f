"""The page of an evaluation: what a strict policy allows, what a reader needs beside a plot, and what it says."""

from __future__ import annotations

import base64
import hashlib
import re
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from django.utils.translation import override

from metarec_plugin.evaluate import ease, ials
from metarec_plugin.evaluate.plot_words import PlotWords
from metarec_plugin.exceptions import ConfigurationError
from metarec_plugin.pipeline.environment import environment_of
from metarec_plugin.pipeline.evaluate import ALL, evaluate_dataset
from metarec_plugin.pipeline.report_names import learner_name, report_language, said
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


class Text(HTMLParser):
    """What is read: all words outside the style, and those in cells."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.cells: list[str] = []
        self._tag = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self._tag = tag

    def handle_data(self, data):
        if data.strip() and self._tag != "style":
            self.words.append(data)
            if self._tag == "td":
                self.cells.append(data)


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


CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture(scope="module")
def chinese(found: dict) -> str:
    return report_page(found, "zh-hans")


def plots_of(page: str) -> list[str]:
    images = re.findall(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", page)
    return [base64.b64decode(each).decode() for each in images]


def test_the_page_says_which_language_its_words_are_in(found: dict, page: str, chinese: str):
    assert '<html lang="en">' in page
    assert '<html lang="zh-Hans">' in chinese
    with override("de"):  # which has no catalogue
        assert report_page(found) == page


def test_what_is_read_is_chinese_on_the_chinese_page(found: dict, chinese: str):
    text = Text(chinese).words
    # What has a sentence's length and no Chinese is a name, a figure or a command.
    english = [each for each in text if not CHINESE.search(each) and len(re.findall(r"[a-z]{3,}", each)) > 2]
    assert [each for each in english if found["environment"]["versions"]["numpy"] not in each] == []
    assert "不适用：事件没有时间戳" in chinese
    for image in Elements(chinese).all("img"):
        assert CHINESE.search(image["alt"] or "")


def test_both_pages_have_the_same_figures(page: str, chinese: str):
    numbers = r"[+-]?\d+\.\d{3,}"
    assert [re.findall(numbers, each) for each in Text(page).cells] == [
        re.findall(numbers, each) for each in Text(chinese).cells
    ]


def test_plots_hold_words_as_text_and_no_stand_ins(page: str, chinese: str):
    for svg in plots_of(chinese):
        assert 'xml:lang="zh-Hans"' in svg
        assert CHINESE.search("".join(re.findall(r"<text[^>]*>([^<]*)</text>", svg)))
        assert "\N{ZERO WIDTH SPACE}" not in svg
        assert "\N{EM DASH}" not in svg
        assert "PingFang SC" in svg
        ElementTree.fromstring(svg)
    assert ">closed form</text>" in plots_of(page)[0]
    assert ">闭式解</text>" in plots_of(chinese)[0]


def test_wide_words_have_the_room_that_they_need():
    say = PlotWords("zh-Hans")
    drawn = [say(words) for words in ("预测", "实际", "k & 数", "EASE")]
    assert [len(each.rstrip("\N{ZERO WIDTH SPACE}")) for each in drawn] == [2, 2, 5, 4]
    assert len(set(drawn)) == 4
    svg = "<svg >" + "".join(f"<text>{each.replace('&', '&amp;')}</text>" for each in drawn)
    for words in ("预测", "实际", "k &amp; 数", "EASE"):
        assert f"<text>{words}</text>" in say.written(svg)


def test_a_language_without_words_is_named_with_those_that_have_some(settings):
    assert report_language(None) == settings.LANGUAGE_CODE
    assert report_language("zh-hans") == report_language("zh-cn") == "zh-hans"
    assert report_language("en-nz") == "en"
    for none in ("de", "xx", "../x"):
        with pytest.raises(ConfigurationError, match="en, zh-hans"):
            report_language(none)


def test_reasons_that_are_given_are_among_those_translated():
    given = (
        f"not run: {14_000:,} products are more than {ease.MAX_PRODUCTS:,}",
        ials.NOT_INSTALLED,
        environment_of("", [0], "cpu")["machine"],
    )
    with override("zh-hans"):
        assert all(CHINESE.search(said(words)) for words in given)
        assert "14,000" in said(given[0])
        assert said("not among them") == "not among them"


def test_every_learner_that_can_be_asked_for_has_a_name():
    for name in ALL:
        assert learner_name(name) != name or name in ("popularity", "mixture", "reptile")
    assert learner_name("ease_wide") == "EASE (wide)"
    assert learner_name("mixture+own") == "mixture + buy again"
    assert learner_name("somebody's") == "somebody's"
