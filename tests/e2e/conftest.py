"""A real shop in processes of its own: a small demo store, loaded, synced, trained and served, for Chromium."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]

OWNER, VIEWER, PASSWORD = "owner", "viewer", "correct horse battery"


def chromium() -> str:
    """The system's Chromium. Without one: skip on a developer's machine, fail where CI=true."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    reason = (
        "No Chromium found; `apt-get install chromium` (or your system's package) runs the browser tests."
    )
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass(frozen=True)
class Shop:
    url: str
    database: Path

    def execute(self, sql: str, *values: object) -> list[tuple]:
        """Run one statement on the shop's database, as its own back office would."""
        with sqlite3.connect(self.database, timeout=20) as connection:
            rows = connection.execute(sql, values).fetchall()
        connection.close()
        return rows

    def manage(self, *arguments: str, **environment: str) -> str:
        return manage(self.database.parent, *arguments, **environment)


def environment_of(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "shop.settings",
        "DATABASE_URL": f"sqlite:///{folder / 'shop.sqlite3'}",
        "METAREC_ARTIFACTS": str(folder / "metarec"),
        "OPENBLAS_NUM_THREADS": "1",
        "CELERY_BROKER_URL": "memory://",  # nobody's worker hears of what these tests ask for
    }


def manage(folder: Path, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT, env={**environment_of(folder), **environment}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, f"{' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def store(tmp_path_factory) -> Path:
    """A small demo store, loaded, synced and trained: once, also where several processes run the tests.

    METAREC_E2E_STORE names the folder of one that was made before, for somebody who writes these tests.
    """
    chromium()  # nothing to set up where it cannot be used
    if made := os.environ.get("METAREC_E2E_STORE"):
        return Path(made)
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / "store"
    with (shared / "store.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a process that failed half-way
            folder.mkdir()
            manage(folder, "migrate", "--verbosity", "0")
            manage(folder, "load_demo", "--households", "400")
            manage(folder, "metarec_sync", "--full")
            manage(folder, "metarec_train", "--learners", "closed_form")
            (folder / "ready").touch()
    return folder


@pytest.fixture(scope="session")
def shop(store, tmp_path_factory):
    """The store as shoppers find it."""
    folder = tmp_path_factory.mktemp("shop") / "store"
    shutil.copytree(store, folder)
    with served(folder) as url:
        yield Shop(url, folder / "shop.sqlite3")


@pytest.fixture(scope="session")
def panel(store, tmp_path_factory):
    """A shop of its own with an owner, a viewer and visits of simulated shoppers, counted for the dashboard."""
    folder = tmp_path_factory.mktemp("panel") / "store"
    shutil.copytree(store, folder)
    for name in (OWNER, VIEWER):
        arguments = ("createsuperuser", "--noinput", "--username", name, "--email", f"{name}@example.com")
        manage(folder, *arguments, DJANGO_SUPERUSER_PASSWORD=PASSWORD)
    manage(folder, "simulate_shoppers", "--shoppers", "25", "--days", "14")
    shop = Shop("", folder / "shop.sqlite3")
    shop.execute("UPDATE auth_user SET is_superuser = 0 WHERE username = ?", VIEWER)
    shop.execute(
        "INSERT INTO auth_user_user_permissions (user_id, permission_id) SELECT auth_user.id, auth_permission.id "
        "FROM auth_user, auth_permission WHERE username = ? AND codename = 'view_dashboard'", VIEWER,
    )  # fmt: skip
    manage(folder, "metarec_rollup")
    with served(folder) as url:
        yield Shop(url, shop.database)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a store in a process of its own; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "shop.wsgi", "--bind", f"127.0.0.1:{port}", "--threads", "4"],
        cwd=ROOT, env=environment_of(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url)
        yield url
    finally:
        server.terminate()
        server.wait(20)


def _wait_for(url: str, patience_seconds: float = 90) -> None:
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            urllib.request.urlopen(url, timeout=10).close()
            return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@pytest.fixture(scope="module")
def browser():
    # Playwright keeps an event loop in this thread, in which Django refuses queries: end it with the module.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, shop):
    context = browser.new_context(base_url=shop.url, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    yield page
    context.close()
