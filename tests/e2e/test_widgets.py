"""Lists and their controls in Chromium: with JavaScript and without, under the site's policy, heard as well as seen."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe

pytestmark = pytest.mark.browser

HOME = "[data-metarec-placement=home]"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@pytest.fixture(params=[True, False], ids=["javascript", "plain"])
def scripts(request) -> bool:
    return request.param


@pytest.fixture
def page(browser, shop, scripts):
    """A visitor who allowed everything; whatever breaks the policy or throws fails the test."""
    context = browser.new_context(
        base_url=shop.url, viewport={"width": 1280, "height": 900}, java_script_enabled=scripts
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto("/")
    page.get_by_role("button", name="Accept all").click()
    page.wait_for_load_state()
    yield page
    assert [text for text in complaints if "status of 404" not in text] == []
    context.close()


def keys(page, selector: str = HOME) -> list[str]:
    return page.locator(f"{selector} [data-metarec-slate]").evaluate_all(
        "nodes => nodes.map(node => node.dataset.metarecProduct)"
    )


def open_product(page, place: int = 0) -> str:
    """Open a product of the home list and wait until the view is recorded."""
    page.goto("/")
    link = page.locator(f"{HOME} a.metarec-link").nth(place)
    key = link.get_attribute("data-metarec-product")
    page.goto(link.get_attribute("href"))
    page.wait_for_load_state("networkidle")
    return key


def test_why_this_opens_by_the_keyboard(page):
    why = page.locator(f"{HOME} .metarec-why").first
    summary = why.locator("summary")
    summary.focus()
    page.keyboard.press("Enter")
    assert why.get_attribute("open") is not None
    assert why.locator("p").is_visible()
    assert why.locator("p").inner_text().strip()


def test_what_is_not_wanted_goes_and_can_come_back(page, scripts):
    [first, *_] = keys(page)
    page.locator(f"{HOME} .metarec-dislike button").first.click()
    if scripts:
        undo = page.get_by_role("button", name="Undo")
        undo.wait_for()
        assert undo.evaluate("node => node === document.activeElement")
        live = page.locator("[role=status].metarec-hidden")
        page.wait_for_function(
            "node => node.textContent.includes('not see this product')", arg=live.element_handle()
        )
        assert first not in keys(page)
        undo.click()
        page.locator(f"{HOME} [data-metarec-product='{first}']").wait_for()
        page.reload()
        assert first in keys(page)
        return
    page.wait_for_load_state()
    assert page.url.endswith("/")
    assert page.get_by_text("You will not see this product here again.").is_visible()
    assert first not in keys(page)
    page.goto("/metarec/your-recommendations/")
    page.get_by_role("button", name="Show again").click()
    page.goto("/")
    assert first in keys(page)


def test_a_product_goes_into_the_basket_from_its_card(page, scripts):
    page.locator(f"{HOME} form[data-metarec-add] button").first.click()
    if scripts:
        page.wait_for_function(
            "() => document.querySelector('[data-metarec-basket-count]').textContent === '1'"
        )
        page.wait_for_function(
            "() => document.querySelector('[role=status].metarec-hidden').textContent.includes('basket')"
        )
    else:
        page.wait_for_load_state()
        assert page.locator("[data-metarec-basket-count]").inner_text() == "1"
    page.goto("/basket/")
    assert page.locator(".line").count() == 1


def test_a_quick_view_is_a_dialog_or_the_page_itself(page, scripts):
    link = page.locator(f"{HOME} a[data-metarec-quick]").first
    address = link.get_attribute("href")
    link.click()
    if not scripts:
        page.wait_for_load_state()
        assert page.url.endswith(address)
        return
    dialog = page.get_by_role("dialog")
    dialog.wait_for()
    assert dialog.get_attribute("aria-label") == dialog.locator("h1").inner_text()
    dialog.get_by_label("Quantity").fill("2")
    dialog.get_by_role("button", name="Add to basket").click()
    said = dialog.get_by_role("status")  # within the dialog: what lies outside is told to nobody now
    said.get_by_text("is in your basket").wait_for()
    assert page.locator("[data-metarec-basket-count]").inner_text() == "2"
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")
    assert link.evaluate("node => node === document.activeElement")


def test_a_late_list_comes_into_its_place_or_is_not_promised(page, scripts):
    looked_at = open_product(page) if scripts else None
    page.goto("/")
    if not scripts:
        assert not page.locator(".metarec-waiting").is_visible()
        return
    page.evaluate("""() => {
        window.moved = 0;
        new PerformanceObserver((list) => {
            for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.moved += entry.value;
        }).observe({ type: "layout-shift" });
    }""")
    page.locator("[data-metarec-late]").scroll_into_view_if_needed()
    late = page.locator("[data-metarec-placement=recent] [data-metarec-product]")
    late.first.wait_for()
    assert late.first.get_attribute("data-metarec-product") == looked_at
    assert page.locator("[data-metarec-late]").count() == 0
    assert page.evaluate("window.moved") < 0.1  # what a browser calls good


def test_pausing_and_forgetting(page, scripts):
    if scripts:
        open_product(page)
        page.goto("/")
        assert page.locator(HOME).get_attribute("data-metarec-stage") == "adapted"
    page.goto("/metarec/your-recommendations/")
    page.get_by_role("button", name="Pause personal recommendations").click()
    assert page.get_by_text("paused in this browser").is_visible()
    page.goto("/")
    assert page.locator(HOME).get_attribute("data-metarec-stage") == "popular"
    page.goto("/metarec/your-recommendations/")
    page.get_by_role("button", name="Go on with personal recommendations").click()
    page.get_by_label("I am sure").check()
    page.get_by_role("button", name="Forget what is known of me").click()
    assert page.get_by_role("heading", name="Forgotten").is_visible()
    assert page.get_by_text("Nothing yet.").is_visible()


@pytest.mark.parametrize("scripts", [True], ids=["javascript"])
@pytest.mark.parametrize("width", [1280, 390])
def test_no_page_has_what_axe_calls_an_error_or_scrolls_sideways(page, shop, width):
    page.set_viewport_size({"width": width, "height": 900})
    open_product(page)
    product = page.url
    category = page.locator(".crumbs a").last.get_attribute("href")
    own = "/metarec/your-recommendations/"
    for path in ("/", product, category, "/search/?q=milk", "/search/?q=zebrax", "/new/", "/basket/", own):
        page.goto(path)
        page.wait_for_load_state("networkidle")
        for why in page.locator(".metarec-why summary").all()[:1]:
            why.click()
        found = Axe().run(page, options={"runOnly": WCAG}).response["violations"]
        assert [(path, each["id"], each["nodes"][0]["html"]) for each in found] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
