"""Settings of the test run: the demo shop on an in-memory database, with bugs in serving raised, not hidden."""

import tempfile
from pathlib import Path

from shop.settings import *  # noqa: F403
from shop.settings import METAREC as SHOP_METAREC

DEBUG = False
INSTALLED_APPS = [
    *INSTALLED_APPS,  # noqa: F405
    "debug_toolbar",
    "rest_framework.authtoken",
    "tests.storefronts.bookshop",
    "tests.storefronts.custom_user",
    "tests.storefronts.plain",
    "tests.storefronts.uuid_pk",
]
DEBUG_TOOLBAR_CONFIG = {"IS_RUNNING_TESTS": False}  # its panel of ours is under test
SECRET_KEY = "tests"
ALLOWED_HOSTS = ["*"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": ":memory:",
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
    }
}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
ARTIFACTS = Path(tempfile.mkdtemp(prefix="metarec-tests-"))
STATIC_ROOT = Path(tempfile.mkdtemp(prefix="metarec-static-"))  # there, so that whitenoise does not warn
METAREC = {**SHOP_METAREC, "STRICT": True, "ARTIFACTS": ARTIFACTS, "RELOAD_SECONDS": 0}
CELERY_BROKER_URL = "memory://"
CELERY_BROKER_TRANSPORT_OPTIONS = {}
