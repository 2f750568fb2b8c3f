"""Every local link and picture of the README and the docs leads to a file of the repository."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_local_links_resolve(page):
    broken = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert broken == []


def test_the_readme_has_its_picture_and_its_pages():
    links = set(LINK.findall(PAGES[0].read_text()))
    assert {"docs/images/home-after-clicks.png", "docs/quickstart.md", "docs/benchmarks.md"} <= links
