"""Impressions are stored in one insert, with consent only, under slate ids that cannot be made up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from metarec_plugin.collect import impressions, log_impressions, read_slate, sign_slate
from metarec_plugin.collect.impressions import Shown
from metarec_plugin.collect.visitor import SALT as VISITOR_SALT
from metarec_plugin.exceptions import InvalidSignature
from metarec_plugin.models import Impression
from tests.collect.conftest import MakeRequest

SHOWN = [Shown("p1", 0, "adapted"), Shown("p2", 1, "popular", propensity=0.25)]


@pytest.mark.django_db
def test_a_slate_is_stored_in_one_insert(django_assert_num_queries: Any) -> None:
    version = uuid4()
    with django_assert_num_queries(1):
        assert log_impressions("user:7", "s1", "home", SHOWN, version=version, variant="b") == 2
    rows = Impression.objects.order_by("rank").values_list(
        "slate", "subject", "product", "source", "propensity"
    )
    assert list(rows) == [("s1", "user:7", "p1", "adapted", 1.0), ("s1", "user:7", "p2", "popular", 0.25)]
    assert set(Impression.objects.values_list("placement", "version", "variant")) == {("home", version, "b")}


@pytest.mark.django_db(transaction=True)
def test_all_of_a_page_is_stored_or_nothing() -> None:
    shown = [Shown(f"p{rank}", rank, "adapted") for rank in range(99)] + [Shown("p99", None, "adapted")]  # type: ignore[arg-type]
    with pytest.raises(DatabaseError):
        log_impressions("user:7", "s", "home", shown)
    assert not Impression.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_failure_within_the_projects_transaction_undoes_it() -> None:
    with transaction.atomic():
        Impression.objects.create(slate="a", placement="home", product="p", rank=0, source="adapted")
        with pytest.raises(DatabaseError):
            log_impressions("user:7", "s", "home", [Shown("p", None, "adapted")])  # type: ignore[arg-type]
        assert transaction.get_connection().needs_rollback
    assert not Impression.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("n", [0, 1, 12, 95])
def test_what_is_stored_is_what_was_shown(n: int) -> None:
    version = uuid4()
    shown = [Shown(f"p{rank}%s'", rank, "adapted", 1 / (rank + 1)) for rank in range(n)]
    log_impressions("user:7", "s", "home", shown, version=version, variant="bold")
    log_impressions("user:8", "t", "home", shown[:1], version=None)
    rows = Impression.objects.filter(slate="s").order_by("rank")
    assert [(row.product, row.rank, row.source, row.propensity) for row in rows] == [
        (each.key, each.rank, each.source, each.propensity) for each in shown
    ]
    assert {(row.subject, row.placement, row.version, row.variant) for row in rows} <= {
        ("user:7", "home", version, "bold")
    }
    assert all(timezone.now() - row.at < timedelta(minutes=1) for row in Impression.objects.all())
    assert [row.version for row in Impression.objects.filter(slate="t")] == [None] * min(n, 1)


@pytest.mark.django_db
@pytest.mark.parametrize(("level", "rows"), [("none", 0), ("session", 0), ("full", 2)])
def test_a_request_is_logged_with_full_consent_only(
    level: str, rows: int, consent: Callable[[str], None], make_request: MakeRequest
) -> None:
    consent(level)
    assert log_impressions(make_request("get"), "s1", "home", SHOWN) == rows
    assert Impression.objects.count() == rows


def test_a_slate_id_comes_back_as_it_was_signed() -> None:
    token = sign_slate("0" * 32)
    assert token != "0" * 32
    assert read_slate(token) == "0" * 32
    assert len(token) <= 120


@pytest.mark.parametrize(
    "token",
    [
        "",
        "0" * 32,
        sign_slate("a")[:-1] + "!",
        sign_slate("a").replace("1.a", "1.b"),
        "x" * 10_000,
        None,
        5,
        "\ud800",
    ],
    ids=["empty", "unsigned", "forged", "of another", "long", "none", "a number", "surrogate"],
)
def test_a_made_up_slate_id_is_refused(token: object) -> None:
    with pytest.raises(InvalidSignature):
        read_slate(token)


def test_a_signature_for_another_purpose_is_refused() -> None:
    from django.core import signing

    with pytest.raises(InvalidSignature):
        read_slate(signing.TimestampSigner(salt=VISITOR_SALT).sign("1.a"))
    with pytest.raises(InvalidSignature, match="version"):
        read_slate(signing.TimestampSigner(salt=impressions.SALT).sign("9.a"))


def test_an_old_slate_id_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    token = sign_slate("a")
    later = time.time() + 60 * 60 * 24 * 31
    monkeypatch.setattr("django.core.signing.time.time", lambda: later)
    with pytest.raises(InvalidSignature, match="too long ago"):
        read_slate(token)
