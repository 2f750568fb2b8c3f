"""client.js and the page of Swagger UI in Chromium, under the shop's strict policy, against the API itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from metarec_plugin.models import ApiKey
from tests.e2e.conftest import CHROMIUM_FLAGS, chromium
from tests.storefronts.factories import make_product

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

WAY = """
async ([base, key, product]) => {
  const { MetaRec, ApiError } = await import("/static/metarec/client.js");
  const metarec = new MetaRec({ base, key, retries: 0 });
  const found = {};
  if (key) await metarec.become("full");
  const screen = [{ name: "home", size: 3 }, { name: "arrivals", size: 2 }];
  const [home, arrivals] = await metarec.recommendations(screen, { fields: ["key"] });
  found.sizes = [home.entries.length, arrivals.entries.length];
  found.next = (await metarec.next(arrivals.next)).entries.length;
  found.similar = (await metarec.similar(product, { size: 3 })).entries.length;
  await Promise.all([
    metarec.track("click", { product: home.entries[0].key, slate: home.id, position: 0 }),
    metarec.track("view", { product }),
  ]);
  found.results = (await metarec.track("search", { query: "rye" })).map((result) => result.status);
  found.waiting = localStorage.getItem("metarec.api.unsent");
  found.disliked = (await metarec.feedback(product, "not_interested")).changed;
  const exported = await metarec.export();
  found.kinds = exported.events.map((event) => event.kind);
  found.who = (await metarec.profile()).who;
  try {
    await metarec.recommendations(["nowhere"]);
  } catch (error) {
    found.problem = error instanceof ApiError && error.kind;
  }
  found.deleted = (await metarec.forget()).deleted.event;
  found.left = (await metarec.profile()).events;
  return found;
}
"""


@pytest.fixture
def page() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        context = browser.new_context()
        page = context.new_page()
        page.violations = []
        page.on(
            "console",
            lambda message: page.violations.append(message.text) if "Policy" in message.text else None,
        )
        yield page
        browser.close()


@pytest.fixture
def shelf() -> list[str]:
    return [str(make_product().pk) for _ in range(8)]


@pytest.fixture
def key() -> str:
    return ApiKey.issue("page")[1]


@pytest.fixture
def session() -> str:
    client = Client()
    client.force_login(User.objects.create_user("desk", is_staff=True))
    return client.cookies["sessionid"].value


@pytest.mark.parametrize("by", ["key", "session"])
def test_the_client_goes_the_whole_way(
    shelf: list[str], key: str, session: str, live_server: Any, page: Any, by: str
) -> None:
    cookies = [{"name": "shop_consent", "value": "full", "url": live_server.url}]
    if by == "session":
        cookies.append({"name": "sessionid", "value": session, "url": live_server.url})
    page.context.add_cookies(cookies)
    page.goto(f"{live_server.url}/privacy/")  # has a form, so the browser has the CSRF cookie
    base = f"{live_server.url}/api/metarec/v1/"
    found = page.evaluate(WAY, [base, key if by == "key" else "", shelf[0]])
    assert (found["sizes"], found["next"]) == ([3, 2], 2)
    assert found["similar"] == 3
    assert set(found["results"]) <= {"stored", "known"}
    assert found["waiting"] is None or found["waiting"] == "[]"
    assert found["disliked"] is True
    assert sorted(found["kinds"]) == ["click", "dislike", "search", "view"]
    assert found["who"] == ("visitor" if by == "key" else "member")
    assert found["problem"] == "invalid"
    assert (found["deleted"], found["left"]) == (4, 0)
    assert page.violations == []


WAITED = """
async ([base, product, mark]) => {
  const { MetaRec } = await import("/static/metarec/client.js");
  await new MetaRec({ base: "http://127.0.0.1:9/", retries: 0 }).track("view", { product });
  const waited = JSON.parse(localStorage.getItem("metarec.api.unsent")).length;
  if (mark) document.cookie = `metarec_mark=${mark}; path=/`;
  const sent = await new MetaRec({ base, retries: 0 }).flush();
  return [waited, sent.map((result) => result.status)];
}
"""


@pytest.mark.parametrize("mark", ["", "of-the-next-person"])
def test_what_waits_is_sent_by_nobody_else(
    mark: str, shelf: list[str], session: str, live_server: Any, page: Any
) -> None:
    cookies = {"shop_consent": "full", "sessionid": session}
    page.context.add_cookies([{"name": n, "value": v, "url": live_server.url} for n, v in cookies.items()])
    page.goto(f"{live_server.url}/privacy/")
    found = page.evaluate(WAITED, [f"{live_server.url}/api/metarec/v1/", shelf[0], mark])
    assert found == [1, [] if mark else ["stored"]]


def test_the_docs_page_is_drawn_under_a_strict_policy(session: str, live_server: Any, page: Any) -> None:
    page.context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
    page.goto(f"{live_server.url}/api/metarec/v1/docs/")
    page.wait_for_selector("text=Lists for all placements of a page", timeout=20_000)
    assert page.violations == []
