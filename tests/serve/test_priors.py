"""`recommend()` with what is known beside products: for members who declare something, and by the moment."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import override_settings

from metarec_plugin.models import ContextDay
from metarec_plugin.placements import PlacementConfig
from metarec_plugin.serve import priors as serving
from metarec_plugin.serve import recommend
from metarec_plugin.serve.current import get_model
from metarec_plugin.serve.priors import known_scores
from metarec_plugin.serve.privacy import keep_private
from metarec_plugin.serve.question import read_question
from shop.models import Customer
from tests.serve.test_recommend import keys_of, ranked, saw
from tests.settings import METAREC

NORTH, SOUTH = list(range(40, 50)), list(range(50, 60))  # products that are taken there
FADING = {"fading_k": np.array([0, 2], dtype="f4"), "fading": np.array([1.0, 0.0], dtype="f4")}


def rows(group: str, **values: tuple[str, list[int]]) -> dict[str, np.ndarray]:
    """A group with one row for each (field, products that the value asks for)."""
    products = [place for _, places in values.values() for place in places]
    own = {
        "fields": np.array([field.encode() for field, _ in values.values()]),
        "values": np.array([value.encode() for value in values]),
        "uppers": np.zeros(len(values), dtype="f4"),
        "indptr": np.cumsum([0, *(len(places) for _, places in values.values())]).astype("i4"),
        "products": np.array(products, dtype="i4"),
        "ratios": np.full(len(products), 20.0, dtype="f4"),
        **FADING,
    }
    return {f"{group}.{name}": array for name, array in own.items()}


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(serving, "_today", serving._Today())


@pytest.fixture
def by_region(publish):
    region = rows("subject", north=("region", NORTH), south=("region", SOUTH))
    return publish(change=lambda arrays: arrays.update(region))


@pytest.fixture
def member(db):
    def make(region: str) -> User:
        user = User.objects.create_user(f"from-{region}")
        Customer.objects.update_or_create(user=user, defaults={"region": region})
        return user

    return make


@pytest.fixture
def logged_in(visit, member):
    def make(region: str, consent: str = "session", seen=()):
        request = visit(seen, consent=consent)
        request.user = member(region)
        return request

    return make


def places(slate, keys) -> set[int]:
    return {keys.index(key) for key in keys_of(slate)}


def test_members_who_declare_different_things_are_shown_different_lists_before_the_first_click(
    by_region, logged_in, keys
):
    north, south = (recommend(logged_in(region), placement="home") for region in ("north", "south"))
    assert (places(north, keys), places(south, keys)) == (set(NORTH), set(SOUTH))
    assert (north.stage, south.stage) == ("popular", "popular")


@pytest.mark.parametrize("who", ["a visitor", "a member who declares nothing", "consent is none"])
def test_nobody_else_is_shown_anything_but_the_prior(by_region, visit, logged_in, who):
    request = {
        "a visitor": lambda: visit(),
        "a member who declares nothing": lambda: logged_in(""),
        "consent is none": lambda: logged_in("north", consent="none"),
    }[who]()
    assert keys_of(recommend(request, placement="home")) == ranked([], 10, lift=0)


@pytest.mark.parametrize("agreed", [False, True])
def test_what_a_member_declared_does_not_count_for_who_opted_out_unless_they_agreed_to_it(
    by_region, logged_in, keys, agreed
):
    levels = {"CONSENT": "full", "GLOBAL_PRIVACY_CONTROL": "full"} if agreed else {"CONSENT": "full"}
    request = logged_in("north")
    request.META["HTTP_SEC_GPC"] = "1"
    with override_settings(METAREC={**METAREC, **levels}):
        shown = recommend(request, placement="home")
    assert keys_of(shown) == ranked([], 10, lift=0) if not agreed else places(shown, keys) == set(NORTH)


def test_it_fades_as_products_become_known(by_region, logged_in, keys):
    one = recommend(logged_in("north", seen=keys[3:4]), placement="home")
    assert places(one, keys) == set(NORTH)
    assert one.stage == "adapted"
    two = recommend(logged_in("south", seen=keys[3:5]), placement="home")
    assert keys_of(two) == ranked(keys[3:5], 10, lift=0.5)


def test_a_page_that_is_the_same_for_all_stays_so(by_region, logged_in, products, keys):
    request = logged_in("north")
    assert not set(NORTH) & places(recommend(request, placement="product", context=products[7], k=2), keys)
    assert keep_cache_headers(request) == {}


def test_a_members_own_list_is_not_for_shared_caches(by_region, logged_in):
    request = logged_in("north")
    recommend(request, placement="home")
    assert keep_cache_headers(request) == {"Cache-Control": "private", "Vary": "Cookie"}


def keep_cache_headers(request) -> dict[str, str]:
    response = HttpResponse()
    keep_private(request, response)
    return {name: value for name, value in response.items() if name in ("Cache-Control", "Vary")}


def test_the_declared_features_cost_one_query_a_request(by_region, logged_in, django_assert_num_queries):
    request = logged_in("north")
    get_model()
    with django_assert_num_queries(3):  # the pointer, the member's features, the products
        recommend(request, placement="home")
    with django_assert_num_queries(2):  # the features are known by now
        recommend(request, placement="home")


def test_a_subject_outside_a_request_has_features_too(by_region, member, keys):
    user = member("south")
    assert places(recommend(f"user:{user.pk}", placement="home"), keys) == set(SOUTH)
    assert keys_of(recommend(f"user:{user.pk + 1}", placement="home")) == ranked([], 10, lift=0)


def test_a_ranking_that_a_worker_left_is_not_used_where_more_is_known(by_region, member, keys):
    from tests.serve.test_recommend import left, newest_event

    user = member("north")
    saw(f"user:{user.pk}", keys[3])
    left(f"user:{user.pk}", str(by_region.pk), keys[20:40], newest_event(f"user:{user.pk}"))
    assert places(recommend(f"user:{user.pk}", placement="home"), keys) == set(NORTH)


def test_it_can_be_switched_off_at_once(by_region, logged_in):
    with override_settings(METAREC={**METAREC, "SUBJECT_PRIOR": "off"}):
        assert keys_of(recommend(logged_in("north"), placement="home")) == ranked([], 10, lift=0)


# The moment

SATURDAY, MONDAY = datetime(2026, 7, 4, 12, tzinfo=UTC), datetime(2026, 7, 6, 12, tzinfo=UTC)


@pytest.fixture
def clock(monkeypatch):
    def set_to(moment: datetime) -> None:
        monkeypatch.setattr(serving.time, "time", moment.timestamp)

    return set_to


def test_what_is_taken_on_saturdays_is_shown_on_saturdays_to_everybody(publish, visit, keys, clock):
    publish(change=lambda arrays: arrays.update(rows("context", Saturday=("weekday", NORTH))))
    clock(SATURDAY)
    assert places(recommend(visit(), placement="home"), keys) == set(NORTH)
    assert places(recommend(visit(consent="none"), placement="home"), keys) == set(NORTH)
    clock(MONDAY)
    assert keys_of(recommend(visit(), placement="home")) == ranked([], 10, lift=0)
    with override_settings(METAREC={**METAREC, "CONTEXT_PRIOR": "off"}):
        clock(SATURDAY)
        assert keys_of(recommend(visit(), placement="home")) == ranked([], 10, lift=0)


def test_the_days_imported_value_is_asked_for_once_in_a_while(
    publish, visit, keys, clock, django_assert_num_queries
):
    publish(change=lambda arrays: arrays.update(rows("context", rain=("weather", SOUTH))))
    ContextDay.objects.create(day=date(2026, 7, 4), name="weather", value="rain")
    clock(SATURDAY)
    get_model()
    with django_assert_num_queries(3):  # the pointer, the day, the products
        assert places(recommend(visit(), placement="home"), keys) == set(SOUTH)
    with django_assert_num_queries(2):
        recommend(visit(), placement="home")
    clock(MONDAY)
    assert keys_of(recommend(visit(), placement="home")) == ranked([], 10, lift=0)


def test_both_are_added_up_and_stay_probabilities(publish, logged_in, keys):
    both = {**rows("subject", north=("region", NORTH)), **rows("context", Saturday=("weekday", [40]))}
    publish(change=lambda arrays: arrays.update(both))
    model = get_model()
    question = read_question(logged_in("north"), 10, "home", PlacementConfig(), (), ())
    nothing = np.empty(0, dtype=np.int64)
    scores = known_scores(model.scores(nothing), model, question, 0, SATURDAY.timestamp())
    assert scores.argmax() == 40
    assert np.exp(scores).sum() == pytest.approx(1.0, abs=1e-4)
    assert scores[40] - scores[41] == pytest.approx(20 + model.log_prior[40] - model.log_prior[41], abs=1e-3)
