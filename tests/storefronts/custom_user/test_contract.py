"""The contract under another AUTH_USER_MODEL: a process has one, so that Django's runner runs it in its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from metarec_plugin.testing import StorefrontContract

ROOT = Path(__file__).resolve().parents[3]


def test_the_contract_is_kept_under_another_user_model() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "django", "test", "tests.storefronts.custom_user.contract"],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.storefronts.custom_user.settings"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    promised = [name for name in vars(StorefrontContract) if name.startswith("test_")]
    assert re.search(rf"Ran {len(promised) + 1} tests", done.stderr), done.stderr
    assert "OK (skipped=1)" in done.stderr  # guests, whom this shop has none of
