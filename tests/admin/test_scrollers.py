"""What scrolls sideways is reached by keys and named, and is no landmark beside the section of the same name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import metarec_plugin

PAGES = Path(metarec_plugin.__file__).parent / "templates/admin/metarec"
SCROLLERS = {
    str(page.relative_to(PAGES)): re.findall(
        r"<div[^>]*\bmetarec-scroll\b[^>]*>", re.sub(r"{%.*?%}", "", page.read_text())
    )
    for page in sorted(PAGES.rglob("*.html"))
}


@pytest.mark.parametrize("page", [page for page, found in SCROLLERS.items() if found])
def test_a_scroller_is_a_group_with_a_name(page):
    for tag in SCROLLERS[page]:
        assert 'role="group"' in tag
        assert 'tabindex="0"' in tag
        assert re.search(r"\baria-label(ledby)?=", tag)
