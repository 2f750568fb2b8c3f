"""What a shopper sees in Chromium: the list turns with clicks, follows a login, and never shows what is gone."""

from __future__ import annotations

import re
import uuid

import pytest

pytestmark = pytest.mark.browser

HOME_LINKS = "[data-metarec-placement=home] a[data-metarec-slate]"


def listed(page, selector: str = HOME_LINKS) -> list[str]:
    """The product pages that a list links to, in order, each once."""
    links = page.locator(selector).evaluate_all("nodes => nodes.map(node => new URL(node.href).pathname)")
    return list(dict.fromkeys(links))


def look_at(page, path: str) -> None:
    """Open a product page and wait until the beacon's view is acknowledged."""
    with page.expect_response(lambda r: "/beacon/" in r.url and r.request.method == "POST") as answer:
        page.goto(path)
    assert answer.value.status in (202, 204), answer.value.text()


def accept_all(page) -> None:
    page.goto("/")
    page.get_by_role("button", name=re.compile("accept all|allow all|accept full", re.I)).click()
    page.wait_for_load_state()


def two_from_one_shelf(page) -> list[str]:
    """Two product pages of the first department's listing."""
    page.goto("/")
    department = page.locator("a[href*='/department']").first.get_attribute("href")
    page.goto(department)
    links = page.locator("main a[href*='/product']").evaluate_all(
        "nodes => nodes.map(node => new URL(node.href).pathname)"
    )
    return list(dict.fromkeys(links))[:2]


def register(page) -> str:
    name = f"shopper-{uuid.uuid4().hex[:10]}"
    page.goto("/register/")
    page.fill("[name=username]", name)
    for field in ("password1", "password2"):
        page.fill(f"[name={field}]", "correct horse battery")
    page.locator("main form button[type=submit]").first.click()
    page.wait_for_load_state()
    return name


def test_two_clicks_of_an_anonymous_visitor_turn_the_home_list(page):
    page.goto("/")
    before = listed(page)
    assert len(before) >= 8
    for path in two_from_one_shelf(page):
        look_at(page, path)
    page.goto("/")
    after = listed(page)
    assert len(after) >= 8
    assert len(set(after) - set(before)) >= 2, "the list is the one a newcomer sees"


def test_without_consent_the_list_stays_the_popular_one(page):
    page.goto("/")
    page.get_by_role("button", name=re.compile("none|reject|no personal", re.I)).click()
    page.wait_for_load_state()
    page.goto("/")
    before = listed(page)
    for path in two_from_one_shelf(page):
        page.goto(path)
        page.wait_for_load_state("networkidle")
    page.goto("/")
    assert listed(page) == before


def test_a_visitors_events_follow_into_the_account(page, shop):
    accept_all(page)
    first, second = two_from_one_shelf(page)
    look_at(page, first)
    look_at(page, second)
    page.goto("/")
    adapted = listed(page)
    name = register(page)
    [(user,)] = shop.execute("SELECT id FROM auth_user WHERE username = ?", name)
    rows = shop.execute("SELECT kind FROM metarec_event WHERE subject = ?", f"user:{user}")
    assert [kind for (kind,) in rows].count("view") == 2
    page.goto("/")
    assert listed(page) == adapted


def test_a_product_that_sold_out_disappears_at_once(page, shop):
    page.goto("/")
    first = listed(page)[0]
    key = re.search(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", first)[0].replace(
        "-", ""
    )
    [(stock,)] = shop.execute("SELECT stock FROM shop_product WHERE id = ?", key)
    shop.execute("UPDATE shop_product SET stock = 0 WHERE id = ?", key)
    try:
        page.goto("/")
        after = listed(page)
        assert first not in after
        assert len(after) >= 8, "the gap is filled"
    finally:
        shop.execute("UPDATE shop_product SET stock = ? WHERE id = ?", stock, key)


def test_without_javascript_the_page_still_shows_recommendations(browser, shop):
    context = browser.new_context(base_url=shop.url, java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto("/")
        assert page.locator(HOME_LINKS).count() >= 8
    finally:
        context.close()


def test_no_page_breaks_its_content_security_policy(page):
    complaints = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    for path in ("/", two_from_one_shelf(page)[0], "/basket/", "/search/?q=milk"):
        policy = page.goto(path).headers.get("content-security-policy", "")
        assert "script-src 'self'" in policy
        page.wait_for_load_state("networkidle")
    assert complaints == []
