"""The panel in Chromium: five questions, each answered in at most three clicks after the login; runs; every page."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.e2e.conftest import OWNER, PASSWORD, ROOT, VIEWER, environment_of
from tests.e2e.panel import kinds_of_pages, log_in, overflow, watched

pytestmark = pytest.mark.browser

MOST_CLICKS = 3
WCAG = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
CONTRAST = {"type": "rule", "values": ["color-contrast"]}
# Django's own, the same on all its pages; and of a long table the rows after a dozen, written by the same lines.
FRAME = {"exclude": [["#header"], [".breadcrumbs"], ["#nav-sidebar"], ["tbody tr:nth-child(n + 13)"]]}
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 900}
RELOAD_SECONDS = 2  # METAREC's default: how long a web process may serve the version of before


@dataclass
class Walk:
    """A page that counts how often it was clicked."""

    page: object
    complaints: list[str]
    clicks: int = 0

    def click(self, locator) -> None:
        self.clicks += 1
        locator.click()
        self.page.wait_for_load_state()


@pytest.fixture(scope="module")
def logged_in(browser, panel):
    """The owner's cookies after the login."""
    context = browser.new_context(base_url=panel.url)
    log_in(context.new_page(), OWNER, PASSWORD)
    yield context.storage_state()
    context.close()


@pytest.fixture
def walk(browser, panel, logged_in):
    """The owner on the admin's first page; whatever breaks the policy, throws or fails fails the test."""
    context = browser.new_context(base_url=panel.url, storage_state=logged_in, viewport=DESK)
    page = context.new_page()
    complaints = watched(page)
    page.goto("/admin/")
    yield Walk(page, complaints)
    assert not complaints, "\n".join(complaints)
    context.close()


def open_page(walk, name: str) -> None:
    walk.click(walk.page.locator("#content-main").get_by_role("link", name=name, exact=True).first)


def card(page, heading: str):
    return page.get_by_role("region", name=heading, exact=True)


def serving(panel) -> tuple[str, str]:
    [row] = panel.execute("SELECT id, learner FROM metarec_modelversion WHERE is_current")
    return row


def test_is_it_working(walk):
    open_page(walk, "Dashboard")
    answer = card(walk.page, "Is it working?").locator("p").first
    assert answer.locator(".metarec-badge").inner_text() in {"good", "look", "act now"}
    assert re.search(r"\b(Yes|No)\b", answer.inner_text())
    assert walk.clicks <= MOST_CLICKS


def test_is_it_better_than_before(walk):
    open_page(walk, "Dashboard")
    answer = card(walk.page, "Is it better than before?")
    assert answer.locator(".metarec-badge").first.inner_text() in {"better", "worse", "not known"}
    # So small a store cannot tell, and how much is missing is said; a larger one is told by how much, and how surely.
    assert re.search(
        r"on \d+ shoppers only, and \d+ are needed|[-+]\d+ % \[[-+]\d+, [-+]\d+\]", answer.inner_text()
    )
    assert walk.clicks <= MOST_CLICKS


def test_what_will_this_shopper_see_and_why(walk):
    open_page(walk, "What-if bench")
    chip = walk.page.locator("a.metarec-chip").first
    name = chip.inner_text()
    walk.click(chip)
    assert name in walk.page.locator(".metarec-chosen").first.inner_text()
    entries = walk.page.locator(".metarec-column").first.locator(".metarec-entry")
    assert entries.count() == 10
    title = entries.first.locator("b").inner_text()
    walk.click(entries.first.get_by_role("link", name=re.compile("^Why")))
    why = walk.page.locator("#why")
    assert f"Why “{title}” is number 1" in why.inner_text()
    assert re.search(r"place 1 of \d+", why.inner_text())
    assert walk.clicks <= MOST_CLICKS


def test_what_should_i_do_next(walk):
    open_page(walk, "Dashboard")
    answer = card(walk.page, "What should I do next?")
    advice = answer.locator("li")
    assert advice.count() >= 1  # no worker is there, to say the least
    for each in advice.all():
        assert each.locator("p").first.inner_text().strip()
        assert each.locator("pre, a").count() >= 1, "it says what to do, not how"
    assert walk.clicks <= MOST_CLICKS


def test_can_i_undo_it(walk, panel):
    page, (former, learner) = walk.page, serving(panel)
    [(mistake,)] = panel.execute("SELECT id FROM metarec_modelversion WHERE learner = 'popularity'")
    promote(page, mistake)
    page.goto("/admin/")
    open_page(walk, "Model versions")
    walk.click(page.get_by_role("link", name="Roll back"))
    walk.click(page.get_by_role("button", name="Roll back"))
    assert walk.clicks <= MOST_CLICKS
    assert serving(panel) == (former, learner)
    assert "Rolled back" in page.locator(".messagelist").inner_text()
    assert shown_by(page, panel) == former
    # And the roll-back itself can be undone.
    promote(page, mistake)
    assert serving(panel) == (mistake, "popularity")
    promote(page, former)
    assert serving(panel) == (former, learner)


def promote(page, version: str) -> None:
    page.goto(f"/admin/metarec/modelversion/{uuid.UUID(version)}/promote/")
    page.get_by_role("button", name="Promote").click()
    page.wait_for_load_state()


def shown_by(page, panel) -> str:
    """The version that made what the shop shows, once its processes had the time to look."""
    visitor = page.context.browser.new_context(base_url=panel.url)
    shop = visitor.new_page()
    shop.goto("/")
    shop.get_by_role("button", name="Accept all").click()
    shop.wait_for_load_state()
    before, until = serving(panel)[0], time.monotonic() + 4 * RELOAD_SECONDS
    while True:
        shop.goto("/")
        [(version,)] = panel.execute(
            "SELECT version FROM metarec_impression WHERE placement = 'home' ORDER BY id DESC LIMIT 1"
        )
        if version == before or time.monotonic() > until:
            visitor.close()
            return version
        shop.wait_for_timeout(200)


def test_a_run_is_started_seen_moving_and_cancelled(walk, panel):
    page = walk.page
    open_page(walk, "Training runs")
    walk.click(page.get_by_role("link", name="Start a run"))
    page.get_by_label(re.compile("last … days")).fill("60")
    walk.click(page.get_by_role("button", name="Start the run"))
    status = page.locator("[data-part=status]")
    assert "No worker reads the queue metarec.gpu" in status.inner_text()
    commands = status.locator("code").all_inner_texts()
    assert any("celery" in each and "metarec.gpu" in each for each in commands)
    [here] = [each for each in commands if "manage.py" in each]
    page.evaluate("window.neverLoadedAgain = true")
    worker = subprocess.Popen(
        [sys.executable, *here.split()[1:]], cwd=ROOT, env=environment_of(panel.database.parent),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        page.wait_for_function(
            "() => Number(document.querySelector('[data-part=status] progress')?.value) > 0", timeout=60_000
        )
        page.locator("[data-part=actions] summary").click()
        page.evaluate("window.neverLoadedAgain")
        page.get_by_role("button", name="Yes, cancel it").click()
        page.wait_for_function(
            "() => document.querySelector('[data-metarec-run]').dataset.state.includes('cancelled')",
            timeout=60_000,
        )
        assert "cancelled it at" in status.inner_text()
        assert page.get_by_role("button", name="Resume the run").is_visible()
    finally:
        worker.wait(120)


def test_a_viewer_sees_and_can_do_nothing(browser, panel):
    context = browser.new_context(base_url=panel.url)
    page = context.new_page()
    log_in(page, VIEWER, PASSWORD)
    page.goto("/admin/metarec/modelversion/")
    assert page.get_by_role("heading", name="Served now").is_visible()
    assert page.get_by_role("link", name="Roll back").count() == 0
    assert page.goto("/admin/metarec/modelversion/roll-back/").status == 403
    page.goto("/admin/metarec/trainingrun/")
    assert page.get_by_role("link", name="Start a run").count() == 0
    assert page.goto("/admin/metarec/trainingrun/add/").status == 403
    context.close()


def test_every_page_is_heard_read_and_fits_in_light_and_in_dark(walk):
    """axe finds nothing serious, colours have contrast in both schemes, and nothing scrolls sideways on a phone.

    Each page is loaded once. The scheme is turned as the admin's own button turns it; the system's choice of the dark
    one is another way into the same colours, tried on the dashboard.
    """
    page, found, seen = walk.page, [], []
    page.set_viewport_size(PHONE)
    for name, _address in kinds_of_pages(page):
        seen.append(name)
        found += [(name, "390 px", each) for each in overflow(page)]
        found += [(name, each) for each in walk.complaints]
        if name == "dashboard":
            found += [(name, "390 px", *each) for each in serious(page, light=WCAG)]
            page.emulate_media(color_scheme="dark")
            found += [(name, "system", *each) for each in serious(page, auto=CONTRAST)]
            page.emulate_media(color_scheme="light")
        if name == "subject":
            keys = page.locator("th a.metarec-code")
            tall = keys.evaluate_all("(all) => all.filter((each) => each.offsetHeight > 60).length")
            assert (keys.count() > 0, tall) == (True, 0), "keys are broken letter by letter"
        page.set_viewport_size(DESK)
        if name == "dashboard":
            rows = page.locator(".metarec-tabs li").evaluate_all("(all) => all.map((each) => each.offsetTop)")
            assert (len(rows), len(set(rows))) == (12, 1), "the tabs need a second row"
        found += [(name, *each) for each in serious(page, light=WCAG, dark=CONTRAST)]
        page.set_viewport_size(PHONE)
        walk.complaints.clear()  # axe copies elements with their styles, which the policy refuses to it
    assert not found, "\n".join(map(str, found))
    assert {"dashboard", "whatif-asked", "modelversion-change", "subject-one", "trainingrun-change"} <= set(
        seen
    )
    assert len(seen) > 25


def serious(page, **rules: dict) -> list[tuple[str, str, str]]:
    """What axe calls serious or critical: its rules by the scheme in which they are run, one after the other."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    found = page.evaluate(
        """async ([frame, rules]) => {
            const found = [], theme = document.documentElement.dataset.theme;
            for (const [scheme, only] of Object.entries(rules)) {
                document.documentElement.dataset.theme = scheme;
                // The admin's colours fade from one scheme into the other.
                document.getAnimations().forEach((each) => each.finish());
                // Without preloading: axe would fetch every style sheet again, for a rule on turned screens alone.
                const options = { runOnly: only, resultTypes: ["violations"], preload: false };
                const { violations } = await axe.run(frame, options);
                for (const each of violations.filter(({ impact }) => ["serious", "critical"].includes(impact)))
                    for (const node of each.nodes.slice(0, 3)) found.push([scheme, each.id, node.html.slice(0, 200)]);
            }
            document.documentElement.dataset.theme = theme;
            return found;
        }""",
        [FRAME, rules],
    )
    return [tuple(each) for each in found]


def test_in_chinese_the_dashboard_speaks_chinese(browser, panel, logged_in):
    context = browser.new_context(base_url=panel.url, locale="zh-CN", storage_state=logged_in)
    page = context.new_page()
    page.goto("/admin/metarec/dashboard/")
    assert page.locator("html").get_attribute("lang") == "zh-hans"
    said = page.locator("#content h1, #content h2, .metarec-tabs a").all_inner_texts()
    assert len(said) > 12
    assert [each for each in said if not re.search("[\u4e00-\u9fff]", each)] == []
    context.close()
