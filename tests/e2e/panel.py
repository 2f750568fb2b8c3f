"""The admin panel as somebody finds it: logging in, and every kind of page that a link leads to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

ROOT = "/admin/metarec/"
FILES = re.compile(r"csv|export|download|\.json|\.html$")  # what a browser saves, or another program reads
OWN = ("whatif",)  # pages that are another page with a question in their address
# A key in an address: a number, a UUID, or whatever the admin quotes (`_3A` for a colon).
_KEY = re.compile(r"\d+|[0-9a-f-]{32,36}|.*(:|_3A|%3A).*", re.IGNORECASE)

# Where links lead, and forms that ask to choose one of each column, such as two versions: the first of the first, the
# second of the second.
_LINKS = """() => {
    const links = [...document.querySelectorAll("a[href]")].map((node) => new URL(node.href));
    for (const form of document.querySelectorAll("form[method=get]:has([type=radio])")) {
        const url = new URL(form.action);
        const names = [...new Set([...form.querySelectorAll("[type=radio]")].map((node) => node.name))];
        names.forEach((name, place) => {
            const choices = form.querySelectorAll(`[type=radio][name=${name}]`);
            url.searchParams.set(name, (choices[place] ?? choices[0]).value);
        });
        links.push(url);
    }
    return links.filter((url) => url.host === location.host).map((url) => url.pathname + url.search);
}"""


def log_in(page: Any, user: str, password: str) -> None:
    page.goto("/admin/login/?next=/admin/")
    page.get_by_label(re.compile("username|用户名", re.I)).fill(user)
    page.locator("[name=password]").fill(password)
    page.locator("[type=submit]").click()
    page.wait_for_url("**/admin/")


def name_of(address: str) -> str:
    """What kind of page an address is of: its path without keys, and whether it asks something."""
    parts = urlsplit(address)
    words = [word for word in parts.path.removeprefix(ROOT).split("/") if word]
    if words[-1:] == ["history"]:
        return "history"  # the admin's own page, the same for all
    if "of" in words:
        words = words[: words.index("of") + 1]  # a name follows
    named = [word for word in words if not _KEY.fullmatch(word)]
    if words and words[-1] != named[-1]:
        named.append("one")
    if parse_qsl(parts.query) and named[:1] and named[0] in OWN:
        named.append("asked")
    return "-".join(named)


def kinds_of_pages(page: Any, most: int = 80) -> Iterator[tuple[str, str]]:
    """Follow links from the admin's list of the panel; open each kind of page once: its name and address."""
    found = {"start": ROOT}
    waiting = list(found)
    while waiting and len(found) <= most:
        name = waiting.pop(0)
        page.goto(found[name])
        for link in page.evaluate(_LINKS):
            kind = name_of(link) if link.startswith(ROOT) else ""
            if kind and kind not in found and not FILES.search(link):
                found[kind] = link
                waiting.append(kind)
        yield name, found[name]


def watched(page: Any) -> list[str]:
    """A list that fills with what a page complains of: errors of scripts, of its policy, and of the server."""
    complaints: list[str] = []

    def said(message: Any) -> None:
        # A browser asks for a favicon by itself, and the demo has none.
        if message.type == "error" and "favicon" not in message.location.get("url", ""):
            complaints.append(f"{page.url}: {message.text}")

    page.on("console", said)
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
    page.on(
        "response",
        lambda answer: complaints.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None,
    )
    return complaints


def overflow(page: Any) -> list[str]:
    """Which elements make the page scroll sideways; empty where it does not."""
    return page.evaluate("""() => {
        const width = window.innerWidth;
        if (document.documentElement.scrollWidth <= width) return [];
        const wide = [...document.querySelectorAll('body *')].filter((node) => {
            if (node.getBoundingClientRect().right <= width + 1) return false;
            for (let up = node.parentElement; up; up = up.parentElement)
                if (['auto', 'scroll', 'hidden'].includes(getComputedStyle(up).overflowX)) return false;
            return true;
        });
        const shown = wide.slice(-3).map((node) => node.outerHTML.slice(0, 160));
        return [`${document.documentElement.scrollWidth} px wide`, ...shown];
    }""")
