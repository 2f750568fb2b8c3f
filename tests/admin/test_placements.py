"""Placements in the panel: where values come from, a form that never writes over another's change, and the way back."""

from __future__ import annotations

import pytest
from django.urls import reverse

from metarec_plugin.conf import get_config
from metarec_plugin.models import Event, Placement, PlacementRevision
from metarec_plugin.serve import policy
from metarec_plugin.serve.placements import save_placement
from shop.models import Category, Department, Product
from tests.admin.merchant import audited, sent, words

LIST = reverse("admin:metarec_placement_changelist")
HOME = reverse("admin:metarec_placement_form", args=["home"])
PREVIEW = reverse("admin:metarec_placement_preview", args=["home"])
REVISIONS = reverse("admin:metarec_placement_revisions", args=["home"])


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


def opened(client, url=HOME) -> dict:
    context = client.get(url).context
    return sent(context["form"], context["filters"])


def test_all_placements_are_listed_with_where_their_values_come_from(viewer, settings):
    settings.METAREC = {**settings.METAREC, "PLACEMENTS": {"cellar": {"size": 3}}}
    save_placement("home", {"size": 8}, by="anna")
    answer = viewer.get(LIST)
    by_name = {each["name"]: each for each in answer.context["placements"]}
    assert set(by_name) == set(get_config().placements)
    sources = {
        name: {str(option["label"]): option["source"] for option in each["options"]}
        for name, each in by_name.items()
    }
    size = "Products in the list"
    assert [sources[name][size] for name in ("home", "cellar", "basket")] == [
        "this page",
        "settings",
        "comes along",
    ]


def test_the_list_asks_few_queries(viewer, django_assert_max_num_queries):
    for name in ("home", "basket", "a", "b"):
        save_placement(name, {"size": 4})
    with django_assert_max_num_queries(8):
        viewer.get(LIST)


def test_saving_keeps_only_what_was_set_and_is_noted(operator):
    data = opened(operator) | {
        "size": "7",
        "lift": "0.3",
        "source_1": "popular",
        "source_2": "newest",
        "repeats": "None",
        "dedupe": "False",
        "diversity": "0.5",
        "diversity_by": "brand",
        "weight_price": "0.25",
        "filters-0-feature": "brand",
        "filters-0-op": "in",
        "filters-0-value": "Acme; Best",
        "filters-1-feature": "price",
        "filters-1-op": "lt",
        "filters-1-value": "9.5",
    }
    assert operator.post(HOME, data).status_code == 302
    row = Placement.objects.get(name="home")
    assert row.options == {
        "size": 7,
        "lift": 0.3,
        "strategies": ["popular", "newest"],
        "repeats": None,
        "dedupe": False,
        "diversity": 0.5,
        "diversity_by": "brand",
        "objective": {"price": 0.25},
        "filters": [
            {"feature": "brand", "op": "in", "value": ["Acme", "Best"]},
            {"feature": "price", "op": "lt", "value": 9.5},
        ],
    }
    assert (row.revision, row.updated_by) == (1, "operator")
    [(who, what)] = audited()
    assert who == "operator"
    assert "Products in the list: as in the settings → 7" in what
    assert operator.post(HOME, opened(operator)).status_code == 302  # as it is shown, so it is kept
    assert Placement.objects.get(name="home").options == row.options


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"size": "0"}, "greater than or equal to 1"),
        ({"lift": "2"}, "less than or equal to 1"),
        ({"lift_how": "own", "lift": ""}, "Write a number from 0 to 1."),
        ({"source_1": "popular", "source_2": "popular"}, "Each source once"),
        ({"filters-0-feature": "price", "filters-0-op": "lt", "filters-0-value": "much"}, "not a number"),
        ({"filters-0-feature": "brand", "filters-0-op": "eq", "filters-0-value": ""}, "compared with"),
        ({"diversity": "0.5"}, "diversity_by is a category"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_kept(operator, wrong, said):
    answer = operator.post(HOME, opened(operator) | wrong)
    assert answer.status_code == 200
    assert said in words(answer)
    assert not Placement.objects.exists()


def test_a_stale_form_is_refused_in_words_and_the_input_is_kept(operator):
    data = opened(operator) | {"size": "7"}
    save_placement("home", {"size": 4}, by="berta")
    answer = operator.post(HOME, data)
    assert answer.status_code == 409
    assert "berta changed it" in words(answer)
    assert answer.context["form"]["size"].value() == "7"
    assert Placement.objects.get(name="home").options == {"size": 4}
    again = sent(answer.context["form"], answer.context["filters"])
    assert operator.post(HOME, again).status_code == 302  # told of it, and saved once more
    assert Placement.objects.get(name="home").options["size"] == 7


def test_each_revision_is_told_and_can_be_restored(operator):
    for size in (4, 6):
        save_placement("home", {"size": size}, by="anna")
    page = words(operator.get(REVISIONS))
    assert "Products in the list: 4 → 6" in page
    assert operator.get(REVISIONS, {"restore": 1, "revision": 2}).status_code == 200
    assert Placement.objects.get(name="home").revision == 2  # nothing by GET
    operator.post(REVISIONS, {"restore": "1", "revision": "2"})
    row = Placement.objects.get(name="home")
    assert (row.options, row.revision, row.updated_by) == ({"size": 4}, 3, "operator")
    assert audited() == [("operator", "Revision 1 was restored as revision 3.")]
    answer = operator.post(REVISIONS, {"restore": "2", "revision": "2"}, follow=True)
    assert "operator changed it" in words(answer)  # made from a page that is out of date
    assert PlacementRevision.objects.count() == 3


def test_a_new_placement_has_a_name_of_its_own(operator):
    url = reverse("admin:metarec_placement_new")
    assert operator.post(url, opened(operator, url) | {"name": "cellar", "size": "3"}).status_code == 302
    assert Placement.objects.get(name="cellar").options == {"size": 3}
    for taken in ("cellar", "home"):
        answer = operator.post(url, opened(operator, url) | {"name": taken})
        assert "There is a placement of this name" in words(answer)


def test_the_preview_shows_real_lists_and_stores_nothing(operator, products):
    key = str(products[0].pk)
    Event.objects.create(event_id="1", subject="user:5", kind="view", product=key, at="2026-01-01T00:00Z")
    answer = operator.post(PREVIEW, opened(operator) | {"size": "3", "source_1": "newest"})
    page = words(answer)
    assert "Member 5" in page
    assert "A guest" in page
    assert [len(each["lists"].after) for each in answer.context["preview"]["lists"]] == [3, 3]
    assert [len(each["lists"].before) for each in answer.context["preview"]["lists"]] == [10, 10]
    assert not Placement.objects.exists()
    assert audited() == []
    same = operator.post(PREVIEW, opened(operator))
    assert same.context["preview"]["changed"] == 0


def test_the_preview_of_what_cannot_be_says_so(operator, products):
    answer = operator.post(PREVIEW, opened(operator) | {"size": "900"})
    assert "Products in the list: Ensure this value" in words(answer)


def test_the_button_works_without_scripts(operator, products):
    answer = operator.post(HOME, opened(operator) | {"size": "3", "_preview": "1"})
    assert answer.status_code == 200
    assert answer.context["preview"]["changed"] == 1
    assert answer.context["form"]["size"].value() == "3"
    assert not Placement.objects.exists()


def test_a_viewer_looks_and_changes_nothing(viewer):
    save_placement("home", {"size": 4})
    answer = viewer.get(HOME)
    forms = [answer.context["form"], *answer.context["filters"]]
    assert all(field.disabled for form in forms for field in form.fields.values())
    assert "Restore" not in words(viewer.get(REVISIONS))
    for url in (HOME, PREVIEW, REVISIONS, reverse("admin:metarec_placement_new")):
        assert viewer.post(url, {"size": 1, "revision": 1, "restore": 1}).status_code == 403
    assert Placement.objects.get(name="home").revision == 1


def test_a_placement_that_there_is_not_is_not_found(operator):
    assert operator.get(reverse("admin:metarec_placement_form", args=["nowhere"])).status_code == 404


def test_the_admin_s_own_links_lead_to_the_form(operator):
    row = save_placement("home", {})
    answer = operator.get(reverse("admin:metarec_placement_change", args=[row.pk]))
    assert answer["Location"] == HOME
