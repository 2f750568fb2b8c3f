"""The whole way: an experiment is started, lists are served, clicked and bought from, and the report knows it."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model

from metarec_plugin import recommend, record_event
from metarec_plugin.feedback.experiments import report, start
from metarec_plugin.models import Event, Exposure, Impression
from metarec_plugin.serve.assignment import variant_of
from metarec_plugin.serve.placements import check_options
from shop.models import Category, Department, Product
from tests.feedback.logs import draft

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.serve.urls")]
N = 24


@pytest.fixture
def requests(rf):
    department = Department.objects.create(name="Dairy", slug="dairy")
    category = Category.objects.create(department=department, name="Milk", slug="milk")
    for number in range(20):
        Product.objects.create(category=category, name=f"Milk {number}", price=2, stock=5)
    made = []
    for number in range(N):
        request = rf.get("/")
        request.user = get_user_model().objects.create(pk=1_000 + number, username=f"u{number}")
        request.COOKIES["shop_consent"] = "full"
        made.append(request)
    return made


def test_what_was_served_clicked_and_bought_is_what_is_reported(requests, monkeypatch):
    monkeypatch.setattr(
        "metarec_plugin.feedback.experiments.secrets.token_hex", lambda n: "a split that stays"
    )
    variants = [
        {"name": "control", "share": 0.5, "options": {"size": 4}},
        {"name": "bold", "share": 0.5, "options": {"size": 2}},
    ]
    found = start(draft(horizon=N, variants=variants), check_options=check_options)
    slates = [recommend(request, placement="home") for request in requests]
    for request, slate in zip(requests, slates):
        subject = f"user:{request.user.pk}"
        wanted = variant_of(found.salt, found.variants, subject)
        assert (slate.variant, len(slate)) == (wanted["name"], wanted["options"]["size"])
        assert Exposure.objects.get(experiment=found, subject=subject).variant == wanted["name"]
    for request, slate in zip(requests, slates):
        if slate.variant == "bold":
            entry = slate.entries[1]
            assert record_event(request, "click", entry.key, slate=slate.id, position=entry.rank)
            record_event(f"user:{request.user.pk}", "purchase", entry.key)
    Event.objects.filter(kind="purchase").update(price=3)
    read = report(found)
    assert read.subjects == N
    assert not read.sample_ratio.alarm
    bold = {figure.metric: figure.value for figure in read.rows[1].figures}
    assert (bold["click"], bold["conversion"], bold["attributed_revenue"]) == (1, 1, 3)
    assert {figure.value for figure in read.rows[0].figures} == {0}
    assert set(Impression.objects.values_list("variant", flat=True)) == {"control", "bold"}
