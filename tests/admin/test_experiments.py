"""Experiments in the panel: drafted, started and stopped by those who may, and the split told before the verdict."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from metarec_plugin.admin.experiments import report as admin_report
from metarec_plugin.feedback import kept_reports, reporting
from metarec_plugin.feedback.planning import plan_of
from metarec_plugin.feedback.power import subjects_for_rate
from metarec_plugin.feedback.reporting import report
from metarec_plugin.models import Experiment, PlacementDay, Pulse
from metarec_plugin.serve import policy
from tests.admin.merchant import audited, sent, words
from tests.feedback.logs import draft, filled

LIST = reverse("admin:metarec_experiment_changelist")
ADD = reverse("admin:metarec_experiment_add")


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch):
    monkeypatch.setattr(policy, "_kept", policy._Kept())
    cache.clear()


def page_of(row, what="report") -> str:
    return reverse(f"admin:metarec_experiment_{what}", args=[row.pk])


def opened(client, url=ADD) -> dict:
    context = client.get(url).context
    found = {"variants": len(context["variants"])} | sent(context["form"])
    for form in context["variants"]:
        found |= sent(form)
    return found


def filled_in(client) -> dict:
    return opened(client) | {
        "name": "bold-home",
        "placement": "home",
        "horizon": "1000",
        "variant-1-variant": "bold",
        "variant-1-lift": "0.6",
        "variant-1-size": "6",
    }


def shown(placement="home", **fields) -> None:
    for day in range(1, 8):
        PlacementDay.objects.create(
            day=timezone.localdate() - timedelta(days=day), placement=placement, subjects=1000, **fields
        )


def test_a_draft_is_written_and_changed_and_shown_as_it_is_kept(operator):
    answer = operator.post(ADD, filled_in(operator))
    row = Experiment.objects.get()
    assert answer["Location"] == page_of(row)
    assert row.variants == [
        {"name": "control", "share": 0.5},
        {"name": "bold", "share": 0.5, "options": {"size": 6, "lift": 0.6}},
    ]
    assert (row.state, row.horizon, row.goal, row.updated_by) == ("draft", 1000, "conversion", "operator")
    url = page_of(row, "change")
    assert operator.post(url, opened(operator, url) | {"goal": "click"}).status_code == 302
    again = Experiment.objects.get()
    assert (again.variants, again.goal) == (row.variants, "click")
    assert audited() == [("operator", "Draft saved")] * 2


def test_conditions_of_a_variant_that_the_form_does_not_show_are_kept(operator):
    filters = [{"feature": "brand", "op": "eq", "value": "Acme"}]
    row = draft(
        variants=[
            {"name": "control", "share": 0.5},
            {"name": "bold", "share": 0.5, "options": {"filters": filters}},
        ]
    )
    url = page_of(row, "change")
    assert operator.post(url, opened(operator, url) | {"horizon": "50"}).status_code == 302
    assert Experiment.objects.get().variants[1]["options"] == {"filters": filters}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"horizon": "0"}, "Say after how many shoppers it is read"),
        ({"variant-1-variant": ""}, "Give it a name."),
        ({"variant-1-share": "0.7"}, "add up to at most 1"),
        ({"variant-1-variant": "control"}, "a name of its own"),
        ({"variant-1-share": ""}, "Say which share"),
        ({"variant-1-diversity": "0.5"}, "diversity_by is a category"),
        (
            {"variant-1-variant": "", "variant-1-share": "", "variant-1-lift": "", "variant-1-size": ""},
            "at least two",
        ),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_kept(operator, wrong, said):
    answer = operator.post(ADD, filled_in(operator) | wrong)
    assert answer.status_code == 200
    assert said in words(answer)
    assert not Experiment.objects.exists()


def test_only_a_draft_can_be_changed(operator):
    row = filled(5, 5, horizon=100)
    answer = operator.post(page_of(row, "change"), {"name": "other"}, follow=True)
    assert "only a draft can be changed" in words(answer)
    assert Experiment.objects.get().name == row.name


def test_a_stale_draft_is_refused_and_the_input_is_kept(operator):
    operator.post(ADD, filled_in(operator))
    row = Experiment.objects.get()
    url = page_of(row, "change")
    data = opened(operator, url) | {"horizon": "77"}
    Experiment.objects.update(updated_at=timezone.now(), updated_by="berta", horizon=5)
    answer = operator.post(url, data)
    assert answer.status_code == 409
    assert "berta changed this experiment" in words(answer)
    assert answer.context["form"]["horizon"].value() == "77"
    assert Experiment.objects.get().horizon == 5


def test_start_and_stop_are_posts_from_a_page_that_is_not_out_of_date(operator):
    operator.post(ADD, filled_in(operator))
    row = Experiment.objects.get()
    stamp = row.updated_at.isoformat()
    assert operator.get(page_of(row, "start")).status_code == 404
    assert "Not done" in words(operator.post(page_of(row, "start"), {"made_from": "x"}, follow=True))
    assert Experiment.objects.get().state == "draft"
    operator.post(page_of(row, "start"), {"made_from": stamp})
    running = Experiment.objects.get()
    assert (running.state, running.updated_by) == ("running", "operator")
    assert operator.get(page_of(row, "stop")).status_code == 200  # the question
    assert "Not done" in words(operator.post(page_of(row, "stop"), {"made_from": stamp}, follow=True))
    assert Experiment.objects.get().state == "running"
    operator.post(page_of(row, "stop"), {"made_from": running.updated_at.isoformat()})
    assert Experiment.objects.get().state == "stopped"
    assert [what for _who, what in audited()] == ["Draft saved", "Started", "Stopped"]


def test_a_second_experiment_on_a_placement_is_refused_in_words(operator):
    running = filled(5, 5, horizon=100)
    other = draft(name="other", placement=running.placement)
    answer = operator.post(page_of(other, "start"), {"made_from": other.updated_at.isoformat()}, follow=True)
    assert "runs on placement" in words(answer)
    assert Experiment.objects.get(pk=other.pk).state == "draft"


def test_a_wrong_split_is_told_first_and_no_figure_is_shown(viewer):
    row = filled(140, 60, bought=(5, 50), horizon=100)
    answer = viewer.get(page_of(row))
    page = words(answer)
    assert page.index("is the split right?") < page.index("no figures are shown")
    assert "The split is wrong" in page
    assert answer.context["charts"] == []
    assert "below 0.1 %" not in page


def test_the_verdict_and_the_differences_with_their_intervals(viewer):
    row = filled(50, 50, bought=(5, 30), horizon=100)
    answer = viewer.get(page_of(row))
    page = words(answer)
    assert '<p class="metarec-verdict">bold is above control in conversion.</p>' in page
    rates = answer.context["charts"][0]
    [bold] = rates.columns
    at = list(rates.labels).index("Bought anything (decides)")
    assert at == 0
    assert bold.values[at] == pytest.approx(0.5)
    assert 0.3 < bold.low[at] < 0.5 < bold.high[at] < 0.7
    assert answer.context["tone"] == "metarec-good"
    csv = viewer.get(page_of(row), {"csv": "rates"}).content.decode()
    assert "Bought anything (decides)" in csv
    assert viewer.get(page_of(row), {"csv": "nothing"}).status_code == 404


def test_a_difference_for_the_worse_is_no_good_news(viewer):
    answer = viewer.get(page_of(filled(50, 50, bought=(30, 5), horizon=100)))
    assert "bold is below control in conversion." in words(answer)
    assert answer.context["tone"] == "metarec-bad"


def test_before_its_horizon_it_says_how_far_it_is(viewer):
    answer = viewer.get(page_of(filled(30, 30, bought=(2, 25), horizon=100)))
    assert "Too early: 60 of 100 subjects." in words(answer)
    assert 'value="60" max="100"' in words(answer)
    assert [chart.key for chart in answer.context["charts"]] == ["figures"]


def test_the_list_says_the_verdict_of_each_and_keeps_it_for_a_while(viewer, django_assert_max_num_queries):
    filled(50, 50, bought=(5, 30), horizon=100)
    assert "bold is above control in conversion." in words(viewer.get(LIST))
    with django_assert_max_num_queries(7):
        assert "bold is above control in conversion." in words(viewer.get(LIST))


def test_pages_of_a_large_one_read_what_a_task_kept(operator, monkeypatch, django_assert_max_num_queries):
    row = filled(50, 50, bought=(5, 30), horizon=100)
    monkeypatch.setattr(kept_reports, "LARGE", 60)
    with monkeypatch.context() as forbidden:
        for where in (kept_reports, admin_report):
            forbidden.setattr(where, "report", lambda row: pytest.fail("worked out while somebody waits"))
        for url in (LIST, page_of(row), page_of(row, "stop")):
            page = words(operator.get(url))
            assert "metarec.report_experiments" in page
            assert "bold is above control" not in page
        assert operator.get(page_of(row), {"csv": "rates"}).status_code == 404
        kept_reports.keep_reports()
        at = date_format(
            timezone.localtime(Pulse.objects.get(pk=f"experiment:{row.pk}").at), "DATETIME_FORMAT"
        )
        for url in (LIST, page_of(row), page_of(row, "stop")):
            with django_assert_max_num_queries(10):
                page = words(operator.get(url))
            assert "bold is above control in conversion." in page
            assert f"as of {at}" in page
        assert operator.get(page_of(row), {"csv": "rates"}).status_code == 200


def test_verdicts_and_the_words_in_them_are_translated(db, monkeypatch):
    said = {
        "%(variant)s is above %(control)s in %(goal)s": "%(variant)s über %(control)s: %(goal)s",
        "%(said)s.": "%(said)s!",
    }
    monkeypatch.setattr(reporting, "_", lambda text: said.get(text, text))
    monkeypatch.setitem(reporting.WORDS, "conversion", "Kauf")
    assert report(filled(50, 50, bought=(5, 30), horizon=100)).verdict == "bold über control: Kauf!"


def test_the_number_of_shoppers_is_planned_by_the_placement_s_own_record(operator):
    shown(clicks=50.0, clicks_sq=50.0)
    plan = plan_of("home", "click", [0.5, 0.5])
    assert plan.value == pytest.approx(0.05)
    [tenth] = [need for need in plan.needs if need.lift == 0.1]
    assert tenth.subjects == subjects_for_rate(0.05, 0.1)
    assert tenth.days == -(-tenth.subjects // 1000)
    assert plan_of("home", "conversion", [0.5, 0.5]).needs == ()
    answer = operator.post(ADD, filled_in(operator) | {"goal": "click", "_suggest": "1"})
    assert f"{tenth.subjects:,}" in words(answer)
    assert not Experiment.objects.exists()


def test_revenue_is_planned_by_its_own_spread(db):
    shown(revenue=2000.0, revenue_sq=40_000.0)
    even, odd = plan_of("home", "revenue", [0.5, 0.5]), plan_of("home", "revenue", [0.5, 0.25, 0.25])
    assert even.value == pytest.approx(2.0)
    assert [need.lift for need in even.needs] == [0.05, 0.1, 0.2, 0.4]
    assert odd.needs[0].subjects > even.needs[0].subjects  # more comparisons, smaller shares


def test_another_one_is_drafted_from_one_that_ran(operator):
    row = filled(5, 5, horizon=123)
    context = operator.get(ADD, {"like": row.pk}).context
    assert context["form"]["horizon"].value() == 123
    assert [form["variant"].value() for form in context["variants"]][:2] == ["control", "bold"]


def test_conditions_of_the_one_that_another_is_like_are_kept(operator):
    filters = [{"feature": "brand", "op": "eq", "value": "Acme"}]
    row = draft(
        variants=[
            {"name": "control", "share": 0.5},
            {"name": "bold", "share": 0.5, "options": {"filters": filters}},
        ]
    )
    url = f"{ADD}?like={row.pk}"
    data = opened(operator, url) | {"name": "again", "horizon": "50"}
    assert operator.post(url, data).status_code == 302
    assert Experiment.objects.get(name="again").variants[1]["options"] == {"filters": filters}
    assert Experiment.objects.get(name=row.name).pk == row.pk


@pytest.mark.parametrize("key", ["9" * 5000, "9" * 25, "x"])
def test_keys_that_no_number_can_be_are_not_found(operator, key):
    assert operator.get(ADD, {"like": key}).status_code in (200, 404)
    assert operator.get(ADD.replace("add/", f"{key}/change/")).status_code == 404
    assert operator.post(ADD, {"variants": key}).status_code == 200


def test_a_viewer_looks_and_changes_nothing(viewer):
    row = draft()
    context = viewer.get(page_of(row, "change")).context
    forms = [context["form"], *context["variants"]]
    assert all(field.disabled for form in forms for field in form.fields.values())
    assert viewer.get(ADD).status_code == 403
    urls = [ADD, *(page_of(row, what) for what in ("change", "start", "stop"))]
    stamp = {"made_from": row.updated_at.isoformat()}
    assert {viewer.post(url, stamp).status_code for url in urls} == {403}
    assert Experiment.objects.get().state == "draft"
