"""What every mapping promises, as tests that a shop runs on its own models: subclass, and say how rows are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AnonymousUser
from django.core.checks import run_checks
from django.db.models import Model
from django.http import HttpRequest
from django.test import RequestFactory

from metarec_plugin.collect.sync import sync
from metarec_plugin.models import Event
from metarec_plugin.serve.recommendation import recommend
from metarec_plugin.storefront import Interactions, Storefront, get_storefront

VISITOR = "visitor:" + "c0ffee" * 4

if TYPE_CHECKING:
    from django.test import TestCase as _Base
else:
    _Base = object  # a mixin, so that importing it into a module of tests runs nothing


class StorefrontContract(_Base):
    """Mix into a `django.test.TestCase` and implement the factories; METAREC names the storefront, as in the shop.

    `kind` is that of the interactions that `make_purchase` makes. What a mapping does not declare is skipped:
    late payment without `where`, guests without `visitor`.
    """

    kind = "purchase"

    # Factories: what a shop says of its own models

    def make_user(self) -> Any:
        """Save and return a user that can log in."""
        raise NotImplementedError

    def make_product(self) -> Any:
        """Save and return a product that is shown to everybody."""
        raise NotImplementedError

    def withdraw(self, product: Any) -> None:
        """Save the product so that it is shown to nobody any more."""
        raise NotImplementedError

    def make_purchase(self, product: Any, *, user: Any = None, visitor: str = "", counts: bool = True) -> Any:
        """Save and return a row of the interactions' model, of the user or of the guest.

        counts: False for one that `where` does not let count yet, such as a line of an order that is not paid.
        """
        raise NotImplementedError

    def let_count(self, purchase: Any) -> None:
        """Save what makes a purchase count that did not, such as its order's payment."""
        raise NotImplementedError

    def make_request(self, user: Any = None) -> HttpRequest:
        """Return a request of this user, or of a visitor; override where `visible_to` reads more of it."""
        request = RequestFactory().get("/")
        request.user = user or AnonymousUser()
        return request

    # The contract

    def test_the_mapping_is_sound(self) -> None:
        self.assertEqual([each for each in run_checks(tags=["metarec"]) if not each.is_silenced()], [])

    def test_the_key_of_a_product_leads_back_to_it(self) -> None:
        product = self.make_product()
        key = str(product.pk)
        live = self.storefront.live_products([key, "no such product"], self.make_request())
        self.assertEqual(live, {key: product})
        self.assertLessEqual(len(key), 64, "a key has at most 64 characters")

    def test_products_that_are_shown_are_products_that_are_known(self) -> None:
        keys = {str(self.make_product().pk) for _ in range(3)}
        self.assertEqual(self.storefront.known_products(keys), keys)
        self.assertEqual(set(self.storefront.live_products(keys, self.make_request())), keys)
        newest = self.storefront.newest_products(self.make_request(), 50)
        self.assertLessEqual(keys, {str(each.pk) for each in newest})

    def test_a_withdrawn_product_is_never_shown(self) -> None:
        shown, withdrawn = self.make_product(), self.make_product()
        self.withdraw(withdrawn)
        keys = [str(shown.pk), str(withdrawn.pk)]
        for request in (self.make_request(), self.make_request(self.make_user()), None):
            self.assertEqual(list(self.storefront.live_products(keys, request)), keys[:1])
            newest = {str(each.pk) for each in self.storefront.newest_products(request, 50)}
            self.assertEqual(newest & set(keys), {keys[0]})
        listed = {entry.key for entry in recommend(self.make_request(), k=50)}
        self.assertEqual(listed & set(keys), {keys[0]})

    def test_a_card_is_read_without_a_query_for_each_product(self) -> None:
        keys = [str(self.make_product().pk) for _ in range(2)]
        products = self.storefront.live_products(keys, self.make_request())
        with self.assertNumQueries(0):
            for product in products.values():
                self.assertTrue(self.storefront.title_of(product), "products.title leads to nothing")
                self.assertTrue(
                    self.storefront.url_of(product), "products.url leads to no address that is safe"
                )
                self.storefront.price_of(product)
                self.storefront.image_of(product)

    def test_rows_of_products_and_users_hold_what_the_features_declare(self) -> None:
        product, user = self.make_product(), self.make_user()
        for wanted, rows, declared in (
            (product, self.storefront.product_rows(), self.storefront.products.features),
            (user, self.storefront.user_rows(), self.storefront.users.features),
        ):
            found = {key: values for key, *values in rows}
            self.assertIn(str(wanted.pk), found)
            for (name, feature), value in zip(declared.items(), found[str(wanted.pk)], strict=True):
                if feature.many:
                    self.assertIsInstance(value, tuple, name)
                elif feature.kind == "number" and value is not None:
                    float(value)

    def test_a_purchase_becomes_one_event_however_often_it_is_read(self) -> None:
        user, product = self.make_user(), self.make_product()
        purchase = self._purchase(product, user=user)
        (event,) = self._events()
        self.assertEqual((event.subject, event.product), (f"user:{user.pk}", str(product.pk)))
        with self.captureOnCommitCallbacks(execute=True):
            purchase.save()
        sync(full=True)
        self.assertEqual([each.event_id for each in self._events()], [event.event_id])

    def test_a_sync_finds_what_no_signal_announced(self) -> None:
        self._purchase(self.make_product(), user=self.make_user())
        compared = ("event_id", "subject", "product", "at", "quantity", "value", "price", "order")
        announced = list(Event.objects.values(*compared))
        Event.objects.all().delete()
        counts = sync(full=True)
        self.assertEqual(list(Event.objects.values(*compared)), announced)
        self.assertEqual(dict(counts.refused), {})

    def test_a_purchase_counts_from_when_it_is_let_count(self) -> None:
        if self.interactions.where is None:
            self.skipTest("every row counts: the mapping has no where")
        user, product = self.make_user(), self.make_product()
        purchase = self._purchase(product, user=user, counts=False)
        self.assertEqual(self._events(), [])
        sync(full=True)
        self.assertEqual(self._events(), [])
        with self.captureOnCommitCallbacks(execute=True):
            self.let_count(purchase)
        self.assertEqual([each.product for each in self._events()], [str(product.pk)])

    def test_a_purchase_that_is_deleted_is_taken_back(self) -> None:
        purchase = self._purchase(self.make_product(), user=self.make_user())
        (event,) = self._events()
        with self.captureOnCommitCallbacks(execute=True):
            purchase.delete()
        self.assertEqual(Event.objects.get(kind="return").reverses, event.event_id)

    def test_a_guests_purchase_is_the_visitors(self) -> None:
        if self.interactions.visitor is None:
            self.skipTest("the mapping has no visitor")
        self._purchase(self.make_product(), visitor=VISITOR)
        self.assertEqual([each.subject for each in self._events()], [VISITOR])

    def test_nothing_stays_of_a_user_who_is_deleted(self) -> None:
        leaving, staying = self.make_user(), self.make_user()
        for user in (leaving, staying):
            self._purchase(self.make_product(), user=user)
        subjects = f"user:{leaving.pk}", f"user:{staying.pk}"
        with self.captureOnCommitCallbacks(execute=True):
            self.delete_user(leaving)
        self.assertEqual(Event.objects.filter(subject=subjects[0]).count(), 0)
        self.assertEqual(Event.objects.filter(subject=subjects[1], kind=self.kind).count(), 1)
        sync(full=True)
        self.assertEqual(Event.objects.filter(subject=subjects[0]).count(), 0)

    def delete_user(self, user: Model) -> None:
        """Delete a user; override where orders protect their owner."""
        user.delete()

    # What the tests ask for

    @property
    def storefront(self) -> Storefront:
        return get_storefront()

    @property
    def interactions(self) -> Interactions:
        return next(each for each in self.storefront.interactions if each.kind == self.kind)

    def _purchase(self, product: Any, **how: Any) -> Any:
        with self.captureOnCommitCallbacks(execute=True):
            return self.make_purchase(product, **how)

    def _events(self) -> list[Event]:
        return list(Event.objects.filter(kind=self.kind))
