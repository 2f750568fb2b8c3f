"""Every route and verb of the schema, asked by four callers with the ids of somebody else: nothing is theirs."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from django.contrib.auth.models import User
from django.db import transaction
from rest_framework.authtoken.models import Token

from metarec_plugin.collect.exporting import TABLES, rows_of
from metarec_plugin.models import Event, Experiment, Exposure, QuarantinedEvent, SubjectState
from tests.api import golden
from tests.api.conftest import Api, assert_problem, event
from tests.storefronts.factories import make_customer

pytestmark = pytest.mark.django_db
VERBS = ("get", "post", "put", "patch", "delete")
OPERATIONS = [
    (verb, path)
    for path, methods in yaml.safe_load(golden.PATH.read_text())["paths"].items()
    for verb in methods
    if verb in VERBS
]
LONGEST_KEY = 64
WORDS = "what only they searched for"


@dataclass
class Somebody:
    """A shopper with rows in every table, and what names them and theirs."""

    subject: str
    event: str
    slate: str
    cursor: str
    shown: str
    ids: list[str]

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        return {table: list(rows) for table, rows in rows_of(self.subject)}

    def keys(self) -> list[str]:
        return [name for name in self.ids if len(name) <= LONGEST_KEY]


@pytest.fixture
def somebody(new_app: Callable[..., Api], keys: list[str]) -> Somebody:
    app, name = new_app(), str(uuid.uuid4())
    app.post("events/", {"events": [event(product=keys[0]), {"id": name, "kind": "search", "query": WORDS}]})
    slate = app.get("recommendations/?size=3").json()
    subject = Event.objects.get(query=WORDS).subject
    experiment = Experiment.objects.create(name="theirs", placement="home")
    Exposure.objects.create(experiment=experiment, subject=subject, variant="a")
    SubjectState.objects.create(subject=subject, version=uuid.uuid4(), last_event=1, ranking=[[WORDS, 1.0]])
    QuarantinedEvent.objects.create(
        subject=subject, digest="d", source="api", reason="unfit", payload={"query": WORDS}
    )
    member = make_customer().user
    ids = [
        subject, subject.partition(":")[2], str(uuid.UUID(subject.partition(":")[2])), app.visitor,
        f"user:{member.pk}", str(2**31 + member.pk), name, f"api:{name}", slate["id"],
        slate["id"].partition(":")[0], experiment.name, str(2**31 + experiment.pk),
    ]  # fmt: skip
    found = Somebody(subject, name, slate["id"], slate["next"], slate["entries"][0]["key"], ids)
    assert all(found.rows()[table] for table, _ in TABLES)
    return found


def page_of_staff() -> Api:
    page = Api(**{"X-CSRFToken": "a" * 32})
    user = make_customer().user
    User.objects.filter(pk=user.pk).update(is_staff=True)
    page.client.force_login(user)
    page.client.cookies.load({"csrftoken": "a" * 32, "shop_consent": "full"})
    return page


@pytest.fixture
def strangers(new_app: Callable[..., Api], api_key: str, somebody: Somebody) -> dict[str, Api]:
    member = Api(Authorization=f"Token {Token.objects.create(user=make_customer().user)}")
    return {
        "another visitor": new_app(),
        "an app that speaks for nobody": Api(api_key),
        "a member": member.become(),
        "staff": page_of_staff(),
    }


def text_of(response: Any) -> str:
    return b"".join(response).decode()


# By route and verb: what a caller may try with the ids of another, and what comes of it.


def events(caller: Api, other: Somebody) -> list[Any]:
    click = event("click", product=other.shown, slate=other.slate)
    answers = [caller.post("events/", {"events": [{**click, "subject": name}]}) for name in other.ids[:1]]
    answers.append(caller.post("events/", {"events": [{**click, "id": other.event}]}))
    assert all(response.status_code in (202, 400, 403) for response in answers)
    return answers


def feedback(caller: Api, other: Somebody) -> list[Any]:
    ask = {"product": other.shown, "verdict": "why", "slate": other.slate}
    refused = caller.post("feedback/", ask)
    assert_problem(refused, 404, "not-found")
    return [refused, *named(caller, "POST", "feedback/", {**ask, "slate": None}, other)]


def forgetting(caller: Api, other: Somebody) -> list[Any]:
    answer = caller("DELETE", "me/")
    assert sum(answer.json()["deleted"].values()) == 0
    return [answer]


def export(caller: Api, other: Somebody) -> list[Any]:
    answer = caller.get("me/export/")
    body = text_of(answer)
    found = json.loads(body)
    assert {table: found[table] for table, _ in TABLES} == {table: [] for table, _ in TABLES}
    assert WORDS not in body
    assert other.subject not in body
    return asked_for(caller, "me/export/", other)


def profile(caller: Api, other: Somebody) -> list[Any]:
    answer = caller.get("me/profile/")
    assert (answer.json()["events"], answer.json()["products"]) == (0, [])
    return [answer, *asked_for(caller, "me/profile/", other)]


def similar(caller: Api, other: Somebody) -> list[Any]:
    answers = [caller.get(f"products/{name}/similar/") for name in other.ids]
    for answer in answers:
        assert_problem(answer, 404, "not-found")
    return [*answers, *asked_for(caller, f"products/{other.shown}/similar/", other)]


def one_list(caller: Api, other: Somebody) -> list[Any]:
    answer = caller.get("recommendations/?placement=recent")
    assert answer.json()["entries"] == []
    return [answer, *asked_for(caller, "recommendations/", other)]


def lists(caller: Api, other: Somebody) -> list[Any]:
    asked = {"placements": [{"name": "recent", "context": other.keys()}]}
    answer = caller.post("recommendations/", asked)
    assert answer.json()["slates"][0]["entries"] == []
    return [answer, *named(caller, "POST", "recommendations/", asked, other)]


def next_by_address(caller: Api, other: Somebody) -> list[Any]:
    answer = caller.get(f"recommendations/next/?cursor={other.cursor}")
    assert_problem(answer, 404, "not-found")
    return [answer]


def next_by_post(caller: Api, other: Somebody) -> list[Any]:
    answer = caller.post("recommendations/next/", {"cursor": other.cursor})
    assert_problem(answer, 404, "not-found")
    return [answer, *named(caller, "POST", "recommendations/next/", {"cursor": other.cursor}, other)]


def rerank(caller: Api, other: Somebody) -> list[Any]:
    asked = {"query": "rye", "keys": other.keys()}
    answer = caller.post("search/rerank/", asked)
    assert answer.json()["results"] == []
    return [answer, *named(caller, "POST", "search/rerank/", asked, other)]


def visitors(caller: Api, other: Somebody) -> list[Any]:
    return named(caller, "POST", "visitors/", {"consent": "full"}, other)


def named(caller: Api, verb: str, path: str, body: dict[str, Any], other: Somebody) -> list[Any]:
    """No body can name who it is about."""
    fields = ("subject", "user", "visitor", "id")
    answers = [caller(verb, path, {**body, field: other.ids[0]}) for field in fields]
    assert all(answer.status_code in (400, 401) for answer in answers), "a page makes no visitors at all"
    return answers


def asked_for(caller: Api, path: str, other: Somebody) -> list[Any]:
    """No address can either."""
    answers = [caller.get(f"{path}?{field}={other.ids[0]}") for field in ("subject", "user", "visitor", "id")]
    for answer in answers:
        assert_problem(answer, 400)
    return answers


CASES: dict[tuple[str, str], Callable[[Api, Somebody], list[Any]]] = {
    ("post", "/events/"): events,
    ("post", "/feedback/"): feedback,
    ("delete", "/me/"): forgetting,
    ("get", "/me/export/"): export,
    ("get", "/me/profile/"): profile,
    ("get", "/products/{key}/similar/"): similar,
    ("get", "/recommendations/"): one_list,
    ("post", "/recommendations/"): lists,
    ("get", "/recommendations/next/"): next_by_address,
    ("post", "/recommendations/next/"): next_by_post,
    ("post", "/search/rerank/"): rerank,
    ("post", "/visitors/"): visitors,
}


def test_nobody_gets_at_what_is_somebody_elses(strangers: dict[str, Api], somebody: Somebody) -> None:
    """A route or verb that is new in the schema needs a case here."""
    assert sorted(CASES) == sorted(OPERATIONS)
    before = somebody.rows()
    for verb, path in OPERATIONS:
        for who, caller in strangers.items():
            point = transaction.savepoint()
            answers = CASES[verb, path](caller, somebody)
            assert answers, (who, verb, path)
            assert all(response.status_code < 500 for response in answers), (who, verb, path)
            assert all(WORDS not in text_of(response) for response in answers), (who, verb, path)
            assert somebody.rows() == before, (who, verb, path)
            transaction.savepoint_rollback(point)  # what the caller left of their own


def test_no_address_with_an_id_of_somebody_else_is_there_for_any_verb(
    strangers: dict[str, Api], somebody: Somebody
) -> None:
    before = somebody.rows()
    for path in sorted({path for _, path in OPERATIONS}):
        for who, caller in strangers.items():
            for verb in VERBS:
                for name in somebody.ids[2:6:3]:  # a UUID, a number
                    below = f"{path.strip('/').replace('{key}', somebody.shown)}/{name}/"
                    assert caller(verb.upper(), below, {}).status_code == 404, (who, verb, below)
    assert somebody.rows() == before
