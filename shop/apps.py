"""The demo shop as a Django application."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    name = "shop"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from shop import baskets, orders  # noqa: F401  (connect what a login brings along)
