"""Pictures of every kind of page of the panel for docs/images, and what is wrong with each.

    python -m tests.e2e.screens http://127.0.0.1:8000 --password ... [--only dashboard,whatif]

It follows the panel's links as a member of the staff and writes <page>-<width>-<light or dark>.webp. A page that logs
an error, breaks its policy, answers with one or scrolls sideways is told, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from tests.e2e.conftest import CHROMIUM_FLAGS, ROOT, chromium
from tests.e2e.panel import kinds_of_pages, log_in, overflow, watched

WIDTHS = (1280, 390)
SCHEMES = ("light", "dark")
MOST_HIGH = 2_400
QUALITY = 70  # of 100: text stays sharp, and a picture has some 60 kB


def main() -> int:
    asked = _arguments()
    asked.out.mkdir(parents=True, exist_ok=True)
    problems: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)
        pages: list[tuple[str, str]] = []
        for width in WIDTHS:
            for scheme in SCHEMES:
                problems += _look(browser, asked, width, scheme, pages)
        browser.close()
    print("\n".join(problems) or f"{len(pages)} kinds of pages, each as it should be")
    return 1 if problems else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--user", default="staff")
    parser.add_argument("--password", required=True)
    parser.add_argument("--locale", default="en")
    parser.add_argument(
        "--only", type=lambda names: set(names.split(",")), default=None, help="names of pages"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "admin")
    return parser.parse_args()


def _look(
    browser: Browser, asked: argparse.Namespace, width: int, scheme: str, pages: list[tuple[str, str]]
) -> list[str]:
    context = browser.new_context(
        base_url=asked.url,
        locale=asked.locale,
        viewport={"width": width, "height": 900},
        color_scheme=scheme,  # type: ignore[arg-type]
        reduced_motion="reduce",
    )
    page = context.new_page()
    log_in(page, asked.user, asked.password)
    if not pages:
        pages += [each for each in kinds_of_pages(page) if asked.only is None or each[0] in asked.only]
    complaints = watched(page)
    problems = []
    for name, address in pages:
        complaints.clear()
        page.goto(address)
        page.wait_for_load_state("networkidle")
        found = [*complaints, *overflow(page)]
        problems += [f"{name} at {width} px, {scheme}: {each}" for each in found]
        high = min(page.evaluate("document.documentElement.scrollHeight"), MOST_HIGH)
        taken = page.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": width, "height": high})
        (asked.out / f"{name}-{width}-{scheme}.webp").write_bytes(_small(taken))
    context.close()
    return problems


def _small(picture: bytes) -> bytes:
    written = io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("RGB").save(written, "WEBP", quality=QUALITY, method=6)
    return written.getvalue()


if __name__ == "__main__":
    sys.exit(main())
