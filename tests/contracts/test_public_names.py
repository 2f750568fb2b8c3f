"""The package's public names: all there, loaded on first use only."""

from __future__ import annotations

import subprocess
import sys

import pytest

import metarec_plugin


def test_every_public_name_can_be_had():
    assert sorted(metarec_plugin._HOME) == metarec_plugin.__all__
    for name in metarec_plugin.__all__:
        assert getattr(metarec_plugin, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'recomend'"):
        _ = metarec_plugin.recomend


def test_importing_the_package_imports_no_model_and_no_numpy():
    code = "import sys, metarec_plugin; print([m for m in ('numpy', 'django.db.models') if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"
