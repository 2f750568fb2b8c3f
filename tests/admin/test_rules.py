"""Rules in the panel: said in a sentence, previewed, stored over nobody else's change, switched, copied, deleted."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse
from django.utils import timezone

from metarec_plugin.admin.rules.words import sentence, state_of, weeks_of
from metarec_plugin.models import Rule
from metarec_plugin.serve import policy
from metarec_plugin.serve.rules import save_rule
from shop.models import Category, Department, Product
from tests.admin.merchant import audited, sent, words

LIST = reverse("admin:metarec_rule_changelist")
ADD = reverse("admin:metarec_rule_add")
PREVIEW = reverse("admin:metarec_rule_preview")
NOW = timezone.now()


@pytest.fixture(autouse=True)
def fresh_policy(monkeypatch):
    monkeypatch.setattr(policy, "_kept", policy._Kept())


@pytest.fixture
def products(db):
    department = Department.objects.create(name="Dairy", slug="dairy")
    shelf = Category.objects.create(department=department, name="Milk", slug="milk")
    return Product.objects.bulk_create(
        Product(category=shelf, name=f"Milk {n}", brand="Acme" if n % 2 else "Best", price=n + 1, stock=5)
        for n in range(12)
    )


def made(action="pin", **fields) -> Rule:
    return save_rule(Rule(name=fields.pop("name", "Spring"), action=action, **fields), by="anna")


def page_of(rule, what="change") -> str:
    return reverse(f"admin:metarec_rule_{what}", args=[rule.pk])


def opened(client, url=ADD) -> dict:
    context = client.get(url).context
    return {"rule": ""} | {
        name: value for form in ("form", "about", "who") for name, value in sent(context[form]).items()
    }


def test_a_pin_is_written_by_a_part_of_its_title(operator, products):
    data = opened(operator) | {
        "name": "Launch",
        "action": "pin",
        "product": "milk 7",
        "position": "2",
        "placement": "home",
        "who": "member",
        "weight": "9",  # of another kind of rule, so not read
        "ends_at": "2030-12-03T00:00",
    }
    assert operator.post(ADD, data).status_code == 302
    rule = Rule.objects.get()
    assert (rule.product, rule.position, rule.weight) == (str(products[7].pk), 2, None)
    assert (rule.segment, rule.updated_by) == ({"who": "member"}, "operator")
    said = "Pins Milk 7 at place 2 on home, for members, until Dec. 3, 2030"
    assert audited() == [("operator", said)]
    assert said in words(operator.get(LIST))


def test_a_title_that_ends_in_brackets_is_not_the_key_of_another_product(operator, products):
    first, second = products[3], products[4]
    Product.objects.filter(pk=second.pk).update(name=f"Monopoly [{first.pk}]")
    data = opened(operator) | {"name": "x", "action": "pin", "position": "1"}
    for written, key in (
        (f"Monopoly [{first.pk}]", second.pk),
        (f"Monopoly [{first.pk}] [{second.pk}]", second.pk),
        (f"Milk 3 [{first.pk}]", first.pk),
        (str(first.pk), first.pk),
    ):
        assert operator.post(ADD, data | {"product": written}).status_code == 302, written
        assert Rule.objects.latest("pk").product == str(key), written
    answer = operator.post(ADD, data | {"product": f"Something else [{first.pk}]"})
    assert "No product is called" in words(answer)


def test_keys_that_no_number_can_be_are_not_found(operator, products):
    long = "9" * 5000
    assert operator.get(ADD.replace("add/", f"{long}/change/")).status_code == 404
    assert operator.post(PREVIEW, {"rule": long}).status_code == 200


def test_the_form_of_a_new_rule_says_what_the_preview_will_show(operator, products):
    assert "once the rule is described" in words(operator.get(ADD))
    untouched = words(operator.post(PREVIEW, opened(operator)))
    assert "required" not in untouched
    assert "once the rule is described" in untouched
    assert "required" in words(operator.post(PREVIEW, opened(operator) | {"action": "pin"}))


def test_a_condition_and_a_segment_are_built_from_what_is_declared(operator, products):
    data = opened(operator) | {
        "name": "Own brand",
        "action": "share",
        "share": "0.3",
        "about-feature": "brand",
        "about-op": "in",
        "about-value": "Acme; Best",
        "who": "some",
        "segment-feature": "region",
        "segment-op": "eq",
        "segment-value": "North",
    }
    assert operator.post(ADD, data).status_code == 302
    rule = Rule.objects.get()
    assert rule.condition == {"feature": "brand", "op": "in", "value": ["Acme", "Best"]}
    assert rule.segment == {"feature": "region", "op": "eq", "value": "North"}
    url = page_of(rule)
    assert operator.post(url, opened(operator, url)).status_code == 302  # as it is shown, so it is kept
    again = Rule.objects.get()
    assert (again.condition, again.segment, again.share) == (rule.condition, rule.segment, 0.3)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"action": "pin", "position": "1"}, "Name the product that is pinned."),
        ({"action": "pin", "product": "milk 7"}, "This kind of rule needs it."),
        ({"action": "pin", "product": "milk", "position": "1"}, "Several products are called so"),
        ({"action": "pin", "product": "cheese", "position": "1"}, "No product is called"),
        ({"action": "filter"}, "Say which products it is about."),
        ({"action": "boost", "product": "milk 7", "weight": "0.5"}, "above 1"),
        ({"action": "hide", "product": "milk 7", "who": "some"}, "Say which members it is for."),
        (
            {
                "action": "hide",
                "product": "milk 7",
                "starts_at": "2030-01-02T00:00",
                "ends_at": "2030-01-01T00:00",
            },
            "It ends after it starts.",
        ),
        (
            {"action": "hide", "product": "milk 7", "about-feature": "brand", "about-value": "Acme"},
            "one of the two",
        ),
        (
            {"action": "hide", "about-feature": "brand", "about-op": "lt", "about-value": "Acme"},
            "compares numbers",
        ),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_kept(operator, products, wrong, said):
    answer = operator.post(ADD, opened(operator) | {"name": "x"} | wrong)
    assert answer.status_code == 200
    assert said in words(answer)
    assert not Rule.objects.exists()


def test_a_stale_form_is_refused_in_words_and_the_input_is_kept(operator, products):
    rule = made(product=str(products[1].pk), position=1)
    data = opened(operator, page_of(rule)) | {"position": "4"}
    rule.position = 2
    save_rule(rule, by="berta")
    answer = operator.post(page_of(rule), data)
    assert answer.status_code == 409
    assert "berta changed this rule" in words(answer)
    assert "at place 2" in words(answer)
    assert answer.context["form"]["position"].value() == "4"
    assert Rule.objects.get().position == 2
    again = {k: v for form in ("form", "about", "who") for k, v in sent(answer.context[form]).items()}
    assert operator.post(page_of(rule), again).status_code == 302
    assert Rule.objects.get().position == 4


def test_a_rule_that_was_deleted_meanwhile_does_not_come_back(operator, products):
    rule = made(product=str(products[1].pk), position=1)
    url, data = page_of(rule), opened(operator, page_of(rule))
    Rule.objects.all().delete()
    assert operator.post(url, data).status_code == 404
    assert not Rule.objects.exists()


def test_on_off_copy_and_delete_are_posts_that_are_noted(operator, products):
    rule = made(product=str(products[1].pk), position=1)
    for what in ("turn", "copy"):
        assert operator.get(page_of(rule, what)).status_code == 404
    stamp = rule.updated_at.isoformat()
    operator.post(page_of(rule, "turn"), {"active": "0", "made_from": stamp})
    assert not Rule.objects.get().active
    answer = operator.post(page_of(rule, "turn"), {"active": "1", "made_from": stamp}, follow=True)
    assert "operator changed “Spring”" in words(answer)  # the page is out of date
    operator.post(page_of(rule, "copy"))
    copy = Rule.objects.exclude(pk=rule.pk).get()
    assert (copy.name, copy.active, copy.product) == ("Spring (copy)", False, rule.product)
    assert operator.get(page_of(copy, "delete")).status_code == 200
    assert Rule.objects.count() == 2
    operator.post(page_of(copy, "delete"), {"made_from": copy.updated_at.isoformat()})
    assert Rule.objects.get() == rule
    said = [what for _who, what in audited()]
    assert said[0] == "Taken out of use"
    assert said[1] == "Copied from “Spring”"
    assert said[2].startswith("Deleted: Pins Milk 1")


def test_a_rule_that_cannot_be_followed_is_told_and_can_be_taken_out_of_use(operator, products):
    rule = Rule.objects.create(
        name="Old", action="hide", condition={"feature": "gone", "op": "eq", "value": 1}
    )
    page = words(operator.get(LIST))
    assert "cannot be followed" in page
    assert operator.get(page_of(rule)).status_code == 200
    operator.post(page_of(rule, "turn"), {"active": "0", "made_from": rule.updated_at.isoformat()})
    assert not Rule.objects.get().active


def test_conflicts_are_told_with_both_rules_linked(operator, products):
    pin = made(product=str(products[1].pk), position=1)
    hide = made("hide", name="No Acme", condition={"feature": "brand", "op": "eq", "value": "Acme"})
    page = words(operator.get(LIST))
    assert "“Spring” pins Milk 1, and “No Acme” hides it. Hiding always wins" in page
    assert [each["url"] for each in operator.get(LIST).context["conflicts"][0]["rules"]] == [
        page_of(pin),
        page_of(hide),
    ]
    assert len(operator.get(page_of(hide)).context["conflicts"]) == 1


def test_many_conflicts_are_counted_and_shown_by_pages(viewer, products):
    for n in range(8):  # 28 pairs that want the same place
        made(name=f"r{n}", product=str(products[n].pk), position=1)
    answer = viewer.get(LIST)
    assert "28 conflicts" in words(answer)
    assert "1 to 20 of 28" in words(answer)
    rest = viewer.get(LIST, {"c": "2"}).context["conflicts"]
    says = {each["says"] for each in (*answer.context["conflicts"], *rest)}
    assert (len(answer.context["conflicts"]), len(rest), len(says)) == (20, 8, 28)


def test_the_list_asks_few_queries_however_many_rules(viewer, products, django_assert_max_num_queries):
    for n in range(30):
        made(name=f"r{n}", product=str(products[n % 12].pk), position=n + 1)
    viewer.get(LIST)
    with django_assert_max_num_queries(12):
        viewer.get(LIST)


def test_the_list_is_narrowed_by_state(viewer, products):
    key = str(products[1].pk)
    made(name="now", product=key, position=1)
    made(name="soon", product=key, position=2, starts_at=NOW + timedelta(days=3))
    made(name="past", product=key, position=3, ends_at=NOW - timedelta(days=3))
    made(name="not", product=key, position=4, active=False)
    for state, name in (("active", "now"), ("planned", "soon"), ("over", "past"), ("off", "not")):
        context = viewer.get(LIST, {"state": state}).context
        assert [each["row"].name for each in context["rules"]] == [name]
    assert [n for _key, _label, n in context["states"]] == [1, 1, 1, 1]


def test_the_preview_shows_the_rule_as_if_it_counted_and_stores_nothing(operator, products):
    data = opened(operator) | {
        "name": "x",
        "action": "pin",
        "product": str(products[0].pk),
        "position": "1",
        "starts_at": "2035-01-01T00:00",
        "preview_on": "home",
    }
    answer = operator.post(PREVIEW, data)
    preview = answer.context["preview"]
    assert preview["lists"][0]["lists"].after[0].title == "Milk 0"
    assert "as if the rule counted now" in words(answer)
    assert not Rule.objects.exists()
    assert audited() == []
    assert operator.get(PREVIEW).status_code == 404


def test_the_preview_of_a_stored_rule_compares_with_it_and_tells_conflicts(operator, products):
    rule = made(product=str(products[0].pk), position=1)
    made("hide", name="No Best", condition={"feature": "brand", "op": "eq", "value": "Best"})
    data = opened(operator, page_of(rule)) | {"rule": str(rule.pk), "product": str(products[1].pk)}
    lists = operator.post(PREVIEW, data).context["preview"]["lists"][0]["lists"]
    assert "Milk 0" not in [line.title for line in lists.before]
    assert lists.after[0].title == "Milk 1"
    answer = operator.post(PREVIEW, data | {"product": str(products[2].pk)})
    assert "hides it. Hiding always wins" in words(answer)


def test_the_preview_says_how_many_products_a_condition_meets(operator, products):
    data = opened(operator) | {
        "name": "x",
        "action": "hide",
        "about-feature": "brand",
        "about-op": "eq",
        "about-value": "Acme",
    }
    assert "6 products that are sold meet it." in words(operator.post(PREVIEW, data))
    assert "No product that is sold meets it." in words(
        operator.post(PREVIEW, data | {"about-value": "Acne"})
    )


def test_products_and_values_are_offered_to_operators_alone(operator, viewer, products):
    found = operator.get(reverse("admin:metarec_rule_products"), {"q": "milk 11"}).json()
    assert found == {"products": [{"key": str(products[11].pk), "title": "Milk 11"}]}
    values = reverse("admin:metarec_rule_values")
    assert operator.get(values, {"feature": "brand", "q": "ac"}).json() == {"values": ["Acme"]}
    assert operator.get(values, {"feature": "title"}).json() == {"values": []}
    assert viewer.get(values).status_code == 403


def test_a_viewer_looks_and_changes_nothing(viewer, products):
    rule = made(product=str(products[1].pk), position=1)
    context = viewer.get(page_of(rule)).context
    forms = [context[name] for name in ("form", "about", "who")]
    assert all(field.disabled for form in forms for field in form.fields.values())
    assert viewer.get(ADD).status_code == 403
    urls = [ADD, PREVIEW, *(page_of(rule, what) for what in ("change", "turn", "copy", "delete"))]
    assert {viewer.post(url, {"active": "0"}).status_code for url in urls} == {403}
    assert Rule.objects.get().updated_by == "anna"


def test_the_calendar_counts_days_of_the_shop_s_own_weeks():
    zone = ZoneInfo("UTC")
    monday = datetime(2026, 5, 4, tzinfo=zone)
    weeks = [monday.date() + timedelta(weeks=n) for n in range(3)]
    rule = Rule(starts_at=monday + timedelta(days=2, hours=9), ends_at=monday + timedelta(days=9))
    with timezone.override(zone):
        assert [(week.first, week.days) for week in weeks_of(rule, weeks)] == [(2, 5), (0, 2), (0, 0)]
        assert [week.days for week in weeks_of(Rule(), weeks)] == [7, 7, 7]
        assert state_of(rule, monday) == "planned"
        assert state_of(rule, monday + timedelta(days=9)) == "over"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"action": "boost", "product": "1", "weight": 3.0},
            "Makes Oat milk 3 times as likely on all placements",
        ),
        ({"action": "hide", "product": "9"}, "Hides 9 on all placements"),
        (
            {
                "action": "filter",
                "condition": {"feature": "price", "op": "lt", "value": 5},
                "placement": "home",
            },
            "Shows nothing but products whose price is less than 5 on home",
        ),
        (
            {
                "action": "share",
                "share": 0.25,
                "condition": {"feature": "brand", "op": "in", "value": ["A", "B"]},
                "segment": {"who": "guest"},
            },
            "Gives 25 % of the list to products whose brand is one of A, B on all placements, for guests",
        ),
    ],
)
def test_a_rule_is_said_in_a_sentence(fields, said):
    assert sentence(Rule(name="x", **fields), {"1": "Oat milk"}) == said
