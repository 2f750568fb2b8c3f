"""The demo shop as a Django application."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    name = "shop"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from shop import baskets  # noqa: F401  (connects the merge at login)
