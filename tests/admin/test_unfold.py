"""The panel works with django-unfold installed. In a process of its own: the look is chosen when the pages load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_page_opens_in_the_look_of_unfold():
    done = subprocess.run(
        [sys.executable, "-m", "tests.admin.unfold_site"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
