"""A web process that serves adapted lists never loads what only workers need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_web_process_loads_neither_torch_nor_the_data_libraries():
    done = subprocess.run(
        [sys.executable, "-m", "tests.contracts.torch_free"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, metarec_plugin, metarec_plugin.serve, metarec_plugin.adapt, metarec_plugin.publish; "
        "print(*[m for m in ('numpy', 'torch', 'scipy', 'polars', 'django.db') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
