"""The demo shop. Its Celery application is loaded with it, so that web processes post to the right broker."""

from shop.celery import app as celery_app

__all__ = ["celery_app"]
