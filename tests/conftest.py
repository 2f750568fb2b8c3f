"""What tests of several parts ask for."""

from __future__ import annotations

import pytest


@pytest.fixture
def large_catalogue(monkeypatch) -> None:
    """What a worker left is read, as in a shop of so many products that adapting takes longer than asking."""
    from metarec_plugin.serve import states

    monkeypatch.setattr(states, "MANY_PRODUCTS", 1)


@pytest.fixture(autouse=True)
def lists_of_this_test(monkeypatch) -> None:
    """Lists are counted from none on; counts are written a minute after the first, and no test takes so long."""
    from metarec_plugin.serve import answers

    monkeypatch.setattr(answers, "_answers", answers.Answers())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Files go to processes as by `--dist loadfile`, but those of the browser tests stay together: the shop that they
    share takes two minutes to build, in which a second process would wait.
    """
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Files(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "tests/e2e" if nodeid.startswith("tests/e2e/") else super()._split_scope(nodeid)

    return Files(config, log)
