"""Simulated shoppers leave what real visits leave, at the moments of their visits, and look at products alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from io import StringIO

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from metarec_plugin.models import Event, Impression, QuarantinedEvent
from shop.demo import shoppers, visits
from shop.models import Category, Order, OrderLine, Product


@pytest.fixture
def household(small, member):
    """Somebody who bought milk and cheese for weeks."""
    Product.objects.update(stock=1_000)
    for week in range(12):
        order = Order.objects.create(
            owner=member, status="paid", placed_at=timezone.now() - timedelta(weeks=week + 5)
        )
        for product in (small.milk, small.cheese):
            OrderLine.objects.create(order=order, product=product, price=Decimal("2.5"))
    for number in range(6):  # what the lists can show beside them
        Product.objects.create(
            category=Category.objects.get(name="Bread"), name=f"Roll {number}", price=Decimal("1"), stock=99
        )
    return member


def simulate(**options: int) -> str:
    out = StringIO()
    call_command("simulate_shoppers", stdout=out, **{"shoppers": 12, "days": 10, **options})
    return out.getvalue()


@pytest.fixture
def commits(django_capture_on_commit_callbacks):
    return django_capture_on_commit_callbacks


@pytest.fixture
def eager(monkeypatch):
    """So that few visits hold a click, an order and a refused event."""
    monkeypatch.setattr(shoppers, "CLICKS", 0.8)
    monkeypatch.setattr(visits, "REPORTS_WRONG", 0.2)


def test_they_leave_what_visits_leave_on_the_days_of_their_visits(household, eager, commits):
    before = timezone.now()
    with commits(execute=True):
        said = simulate()
    assert "shoppers who do not exist" in said
    events = Event.objects.filter(at__gte=before - timedelta(days=12))
    assert {"view", "dwell", "click", "basket", "purchase"} <= set(events.values_list("kind", flat=True))
    assert not events.filter(at__gte=before).exists()
    assert events.values("at__date").distinct().count() > 5
    for event in events.exclude(kind="purchase"):
        assert event.received_at == event.at
    shown = Impression.objects.all()
    assert shown.filter(at__gte=before).count() == 0
    assert {"home", "product", "trending"} <= set(shown.values_list("placement", flat=True))
    for click in events.filter(kind="click"):
        entry = shown.get(slate=click.slate, product=click.product)
        assert entry.rank == click.position
        assert entry.at <= click.at
        assert entry.subject in {"", click.subject}
    refused = QuarantinedEvent.objects.values_list("reason", flat=True)
    assert set(refused) <= {"unknown_product", "invalid_value"}
    assert refused
    assert not QuarantinedEvent.objects.filter(received_at__gte=before).exists()
    subjects = set(events.values_list("subject", flat=True))
    assert {subject.split(":")[0] for subject in subjects} == {"user", "visitor"}
    guests = Order.objects.exclude(visitor="").filter(status="paid")
    assert guests
    for order in guests:
        bought = Event.objects.filter(kind="purchase", subject=order.visitor, order=str(order.pk))
        assert bought.count() == order.lines.count()
        assert set(bought.values_list("at", flat=True)) == {order.placed_at}


def test_the_same_seed_plans_the_same_visits_of_the_same_people(household):
    until = timezone.now()

    def plan(seed: int) -> list[tuple[datetime, str, int]]:
        rng = np.random.default_rng(seed)
        found = shoppers.people(10, rng)
        planned = shoppers.visits(found, 10, until, rng)
        return [(at, str(shopper.user), found.index(shopper)) for at, shopper in planned]

    assert plan(1) == plan(1) != plan(2)
    assert all(until - timedelta(days=10) <= at <= until for at, _, _ in plan(1))


def test_what_is_clicked_is_liked_and_stands_high():
    milk, rope = Product(name="milk"), Product(name="rope")
    taste = shoppers.Taste({milk.pk: 30}, {})
    clicks = [taste.clicked([rope, milk, milk], np.random.default_rng(seed)) for seed in range(4_000)]
    assert clicks.count(1) > clicks.count(2) > clicks.count(0)


def test_without_purchases_nobody_lends_a_taste(db):
    with pytest.raises(CommandError, match="run load_demo first"):
        simulate()


def test_a_senseless_number_is_refused(db):
    with pytest.raises(CommandError, match="--days takes a number from 1 on; found 0"):
        simulate(days=0)
