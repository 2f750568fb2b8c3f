"""The dashboard answers from rows by day, in few queries, for whoever may look."""

from __future__ import annotations

import csv
import io
import re
import statistics
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin import AdminSite
from django.urls import clear_script_prefix, include, path, reverse, set_script_prefix
from django.utils import timezone

from metarec_plugin.admin.dashboard.page import DashboardAdmin
from metarec_plugin.admin.dashboard.words import revenue_words
from metarec_plugin.feedback.dashboard import read
from metarec_plugin.feedback.span import span_of
from metarec_plugin.models import AnswerDay, Dashboard, Event, EventDay, ModelVersion, Placement, TrainingRun
from tests.feedback.boards import counted, drifts, listed, today, version, working

MOST_QUERIES = 9  # session, user, two of permissions, and five of the board


def url(query: str = "") -> str:
    return reverse("admin:metarec_dashboard_changelist") + query


def page(client, query: str = "") -> str:
    answer = client.get(url(query))
    assert answer.status_code == 200
    return answer.content.decode()


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


@pytest.mark.parametrize("days", [7, 28, 90])
def test_few_queries_for_a_viewer_whatever_is_there(viewer, days, django_assert_max_num_queries):
    working()
    current = version(is_current=True, previous=version(promoted_at=timezone.now()))
    drifts(current, 0.3)
    Placement.objects.create(name="home", options={"strategies": ["popular"]})
    TrainingRun.objects.create(budget_seconds=1, state="failed", error="Nothing to learn from")
    with django_assert_max_num_queries(MOST_QUERIES):
        found = page(viewer, f"?days={days}")
    assert found.count("<figure") == 9 - 1  # nothing was refused, so one picture is not there


def test_few_queries_with_nothing_at_all(viewer, django_assert_max_num_queries):
    with django_assert_max_num_queries(MOST_QUERIES):
        assert "Step 1 of 4" in page(viewer)


def test_each_empty_state_names_the_step_that_is_missing(viewer):
    assert "metarec_sync --full" in page(viewer)
    Event.objects.create(event_id="1", subject="user:1", kind="purchase", product="p", at=timezone.now())
    assert "Step 2 of 4" in page(viewer)
    assert "manage.py metarec_train" in page(viewer)
    version(is_current=True)
    assert "Step 3 of 4" in page(viewer)
    assert "metarec_rollup" in page(viewer)
    counted()
    assert "Step 4 of 4" in page(viewer)
    assert "recommend placement=" in page(viewer)
    AnswerDay.objects.create(day=today(), placement="home", stage="adapted", ms=10, answers=5)
    assert "of 4" not in page(viewer)


def test_a_shop_that_works_is_said_to_work_and_to_be_better(viewer):
    working()
    version(is_current=True)
    said = words(page(viewer))
    assert "Yes. Events arrive, a model is served, and lists are answered." in said
    assert "+20 % [+10, +30] better than a list of what is popular" in said
    assert "Nothing. It works" in said
    assert "It is the first version that was served." in said


def test_figures_are_sums_of_the_days_asked_for(viewer):
    working()
    version(is_current=True)
    rows = exported(viewer, "?days=7&export=rates")
    home = next(row for row in rows if row[0] == "home")
    assert float(home[1]) == pytest.approx(0.1)  # 40 of 400
    assert float(home[2]) < 0.1 < float(home[3])
    assert home[-1] == "2800"
    assert exported(viewer, "?days=28&export=rates")[1][-1] == str(28 * 400)
    flow = exported(viewer, "?days=7&export=events")
    assert flow[0] == ["\ufeffDay", "view", "click", "basket", "purchase"]
    assert [row[1:] for row in flow[1:]] == [["1000", "500", "333", "250"]] * 7
    assert len(exported(viewer, "?days=90&export=events")) == 1 + 13  # by week


def exported(client, query: str) -> list[list[str]]:
    answer = client.get(url(query))
    assert answer["Content-Type"].startswith("text/csv")
    assert "attachment" in answer["Content-Disposition"]
    return list(csv.reader(io.StringIO(answer.content.decode())))


def test_each_picture_is_exported_and_none_runs_as_a_formula(viewer):
    working(days=3)
    version(is_current=True)
    EventDay.objects.create(day=today(), kind="=cmd()", source="api", events=9_999)
    EventDay.objects.create(day=today(), kind="view", source="api", refused="@bad", events=5)
    keys = re.findall(r'href="\?days=28&amp;export=(\w+)"', page(viewer))
    assert keys == [
        "gain",
        "live",
        "events",
        "refused",
        "rates",
        "revenue",
        "coverage",
        "latency",
        "fallbacks",
    ]
    for key in keys:
        rows = exported(viewer, f"?days=28&export={key}")
        assert len(rows) > 1
        assert not [cell for row in rows for cell in row if cell.startswith(("=", "@", "+", "\t"))]
    assert viewer.get(url("?export=nothing")).status_code == 200  # the page


def test_what_a_shopper_sent_is_escaped(viewer):
    working(days=2)
    EventDay.objects.create(day=today(), kind="<script>x</script>", source="api", events=9_999)
    EventDay.objects.create(day=today(), kind="", source="api", refused='"><img>', events=50)
    found = page(viewer)
    assert "<script>x" not in found
    assert "<img>" not in found
    assert "&lt;script&gt;x" in found


def test_versions_of_different_data_are_not_compared(viewer):
    working(days=2)
    before = version(promoted_at=timezone.now(), data_hash="b" * 64)
    version(is_current=True, previous=before)
    said = words(page(viewer))
    assert "was tested on other data (bbbbbbbb, not aaaaaaaa)" in said
    assert "surely between" not in said


def test_versions_of_the_same_data_are_compared_with_an_interval(viewer):
    working(days=2)
    worse = {"test": {str(k): {"ndcg20": 0.10, "se": 0.002} for k in (1, 2, 3, 5, 10)}}
    version(is_current=True, previous=version(promoted_at=timezone.now(), metrics=worse))
    # 1.96 * sqrt(0.002^2 + 0.002^2) to each side of 0.02
    assert "a difference of +0.0200, surely between +0.0145 and +0.0255" in words(page(viewer))


def test_a_baseline_that_is_served_is_called_one_and_the_reason_is_said(viewer):
    working(days=2)
    version(is_current=True, learner="item_knn", state="baseline", verdict={})
    version(state="insufficient", verdict={"state": "insufficient", "shoppers": 72, "comparisons": []})
    said = words(page(viewer))
    assert "item_knn is served, which is a baseline itself" in said
    assert "could be tested on 72 shoppers only, and 100 are needed" in said
    assert "a learned model that passed: item_knn, a baseline, stands in" in said


def test_a_version_that_could_not_be_tested_is_said_to_lack_shoppers(viewer):
    working(days=2)
    version(
        is_current=True,
        state="insufficient",
        verdict={"state": "insufficient", "shoppers": 72, "comparisons": []},
    )
    said = words(page(viewer))
    assert "mixture is served, but could be tested on 72 shoppers only, and 100 are needed" in said
    assert "without a verdict" not in said


def test_placements_say_what_they_answer_lack_and_promise(viewer):
    working(days=2, placements=("home",))
    version(is_current=True)
    said = words(page(viewer))
    assert "home 600 66.7 %" in said  # of 300 lists a day 200 adapted
    assert "20.0 % better than what is popular (10.0 % to 30.0 %)" in said
    assert "orders with more than one product" in said  # the version has no part for them
    assert "recommend placement=&quot;product&quot; context=product" in said


def test_a_merchants_own_strategies_count(viewer):
    working(days=2)
    Placement.objects.create(name="shelf", options={"strategies": ["again"]})
    AnswerDay.objects.create(day=today(), placement="shelf", stage="adapted", ms=8, answers=10)
    version(is_current=True)
    assert "shoppers who bought a product twice" in words(page(viewer))


def test_drift_beyond_chance_asks_for_training_and_within_it_for_nothing(viewer):
    working(days=2)
    current = version(is_current=True)
    drifts(current, 0.11)
    assert "Train again" not in words(page(viewer))
    assert "steady" in words(page(viewer))
    ModelVersion.objects.filter(pk=current.pk).update(is_current=False, promoted_at=timezone.now())
    version(is_current=True)  # the drift of another version says nothing of this one
    assert "is not measured yet" in words(page(viewer))


def test_live_figures_are_held_against_as_many_days_before(viewer):
    working(days=7)
    version(is_current=True)
    assert "before" not in exported(viewer, "?days=7&export=live")[0]
    day = today() - timedelta(days=10)
    listed(day, "home", clicks=4, clicks_sq=4, clicks_slates=8).save()
    head, clicked, *_rest = exported(viewer, "?days=7&export=live")
    assert head[1:] == [
        "These days",
        "low",
        "high",
        "The days before",
        "low",
        "high",
        "Change",
        "low",
        "high",
    ]
    assert [float(clicked[i]) for i in (1, 4, 7)] == pytest.approx([0.1, 0.01, 0.09])


@pytest.mark.parametrize("days", [7, 28, 90])
def test_the_same_revenue_on_each_day_is_never_said_to_be_more_or_less(days, db):
    """Not half an hour into a day, and not against days on which there was no list yet."""
    now = datetime(2026, 11, 26, 0, 30, tzinfo=UTC)
    span = span_of(days, now.date())
    counted(now)
    told = set()
    for back in range(1, 2 * span.compared + 2):
        listed(now.date() - timedelta(days=back), "home", revenue=10_000.0, revenue_sq=200_000.0).save()
        if back % 7 < 2 or back > 2 * span.compared - 2:
            told.add(revenue_words(read(days, now=now))["verdict"])
    (early,) = (each for each in told if "cannot be said yet" in each)
    (late,) = told - {early}
    assert f"for {span.compared} whole days, and for {span.compared} more before these" in early
    money = f"{10_000 * span.compared:,}.00"
    assert f"The {span.compared} whole days up to yesterday: {money};" in late
    assert f"before them: {money}. The difference may be chance." in late


@pytest.mark.parametrize(
    ("factor", "says"), [(0.5, "That is less, and not by chance."), (2.0, "That is more, and not by chance.")]
)
def test_revenue_that_differs_beyond_chance_is_said_to_once_yesterday_is_counted(factor, says, db):
    now = datetime(2026, 11, 26, 0, 30, tzinfo=UTC)
    for back in range(16):  # today counts for neither time
        money = {0: 1e6}.get(back, 1_000.0 * (factor if back <= 7 else 1.0))
        listed(now.date() - timedelta(days=back), "home", revenue=money, revenue_sq=20.0 * money).save()
    counted(now - timedelta(hours=1))
    assert "yesterday is not counted to its end" in revenue_words(read(7, now=now))["verdict"]
    counted(now)
    verdict = revenue_words(read(7, now=now))["verdict"]
    assert f"yesterday: {7_000 * factor:,.2f}; the 7 days before them: 7,000.00. {says}" in verdict


def test_a_time_that_is_not_offered_is_the_usual_one(viewer):
    for wrong in ("?days=5000", "?days=-1", "?days=x", "?days=７"):
        assert 'href="?days=28" aria-current="true"' in page(viewer, wrong)


def test_the_way_back_is_there_once_there_is_something_to_go_back_to(viewer):
    working(days=2)
    current = version(is_current=True)
    assert "Undo it" not in page(viewer)
    current.previous = version(promoted_at=timezone.now())
    current.save()
    assert re.search(r'<a href="[^"]*/modelversion/">Undo it', page(viewer))


def test_nobody_else_sees_it_and_nothing_is_written(nobody, viewer, django_assert_max_num_queries):
    assert nobody.get(url()).status_code == 403
    assert viewer.post(url(), {"days": 7}).status_code in (200, 403, 405)
    assert not AnswerDay.objects.exists()


def test_a_site_of_the_shop_s_own_that_has_this_page_alone_shows_it(person, settings):
    site = AdminSite("office")
    site.register(Dashboard, DashboardAdmin)
    boss = person("boss", superuser=True)
    settings.ROOT_URLCONF = (path("office/", site.urls), path("metarec/", include("metarec_plugin.urls")))
    working(days=2)
    weeks_ago = timezone.now() - timedelta(days=14)
    version(is_current=True, created=weeks_ago, previous=version(promoted_at=weeks_ago))
    drifts(ModelVersion.objects.get(is_current=True), 0.5)
    answer = boss.get("/office/metarec/dashboard/")
    assert answer.status_code == 200
    found = answer.content.decode()
    assert "Train again" in words(found)
    assert not re.findall(r'(?:href|action)="/admin/', found)
    assert "Undo it" not in found  # no page that could do it is there


def test_links_are_of_the_folder_that_the_site_is_asked_under(viewer):
    assert 'href="/admin/metarec/event/"' in page(viewer)
    set_script_prefix("/shop/")
    try:
        below = viewer.get("/admin/metarec/dashboard/").content.decode()
    finally:
        clear_script_prefix()
    assert 'href="/admin/' not in below
    assert 'href="/shop/admin/metarec/event/"' in below
    assert 'href="/admin/metarec/event/"' in page(viewer)


def test_nothing_in_the_page_asks_a_strict_policy_for_an_exception(viewer):
    working(days=2)
    version(is_current=True)
    found = page(viewer)
    assert not re.findall(r"<[^>]+\sstyle=|<style|\son[a-z]+=|<script>|javascript:", found)


def test_it_costs_no_multiple_of_the_bare_index(viewer):
    """Both times are printed. That it is under twice is measured on PostgreSQL, alone: tests.bench.panel."""
    working(days=60)
    version(is_current=True, previous=version(promoted_at=timezone.now()))
    index, board = seconds(viewer, reverse("admin:index"), url())
    print(f"\nadmin index {1e3 * index:.1f} ms, dashboard {1e3 * board:.1f} ms, ratio {board / index:.2f}")
    assert board < 4 * index


def seconds(client, *addresses: str, times: int = 5) -> list[float]:
    """Processor time of each address, the medians of requests in turns."""
    taken: dict[str, list[float]] = {address: [] for address in addresses}
    for _ in range(times + 1):
        for address in addresses:
            began = time.process_time()
            assert client.get(address).status_code == 200
            taken[address].append(time.process_time() - began)
    return [statistics.median(each[1:]) for each in taken.values()]
