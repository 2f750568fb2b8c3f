"""The back office opens for staff, with the shop's policy in force."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("model", ["department", "category", "product", "order", "customer"])
def test_staff_see_every_list(admin_client, small, member, model):
    response = admin_client.get(f"/admin/shop/{model}/")
    assert response.status_code == 200
    assert "script-src 'self'" in response.headers["Content-Security-Policy"]


def test_an_order_opens_with_its_lines(admin_client, small, member):
    order = member.orders.create()
    order.lines.create(product=small.milk, quantity=2, price="2.69")
    page = admin_client.get(f"/admin/shop/order/{order.pk}/change/").content.decode()
    assert str(small.milk.pk) in page
