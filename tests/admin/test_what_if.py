"""The what-if bench: what stands in the address is shown, each entry is explained, and nothing is stored."""

# ruff: noqa: F811 - fixtures of the serving tests, asked for by their names
from __future__ import annotations

import json
import re
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone

from metarec_plugin.admin.what_if.address import Address, Column, read_address
from metarec_plugin.conf import get_config
from metarec_plugin.models import AnswerDay, Event, Exposure, Impression, ModelVersion, SubjectState
from metarec_plugin.serve import recommend
from metarec_plugin.serve.current import get_model
from metarec_plugin.serve.given import given_of
from metarec_plugin.serve.lift import lift_of
from metarec_plugin.serve.warming import warm_up
from metarec_plugin.serve.what_if import what_if
from shop.models import Product
from tests.serve.conftest import fresh_process, keys, merchant, products, publish  # noqa: F401
from tests.serve.merchants import keys_of, rule

GUEST = "visitor:" + "b" * 32


def bench(*fields: tuple[str, str]) -> str:
    return reverse("admin:metarec_whatif_changelist") + "?" + urlencode(fields)


def did(subject: str, *events: tuple[str, str]) -> None:
    Event.objects.bulk_create(
        Event(
            event_id=f"{subject}:{n}", subject=subject, kind=kind, product=key,
            at=timezone.now() - timedelta(minutes=len(events) - n),
        )
        for n, (kind, key) in enumerate(events)
    )  # fmt: skip


def listed(answer) -> list[list[str]]:
    return [[entry["card"].entry.key for entry in each["entries"]] for each in answer.context["lists"]]


def links(answer, within: str = "") -> list[str]:
    return re.findall(r'href="(\?[^"]*)"', answer.content.decode().replace("&amp;", "&"))


def test_nothing_chosen_yet_offers_shoppers_and_three_examples(viewer, publish, keys):
    publish()
    did(GUEST, ("view", keys[0]))
    answer = viewer.get(bench())
    assert "Nothing is chosen yet" in answer.content.decode()
    assert [each["name"] for each in answer.context["active"]] == ["guest bbbbbb"]
    assert len(answer.context["examples"]) == 3
    for each in answer.context["examples"]:
        shown = viewer.get(reverse("admin:metarec_whatif_changelist") + each["link"])
        assert shown.context["chips"]
        assert shown.context["lists"][0]["entries"]


def test_an_empty_shop_says_so(viewer):
    answer = viewer.get(bench()).content.decode()
    assert "no product that can be shown yet" in answer
    assert "Nobody did anything yet" in answer


def test_a_shopper_sees_on_the_bench_what_the_shop_shows_them(viewer, publish, keys):
    publish()
    did(GUEST, ("view", keys[0]), ("purchase", keys[3]), ("view", keys[5]))
    answer = viewer.get(bench(("who", GUEST)))
    assert listed(answer)[0] == keys_of(recommend(GUEST, placement="home", dry_run=True))
    assert [each["title"] for each in answer.context["own"]] == ["Milk 5", "Milk 3", "Milk 0"]
    assert answer.context["last"] == "looked at Milk 5"


def test_events_clicked_together_come_after_those_of_the_shopper(viewer, publish, keys):
    publish()
    did(GUEST, ("view", keys[0]))
    answer = viewer.get(bench(("who", GUEST), ("e", f"purchase:{keys[4]}")))
    made_up = viewer.get(bench(("e", f"view:{keys[0]}"), ("e", f"purchase:{keys[4]}")))
    assert listed(answer)[0] == listed(made_up)[0]
    assert answer.context["last"] == "bought Milk 4"


def test_chips_are_removed_and_products_are_added_by_links(viewer, publish, keys):
    publish()
    answer = viewer.get(
        bench(("e", f"view:{keys[0]}"), ("e", f"purchase:{keys[1]}"), ("q", "Milk 42"), ("kind", "basket"))
    )
    remove = answer.context["chips"][0]["remove"]
    assert read_address(QueryDict(remove[1:])).events == (("purchase", keys[1]),)
    (found,) = answer.context["found"]
    assert found["title"] == "Milk 42"
    added = read_address(QueryDict(found["link"][1:]))
    assert added.events == (("view", keys[0]), ("purchase", keys[1]), ("basket", keys[42]))
    assert found["link"] in links(answer)
    assert remove in links(answer)


def test_the_last_event_s_moves_are_told(viewer, publish, keys):
    publish()
    answer = viewer.get(
        bench(("e", f"view:{keys[0]}"), ("e", f"view:{keys[1]}"), ("v", "served"), ("p", "home"))
    )
    without = viewer.get(bench(("e", f"view:{keys[0]}"), ("v", "served"), ("p", "home")))
    now, before = listed(answer)[0], listed(without)[0]
    signs = {entry["card"].entry.key: entry["sign"] for entry in answer.context["lists"][0]["entries"]}
    for place, key in enumerate(now):
        was = before.index(key) if key in before else None
        assert signs[key] == (
            "new" if was is None else "" if was == place else "up" if was > place else "down"
        )
    gone = [key for key in before if key not in now]
    told = answer.context["lists"][0]["own"] + answer.context["lists"][0]["gone"]
    assert sorted(told) == sorted(f"Milk {keys.index(key)}" for key in gone)
    assert "new on the list" in answer.content.decode()
    again = viewer.get(
        bench(*[("e", f"view:{keys[0]}")] * 2, ("v", "served"), ("p", "home"))
    ).content.decode()
    assert "The last event moved nothing on this list." in again


def test_versions_and_placements_stand_side_by_side_and_the_first_two_are_chosen(viewer, publish, keys):
    old, new = publish(), publish(seed=5)
    event = ("e", f"view:{keys[0]}")
    first = viewer.get(bench(event))
    assert [each["column"] for each in first.context["lists"]] == [Column(), Column(str(old.pk))]
    assert listed(first)[0] != listed(first)[1]
    pairs = [
        ("served", "home"),
        (str(old.pk), "product"),
        ("everybody", "home"),
        (str(new.pk), "basket"),
        ("served", "x"),
    ]
    answer = viewer.get(bench(event, *[field for v, p in pairs for field in (("v", v), ("p", p))]))
    assert len(answer.context["lists"]) == 4
    assert "A part of this address could not be read" in answer.content.decode()
    assert answer.context["lists"][1]["page"] == ["Milk 0"]
    page = what_if(
        "", given_of([("view", keys[0])]), placement="product", version=str(old.pk), context=[keys[0]]
    )
    assert listed(answer)[1] == keys_of(page)
    assert {entry["source"] for entry in answer.context["lists"][2]["entries"]} == {"popular with everybody"}


def test_an_entry_is_opened_by_its_link_and_explained(viewer, publish, keys):
    publish("mixture")
    start = viewer.get(bench(("e", f"view:{keys[0]}"), ("e", f"purchase:{keys[1]}")))
    entry = start.context["lists"][0]["entries"][0]
    assert entry["why"] is None
    answer = viewer.get(reverse("admin:metarec_whatif_changelist") + entry["link"])
    opened = answer.context["lists"][0]["opened"]
    why = opened["why"]
    assert why["places"][0] == {"name": "Candidates", "place": 1, "of": 10, "says": ""}
    assert {each["title"] for each in why["without"]} == {"Milk 0", "Milk 1"}
    assert {each["name"] for each in why["shares"]} >= {
        "How popular it is",
        "Taste, adapted in a few steps (MAML)",
    }
    assert why["strategy"][0] == "Adapted"
    page = answer.content.decode()
    assert 'id="why"' in page
    assert "What if they had not?" in page


@pytest.mark.usefixtures("merchant")
def test_the_rules_that_touched_an_entry_are_named_and_escaped(viewer, publish, keys):
    publish()
    rule("pin", product=keys[20], position=2, name="<b>ours</b>")
    answer = viewer.get(bench(("e", f"view:{keys[0]}"), ("entry", f"0:{keys[20]}")))
    page = answer.content.decode()
    assert answer.context["lists"][0]["opened"]["why"]["rules"] == ["“<b>ours</b>” pins it to place 2"]
    assert answer.context["lists"][0]["opened"]["why"]["strategy"][0] == "Pins"
    assert "<b>ours</b>" not in page
    assert "&lt;b&gt;ours" in page
    assert "pinned by a rule" in page


def test_titles_are_escaped(viewer, publish, keys):
    publish()
    Product.objects.update(name="<script>alert(1)</script>")
    for address in (
        bench(("e", f"view:{keys[0]}"), ("e", f"view:{keys[1]}"), ("q", "script"), ("entry", f"0:{keys[2]}")),
        bench(),
    ):
        page = viewer.get(address).content.decode()
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert" in page


def test_without_a_model_the_popular_list_stands_there_with_the_reason(viewer, keys):
    did(GUEST, ("purchase", keys[2]))
    answer = viewer.get(bench(("e", f"view:{keys[0]}")))
    assert answer.status_code == 200
    page = answer.content.decode()
    assert "A better source was not used" in page
    assert "No version has been promoted" in page
    assert keys[2] in listed(answer)[0]


def test_a_version_whose_files_were_deleted_says_so(viewer, publish, keys):
    publish()
    gone = publish(seed=3, promote=False)
    ModelVersion.objects.filter(pk=gone.pk).update(pruned_at=timezone.now(), sha256="0" * 64)
    page = viewer.get(bench(("e", f"view:{keys[0]}"), ("v", str(gone.pk)), ("p", "home"))).content.decode()
    assert "files deleted" in page
    assert "This list could not be made" in page


@pytest.mark.parametrize("v", ["nonsense", "9" * 200, "a\0b"])
def test_a_version_that_is_none_and_a_product_that_is_none_are_words(viewer, publish, keys, v):
    publish()
    answer = viewer.get(bench(("e", "view:nothing"), ("v", v), ("p", "nowhere")))
    assert answer.status_code == 200
    assert "not in the shop" in answer.content.decode()
    assert "This list could not be made" in answer.content.decode()


def test_an_unknown_shopper_is_said_and_a_known_one_opens_by_name_number_or_key(viewer, publish, keys):
    publish()
    member = User.objects.create_user("ada", email="ada@example.org")
    did(f"user:{member.pk}", ("view", keys[0]))
    find = reverse("admin:metarec_whatif_find")
    unknown = viewer.post(find, {"term": "<i>nobody</i>", "address": ""})
    assert "No shopper is known as" in unknown.content.decode()
    assert "<i>nobody" not in unknown.content.decode()
    for term in ("ada", str(member.pk), f"user:{member.pk}", "ada@example.org"):
        answer = viewer.post(find, {"term": term, "address": "v=everybody&p=home"})
        assert answer["Location"] == bench(("who", f"user:{member.pk}"), ("v", "everybody"), ("p", "home"))
    page = viewer.get(bench(("who", f"user:{member.pk}"))).content.decode()
    assert f"<b>user:{member.pk}</b>" in page
    nothing = viewer.get(bench(("who", "user:987654"))).content.decode()
    assert "Nothing is known of what this shopper did" in nothing


def test_shoppers_are_named_for_those_alone_who_may_see_accounts(person, keys):
    ada = User.objects.create_user("ada.lovelace", email="twins@example.org")
    User.objects.create_user("bea.lovelace", email="twins@example.org")
    did(f"user:{ada.pk}", ("view", keys[0]))
    looks, knows = person("looks", "view_dashboard"), person("knows", "view_dashboard")
    User.objects.get(username="knows").user_permissions.add(Permission.objects.get(codename="view_user"))
    find = reverse("admin:metarec_whatif_find")
    for client, named in ((looks, False), (knows, True)):
        for answer in (
            client.get(bench()),
            client.get(bench(("who", f"user:{ada.pk}"))),
            client.post(find, {"term": "twins@example.org", "address": ""}),
        ):
            text = answer.content.decode()
            assert ("ada.lovelace" in text) is named
            assert named or f"user:{ada.pk}" in text


def test_products_are_found_while_typing_by_those_who_may_look(viewer, nobody, keys):
    address = reverse("admin:metarec_whatif_products")
    found = json.loads(viewer.get(address, {"q": "Milk"}).content)["products"]
    assert len(found) == 20
    assert set(found[0]) == {"key", "title"}
    assert nobody.get(address, {"q": "Milk"}).status_code == 403
    assert nobody.post(reverse("admin:metarec_whatif_find"), {"term": "x"}).status_code == 403
    assert viewer.post(address).status_code == 405
    assert viewer.get(reverse("admin:metarec_whatif_find")).status_code == 405


@pytest.mark.usefixtures("merchant")
def test_no_look_stores_anything(viewer, publish, keys):
    publish()
    did(GUEST, ("view", keys[0]), ("purchase", keys[1]))
    counted = (Event, Impression, Exposure, AnswerDay, LogEntry)
    before = [model.objects.count() for model in counted]
    viewer.get(bench())
    viewer.get(bench(("who", GUEST), ("e", f"view:{keys[2]}"), ("entry", f"0:{keys[30]}")))
    viewer.get(reverse("admin:metarec_whatif_products"), {"q": "Milk"})
    assert [model.objects.count() for model in counted] == before


def test_a_page_of_four_lists_with_an_open_entry_takes_a_bounded_number_of_queries(
    viewer, publish, keys, settings, django_assert_max_num_queries
):
    settings.METAREC = {**settings.METAREC, "RELOAD_SECONDS": 60}
    versions = [str(publish(seed=seed).pk) for seed in range(3)]
    did(GUEST, *[("view", key) for key in keys[:12]])
    warm_up()
    columns = [field for v in ("served", *versions) for field in (("v", v), ("p", "home"))]
    viewer.get(bench(("who", GUEST), *columns))
    # Session, user, permissions, versions, events, titles, names; of a list the shopper's two and its products twice.
    with django_assert_max_num_queries(25):
        answer = viewer.get(bench(("who", GUEST), *columns))
    assert [len(each) for each in listed(answer)] == [10] * 4
    key = listed(answer)[0][0]
    with django_assert_max_num_queries(36):  # and one for each product that is left out
        opened = viewer.get(bench(("who", GUEST), *columns, ("entry", f"0:{key}")))
    assert len(opened.context["lists"][0]["opened"]["why"]["without"]) == 10
    assert opened.context["lists"][0]["opened"]["why"]["capped"]


def test_an_address_and_what_is_read_of_it_are_one():
    address = Address(
        who="user:1",
        events=(("view", "a:b@c"), ("purchase", "ä&=")),
        columns=(Column("served", "home"), Column("x", "y")),
        entry=(1, "a:b"),
        kind="basket",
        query="oat & milk",
    )
    assert read_address(QueryDict(address.link()[1:])) == address


def test_more_events_than_ten_and_what_is_no_event_are_left_out_and_said():
    query = QueryDict(
        urlencode([("e", f"view:{n}") for n in range(12)] + [("e", "Bad kind:1"), ("who", "somebody")])
    )
    address = read_address(query)
    assert len(address.events) == 10
    assert address.is_full
    assert address.who == ""
    assert address.problems == ("who=somebody", "e=view:10", "e=view:11", "e=Bad kind:1")


def test_of_a_list_that_a_worker_prepared_the_moves_are_told_by_lists_made_at_once(
    viewer, publish, keys, monkeypatch
):
    version, who = publish(), "user:1"
    did(who, *(("view", key) for key in (*keys[:3], keys[2])))  # the last event adds no product
    model = get_model()
    monkeypatch.setattr(model, "kind", "network")
    settings = {"lift": lift_of(model, "home"), "window": get_config().support_window, "placement": "home"}
    newest = Event.objects.latest("pk").pk
    ranking = [[key, 1.0] for key in keys[20:30]]
    SubjectState.objects.create(
        subject=who, version=version.pk, last_event=newest, ranking=ranking, **settings
    )
    answer = viewer.get(bench(("who", who), ("v", "served"), ("p", "home")))
    shown = answer.context["lists"][0]
    assert shown["prepared"]
    assert listed(answer)[0] == keys[20:30]
    assert "A worker prepared this list." in answer.content.decode()
    assert not shown["gone"]
    assert {entry["sign"] for entry in shown["entries"]} <= {""}
