"""Every setting is checked when it is read: a wrong value is an error that names it, not a surprise later."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from metarec_plugin.conf import DEVICES, LEARNERS, RULES, Config, get_config
from metarec_plugin.exceptions import ConfigurationError
from metarec_plugin.train import learners
from metarec_plugin.train.device import resolve_device

WRONG: list[tuple[str, Any]] = [
    ("STOREFRONT", None),
    ("TARGET_KINDS", "purchase"),
    ("TARGET_KINDS", []),
    ("TARGET_KINDS", ["Purchase!"]),
    ("CONSENT", "maybe"),
    ("CONSENT", 3),
    ("CONSENT", "not a.path"),
    ("ARTIFACTS", ""),
    ("ARTIFACTS", None),
    ("STRICT", "no"),
    ("PLACEMENTS", ["home"]),
    ("PLACEMENTS", {"home": 0.5}),
    ("PLACEMENTS", {"home": {"lifts": 0.5}}),
    ("PLACEMENTS", {"home": {"lift": "0.5"}}),
    ("PLACEMENTS", {"home": {"lift": 1.5}}),
    ("PLACEMENTS", {"home": {"lift": float("nan")}}),
    ("PLACEMENTS", {"home": {"history": "yes"}}),
    ("PLACEMENTS", {"home": {"repeats": "often"}}),
    ("DISLIKES", ["dislike"]),
    ("DISLIKES", {"Thumbs down": None}),
    ("DISLIKES", {"rating": "2"}),
    ("DISLIKE_PUSH", -1),
    ("API_THROTTLES", {"recommendations": "often"}),
    ("API_THROTTLES", {"recommend": "9/min"}),
    ("API_THROTTLES", "120/min"),
    ("API_MAX_BYTES", 0),
    ("API_DOCS", True),
    ("SUPPORT_WINDOW", "50"),
    ("SUPPORT_WINDOW", 0),
    ("SUPPORT_WINDOW", True),
    ("CLEANING", None),
    ("CLEANING", {"max_qantity": 5}),
    ("CLEANING", {"without": "duplicate"}),
    ("CLEANING", {"max_price": 0}),
    ("CLEANING", {"bulk_deviations": "6"}),
    ("CLEANING", {"earliest": "2020-01-01"}),
    ("CLEANING", {"title_patterns": {"postage": "("}}),
    ("SUPPORT_WEIGHTS", None),
    ("SUPPORT_WEIGHTS", {"kind": {"view": 1}}),
    ("SUPPORT_WEIGHTS", {"kinds": ["view"]}),
    ("SUPPORT_WEIGHTS", {"kinds": {"View": 1}}),
    ("SUPPORT_WEIGHTS", {"kinds": {"view": -1}}),
    ("SUPPORT_WEIGHTS", {"quantity": "1"}),
    ("SUPPORT_WEIGHTS", {"dwell": True}),
    ("SUPPORT_WEIGHTS", {"value": float("nan")}),
    ("SUPPORT_WEIGHTS", {"half_life_days": 0}),
    ("SESSION_PRODUCTS", 0),
    ("SESSION_PRODUCTS", 1000),
    ("RELOAD_SECONDS", -1),
    ("RELOAD_SECONDS", float("inf")),
    ("NEW_PRODUCTS", -1),
    ("TEXT_EMBEDDER", None),
    ("TEXT_EMBEDDER", "no path"),
    ("LIFT_LOSS", 10),
    ("APPROXIMATE_ABOVE", 0),
    ("SUBJECT_PRIOR", "yes"),
    ("CONTEXT_PRIOR", True),
    ("COUNTRY", "gb"),
    ("TIME_ZONE", "Europe/Atlantis"),
    ("TIME_ZONE", "../zone"),
    ("SITE_URL", "shop.example"),
    ("SITE_URL", "https://shop.example/?a=1"),
    ("SITE_URL", None),
    ("EMAIL_CONSENT", True),
    ("EMAIL_CONSENT", "allows"),
    ("COOKIE_NAME", ""),
    ("COOKIE_NAME", "meta rec"),
    ("COOKIE_AGE", -1),
    ("COOKIE_AGE", 1.5),
    ("GLOBAL_PRIVACY_CONTROL", True),
    ("EVENT_DAYS", 7),
    ("HISTORY_DAYS", "90"),
    ("IMPRESSION_DAYS", 0),
    ("RECEIPT_DAYS", -1),
    ("SYNC_DAYS", "30"),
    ("BEACON_MAX_BYTES", 0),
    ("BEACON_MAX_EVENTS", None),
    ("QUARANTINE_DAYS", 0),
    ("QUARANTINE_ROWS", -1),
    ("LEARNERS", "maml"),
    ("LEARNERS", ["mamml"]),
    ("LEARNERS", [["maml"]]),
    ("LEARNER_OPTIONS", [("maml", {})]),
    ("LEARNER_OPTIONS", {"mamml": {}}),
    ("LEARNER_OPTIONS", {"maml": ["first_order"]}),
    ("DEVICE", "gpu"),
    ("DEVICE", ["cpu"]),
    ("PROCESSES", 0),
    ("PROCESSES", 1.5),
    ("SEED", -1),
    ("SEED", 10**400),
    ("TRAIN_SECONDS", 0),
    ("TRAIN_SECONDS", "60"),
    ("LEASE_SECONDS", 0),
    ("MAX_ATTEMPTS", 0),
    ("KEEP_VERSIONS", 0),
]


@pytest.mark.parametrize("key, value", WRONG)
def test_a_wrong_value_is_named_with_what_was_found(key: str, value: Any) -> None:
    with override_settings(METAREC={key: value}), pytest.raises(ConfigurationError) as caught:
        get_config()
    assert f"METAREC['{key}']" in str(caught.value)
    assert any(word in str(caught.value) for word in ("must be", "takes"))


def test_every_setting_has_a_rule_and_a_wrong_value_in_this_test() -> None:
    names = {field.name for field in fields(Config)}
    assert set(RULES) == names
    assert {key.lower() for key, _ in WRONG} == names


def test_the_defaults_keep_their_own_rules() -> None:
    config = Config()
    assert [name for name, (_, holds) in RULES.items() if not holds(getattr(config, name))] == []


@pytest.mark.parametrize("given", [["METAREC"], "x", None])
def test_the_setting_itself_is_a_dict(given: Any) -> None:
    with override_settings(METAREC=given), pytest.raises(ConfigurationError, match="must be a dict"):
        get_config()


def test_right_values_are_taken_as_they_are() -> None:
    given = {"TARGET_KINDS": ["rating"], "ARTIFACTS": "/tmp/x", "RELOAD_SECONDS": 0, "LIFT_LOSS": 1}
    with override_settings(METAREC=given | {"PLACEMENTS": {"rail": {"lift": 1}, "home": {}}}):
        config = get_config()
    assert (config.target_kinds, config.artifacts) == (("rating",), Path("/tmp/x"))
    assert config.placement("rail").lift == 1
    assert config.placement("rail").history


def test_the_learners_and_devices_are_those_that_training_knows() -> None:
    assert set(LEARNERS) == set(learners.LEARNERS)
    for device in DEVICES[:2]:
        resolve_device(device)
