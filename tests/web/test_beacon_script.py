"""beacon.js in Chromium against a server that only writes down what arrives, under a strict policy."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import CHROMIUM_FLAGS, chromium

pytestmark = pytest.mark.browser
SCRIPT = Path(__file__).resolve().parents[2] / "metarec_plugin/static/metarec/beacon.js"
TAG = (
    '<script type="module" src="/beacon.js" data-metarec-beacon data-endpoint="/beacon/" '
    'data-mark="metarec_mark"></script>'
)
PAGES = {
    "/product": '<main data-metarec-product="p1"><a data-metarec-slate="s1" data-metarec-position="3" '
    'data-metarec-product="p2" href="/other">next</a><form data-metarec-basket="p1" action="/other">'
    '<input name="quantity" value="4"><button>add</button></form></main>',
    "/search": '<main data-metarec-query=" rye bread "></main>',
    "/other": "<p>nothing marked</p>",
}


@dataclass
class Recorder:
    """What arrived, and with which status the next posts are answered."""

    url: str = ""
    status: int = 202
    retry_after: str = ""
    new_mark: str = ""  # that the next answer brings
    most_events: int = 100
    sizes: list[int] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for body in self.bodies for event in body["events"]]

    def wait_for(self, kind: str, patience_seconds: float = 10) -> dict[str, Any]:
        deadline = time.monotonic() + patience_seconds
        while time.monotonic() < deadline:
            found = [event for event in self.events if event["kind"] == kind]
            if found:
                return found[-1]
            time.sleep(0.02)
        raise AssertionError(f"no {kind} among {self.events}")


@pytest.fixture
def server() -> Iterator[Recorder]:
    recorder = Recorder()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = PAGES.get(self.path.split("?")[0])
            script = self.path == "/beacon.js"
            self.send_response(200 if page or script else 404)
            self.send_header("Content-Type", "text/javascript" if script else "text/html")
            self.send_header(
                "Content-Security-Policy", "default-src 'none'; script-src 'self'; connect-src 'self'"
            )
            self.end_headers()
            if script:
                self.wfile.write(SCRIPT.read_bytes())
            elif page:
                self.wfile.write(f"<!doctype html><title>t</title>{page}{TAG}".encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            recorder.sizes.append(len(body))
            read = json.loads(body)
            unread = len(read["events"]) > recorder.most_events
            if not unread:
                recorder.bodies.append(read)
            self.send_response(400 if unread else recorder.status)
            if recorder.new_mark:
                self.send_header("Set-Cookie", f"metarec_mark={recorder.new_mark}; Path=/")
                self.send_header("Metarec-Turn", "new")
                recorder.new_mark = ""
            if recorder.retry_after:
                self.send_header("Retry-After", recorder.retry_after)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    recorder.url = f"http://127.0.0.1:{running.server_port}"
    yield recorder
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    executable = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any, server: Recorder) -> Iterator[Any]:
    context = browser.new_context(base_url=server.url)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: complaints.append(message.text) if "Content Security" in message.text else None,
    )
    yield page
    context.close()
    assert complaints == []


def unsent(page: Any) -> list[dict[str, Any]]:
    return json.loads(page.evaluate("localStorage.getItem('metarec.unsent') ?? '[]'"))


def wait_until(page: Any, expression: str) -> None:
    """Playwright's own wait evaluates text in the page, which the policy forbids."""
    for _ in range(200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never true: {expression}")


def wait_until_all_is_sent(page: Any) -> None:
    wait_until(page, "localStorage.getItem('metarec.unsent') === null")


def leave_waiting(page: Any, events: int, query: str = "rye") -> list[str]:
    """As a browser has them that could not send them; returns their ids, the oldest first."""
    return page.evaluate(
        """([n, query]) => {
            const events = Array.from({ length: n }, () => (
                { id: crypto.randomUUID(), kind: "search", at: Date.now(), mark: "", query }));
            localStorage.setItem("metarec.unsent", JSON.stringify(events));
            return events.map((event) => event.id);
        }""",
        [events, query],
    )


def test_a_product_page_reports_a_view_and_the_time_spent(page: Any, server: Recorder) -> None:
    page.goto("/product")
    view = server.wait_for("view")
    assert view["product"] == "p1"
    assert len(view["id"]) == 36
    page.wait_for_timeout(1_200)
    page.goto("/other")
    dwell = server.wait_for("dwell")
    assert dwell["product"] == "p1"
    assert 1 <= dwell["value"] < 10
    assert dwell["id"] != view["id"]
    wait_until_all_is_sent(page)


def test_a_search_page_reports_the_query(page: Any, server: Recorder) -> None:
    page.goto("/search")
    assert server.wait_for("search")["query"] == "rye bread"


def test_a_click_on_a_list_reports_slate_and_position_though_the_page_is_left(
    page: Any, server: Recorder
) -> None:
    page.goto("/product")
    page.click("a")
    page.wait_for_url("**/other")
    click = server.wait_for("click")
    assert (click["product"], click["slate"], click["position"]) == ("p2", "s1", 3)


def test_a_page_opened_from_an_email_reports_the_click_once(page: Any, server: Recorder) -> None:
    page.goto("/product?a=1#metarec=1.ab:x-Y_z:s~2")
    event = server.wait_for("click")
    assert (event["product"], event["slate"], event["position"]) == ("p1", "1.ab:x-Y_z:s", 2)
    assert page.url == f"{server.url}/product?a=1"
    page.reload()
    page.goto("/other#metarec=1.ab:x:s~2")
    page.goto("/search#reviews")
    server.wait_for("search")
    assert len({each["id"] for each in server.events if each["kind"] == "click"}) == 1
    assert page.url.endswith("#reviews"), "the page's own"


def test_a_basket_form_reports_product_and_quantity(page: Any, server: Recorder) -> None:
    page.goto("/product")
    page.click("button")
    page.wait_for_url("**/other*")
    basket = server.wait_for("basket")
    assert (basket["product"], basket["quantity"]) == ("p1", 4)


def test_an_unmarked_page_reports_nothing(page: Any, server: Recorder) -> None:
    page.goto("/other")
    page.wait_for_timeout(300)
    assert server.bodies == []


def test_what_could_not_be_stored_is_sent_again_under_its_id(page: Any, server: Recorder) -> None:
    server.status, server.retry_after = 503, "1"
    page.goto("/product")
    view = server.wait_for("view")
    page.wait_for_timeout(200)
    assert [event["id"] for event in unsent(page)] == [view["id"]]
    server.status = 202
    server.bodies.clear()
    page.goto("/search")
    server.wait_for("search")
    assert [event["id"] for event in server.events if event["kind"] == "view"] == [view["id"]]
    page.wait_for_timeout(200)
    assert unsent(page) == []


@pytest.mark.parametrize("status", [503, 429])
def test_a_busy_server_is_left_alone_for_as_long_as_it_asks_and_then_asked_again(
    status: int, page: Any, server: Recorder
) -> None:
    server.status, server.retry_after = status, "2"
    page.goto("/product")
    first = server.wait_for("view")
    wait_until(page, "localStorage.getItem('metarec.retry-at') !== null")
    server.bodies.clear()
    page.goto("/search")
    page.wait_for_timeout(600)
    assert server.bodies == [], "another page does not ask either"
    server.status = 202
    assert server.wait_for("search")["query"] == "rye bread"
    assert first["id"] in {event["id"] for event in server.events}
    wait_until_all_is_sent(page)


def test_what_a_page_handed_over_is_sent_again_until_it_is_known_to_be_stored(
    page: Any, server: Recorder
) -> None:
    page.goto("/product")
    server.wait_for("view")
    wait_until_all_is_sent(page)
    server.status = 503  # what is sent by a page that goes away has no answer
    page.click("button")
    basket = server.wait_for("basket")
    page.wait_for_url("**/other*")
    page.wait_for_timeout(300)
    assert basket["id"] in [event["id"] for event in unsent(page)]
    server.status = 202
    server.bodies.clear()
    page.evaluate("localStorage.removeItem('metarec.retry-at')")
    page.goto("/other")
    assert server.wait_for("basket")["id"] == basket["id"]
    wait_until_all_is_sent(page)


def test_much_that_waited_goes_in_several_bodies_that_the_server_takes(page: Any, server: Recorder) -> None:
    page.goto("/other")
    waited = leave_waiting(page, 100, "\u9ea6" * 200 + "r" * 1_000)
    page.goto("/other")
    wait_until_all_is_sent(page)
    assert [event["id"] for event in server.events] == waited
    assert len(server.bodies) >= 3
    assert max(server.sizes) <= 60_000
    assert sum(server.sizes) > 100_000


def test_a_server_that_takes_fewer_events_gets_fewer(page: Any, server: Recorder) -> None:
    server.most_events = 7
    page.goto("/other")
    waited = leave_waiting(page, 30)
    page.goto("/other")
    wait_until_all_is_sent(page)
    assert [event["id"] for event in server.events] == waited


def test_with_global_privacy_control_nothing_is_kept_in_the_browser(page: Any, server: Recorder) -> None:
    page.goto("/other")
    leave_waiting(page, 3)
    page.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', { value: true })")
    server.status, server.retry_after = 503, "1"
    page.goto("/product")
    view = server.wait_for("view")
    assert unsent(page) == []
    server.status = 202
    server.bodies.clear()
    assert server.wait_for("view")["id"] == view["id"], "as long as the page is there it is sent again"
    assert page.evaluate("localStorage.length") == 0


def set_mark(page: Any, server: Recorder, mark: str) -> None:
    """As the answer to a login, a logout or "forget me" does."""
    page.context.add_cookies([{"name": "metarec_mark", "value": mark, "url": server.url}])


@pytest.mark.parametrize("before", ["", "anns"])
def test_what_waits_from_before_a_logout_is_dropped_also_in_another_tab(
    before: str, page: Any, server: Recorder
) -> None:
    if before:
        set_mark(page, server, before)
    server.status = 503  # nothing that Ann does is acknowledged
    page.goto("/product")
    server.wait_for("view")
    page.click("button")  # a form that leads on, as that of a logout does
    page.wait_for_url("**/other*")
    assert {event["kind"] for event in unsent(page)} >= {"view", "basket"}
    assert all("mark" not in event for event in server.events), "it stays in the browser"
    other_tab = page.context.new_page()
    other_tab.goto("/product")
    other_tab.wait_for_timeout(1_200)
    set_mark(page, server, "the-next-person")
    server.status = 202
    server.bodies.clear()
    page.evaluate("localStorage.removeItem('metarec.retry-at')")
    other_tab.goto("/other")
    page.goto("/search")
    assert server.wait_for("search")["query"] == "rye bread"
    wait_until_all_is_sent(page)
    page.wait_for_timeout(300)
    assert {event["kind"] for event in server.events} == {"search"}


@pytest.mark.parametrize("status", [202, 204])
def test_a_page_whose_first_report_begins_a_turn_goes_on_reporting(
    status: int, page: Any, server: Recorder
) -> None:
    set_mark(page, server, "a-session-that-ran-out")
    server.status = 503
    page.goto("/search")
    server.wait_for("search")
    page.evaluate("localStorage.removeItem('metarec.retry-at')")
    server.bodies.clear()
    server.status, server.new_mark = status, "the-next-person"
    page.goto("/product")
    wait_until(page, "document.cookie.includes('the-next-person')")
    wait_until_all_is_sent(page)
    page.click("a")
    server.wait_for("click")
    views = [event["id"] for event in server.events if event["kind"] == "view"]
    assert (len(views), len(set(views))) == (2, 1), "the server knows it by its id"
    assert [event["kind"] for event in server.events].count("search") == 1, "of before: not sent again"


def test_what_the_server_refuses_is_not_sent_again(page: Any, server: Recorder) -> None:
    server.status = 400
    page.goto("/product")
    server.wait_for("view")
    page.wait_for_timeout(200)
    assert unsent(page) == []


def test_spoilt_storage_does_not_stop_the_report(page: Any, server: Recorder) -> None:
    page.goto("/other")
    page.evaluate("localStorage.setItem('metarec.unsent', '{not json')")
    page.goto("/product")
    assert server.wait_for("view")["product"] == "p1"
