"""Load the demo's catalogue, members and a year of paid orders; a second run finds them and changes nothing."""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from django.core.cache import cache
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from shop.demo import catalogue, people, source, writer
from shop.demo.departments import SHOP_PICTURES
from shop.models import Category, Department, Order, OrderLine, Product

PRODUCT_FIELDS = (
    "id", "category", "name", "brand", "is_own_brand", "size", "price", "stock", "is_active", "sold", "created_at",
)  # fmt: skip


class Command(BaseCommand):
    help = "Load The Complete Journey (simulated grocery data, for education) into the shop."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--households", type=int, help="only the orders of the first N households")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["households"] is not None and options["households"] < 1:
            raise CommandError(f"--households takes a number from 1 on; found {options['households']}.")
        started = time.monotonic()
        try:
            read = source.read(options["households"])
        except FileNotFoundError as error:
            raise CommandError(str(error)) from error
        if self._present(read):
            self.stdout.write("The demo data are loaded already; nothing was changed.")
        else:
            shift = self._shift(read)
            entries = catalogue.entries(read, shift)
            self._load_products(entries)
            owners = people.load(read.households.iter_rows(named=True))
            self._load_orders(read, entries, owners, shift)
            writer.start_numbers_after(Order, read.last_basket)
            cache.clear()  # the menu may have been cached while the shop was empty
            self._summary(read, entries, shift, time.monotonic() - started)
        for name, password in people.open_accounts().items():
            self.stdout.write(
                self.style.WARNING(f"account {name:<8} password {password}   (shown this once)")
            )

    def _present(self, read: source.Source) -> bool:
        """Whether each line of the chosen households is in the database. Subsets are nested, so counts decide."""
        demo = {"order__pk__lte": read.last_basket, "order__pk__gte": read.lines["basket_id"].min()}
        return Product.objects.count() >= len(read.products) + len(read.unknown) and OrderLine.objects.filter(
            **demo
        ).count() >= len(read.lines)

    def _shift(self, read: source.Source) -> timedelta:
        """Whole weeks up to now; where part of the data is loaded, as far as that part was moved."""
        first = read.lines.row(0, named=True)
        loaded = Order.objects.filter(pk=first["basket_id"]).values_list("placed_at", flat=True).first()
        if loaded is not None:
            return loaded.replace(tzinfo=None) - first["at"]
        return source.whole_weeks(read.last_sale, datetime.now(UTC).replace(tzinfo=None))

    def _load_products(self, entries: list[catalogue.Entry]) -> None:
        departments = {
            catalogue.slug(entry.department): (entry.department, entry.is_listed) for entry in entries
        }
        for slug, (name, listed) in departments.items():
            Department.objects.get_or_create(
                slug=slug,
                defaults={"name": name, "is_listed": listed, "picture": SHOP_PICTURES.get(name, "box")},
            )
        keys = dict(Department.objects.values_list("slug", "pk"))
        categories = {entry.category_key: entry for entry in entries}
        Category.objects.bulk_create(
            [
                Category(
                    department_id=keys[department], slug=slug, name=entry.category, picture=entry.picture
                )
                for (department, slug), entry in categories.items()
            ],
            ignore_conflicts=True,
        )
        category = {
            (department, slug): pk
            for department, slug, pk in Category.objects.values_list("department__slug", "slug", "pk")
        }
        rows = (
            (
                writer.key(entry.key), category[entry.category_key], entry.name, entry.brand, entry.is_own_brand,
                entry.size, entry.price, entry.stock, entry.is_active, entry.sold, writer.moment(entry.created_at),
            )
            for entry in entries
        )  # fmt: skip
        with tqdm(total=len(entries), desc="products", unit="row", disable=None) as bar:
            writer.insert(Product, PRODUCT_FIELDS, rows, bar.update)

    def _load_orders(
        self, read: source.Source, entries: list[catalogue.Entry], owners: dict[int, int], shift: timedelta
    ) -> None:
        orders = read.lines.group_by("basket_id", maintain_order=True).agg(
            pl.col("household_id").first(), pl.col("at").first(), total=pl.col("sales_value").sum().round(2)
        )
        rows = (
            (
                basket,
                owners[household],
                "",
                Order.Status.PAID.value,
                writer.moment(at + shift),
                total,
                "",
                "",
                "",
            )
            for basket, household, at, total in orders.iter_rows()
        )
        fields = ("id", "owner", "visitor", "status", "placed_at", "total", "email", "name", "address")
        with tqdm(total=len(orders) + len(read.lines), desc="orders", unit="row", disable=None) as bar:
            writer.insert(Order, fields, rows, bar.update)
            keys = pl.DataFrame(
                {"product_id": [e.source_id for e in entries], "key": [writer.key(e.key) for e in entries]}
            )
            lines = read.lines.select("basket_id", "product_id", "quantity", pl.col("price").round(4)).join(
                keys, on="product_id", how="left", maintain_order="left"
            )
            writer.insert(
                OrderLine,
                ("order", "product", "quantity", "price"),
                lines.select("basket_id", "key", "quantity", "price").iter_rows(),
                bar.update,
            )

    def _summary(
        self, read: source.Source, entries: list[catalogue.Entry], shift: timedelta, seconds: float
    ) -> None:
        lines = read.lines
        inactive = [entry.source_id for entry in entries if not entry.is_active]
        unknown = read.unknown["product_id"].to_list()
        last = f"{read.last_sale + shift:%Y-%m-%d}"
        rows = (
            ("households", len(read.households), "members without a password"),
            (
                "products",
                len(entries),
                f"{len(unknown)} of them sold but in no catalogue: kept, not for sale",
            ),
            (
                "  not for sale",
                len(inactive),
                "fuel, coupons, gift cards, services, supplies, tobacco, undescribed",
            ),
            ("orders", lines["basket_id"].n_unique(), f"paid; the newest may be as late as {last}"),
            ("order lines", len(lines), "every line of these households is loaded; of them"),
            (
                "  not for sale",
                lines["product_id"].is_in(inactive).sum(),
                "bought in the store, never recommended",
            ),
            ("  not in catalogue", lines["product_id"].is_in(unknown).sum(), "on the products kept for them"),
            (
                "  zero quantity",
                (lines["quantity"] == 0).sum(),
                "loaded as they are: cleaning is the plugin's stage",
            ),
            ("  zero value", (lines["sales_value"] == 0).sum(), "likewise"),
            ("weeks moved", shift.days // 7, f"so that the year ends now; loaded in {seconds:.0f} s"),
        )
        self.stdout.write("The Complete Journey: simulated data, for education. These are no real customers.")
        self.stdout.write("Brand names are invented: the source only numbers its makers.")
        for label, number, note in rows:
            self.stdout.write(f"{label:<18} {number:>9,}  {note}")
