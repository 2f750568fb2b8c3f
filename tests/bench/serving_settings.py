"""Settings of the web processes that tests.bench.serving loads: the demo shop's tables, a bare project around them.

SERVING_SIDE says whose views these processes serve; SERVING_SOCKET is the folder of PostgreSQL's socket, without it
DATABASE_URL counts as in the shop.
"""

import os

from metarec_plugin.rates import API_THROTTLES
from shop.settings import *  # noqa: F403
from shop.settings import INSTALLED_APPS as SHOP_APPS
from shop.settings import METAREC as SHOP_METAREC

SIDE = os.environ.get("SERVING_SIDE", "ours")

DEBUG = False
ALLOWED_HOSTS = ["*"]
SECRET_KEY = "serving"
INSTALLED_APPS = [*SHOP_APPS]
# What startproject writes, on both sides; ours has what the plugin asks for on top.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    *(["metarec_plugin.middleware.SubjectMiddleware"] if SIDE == "ours" else []),
]
ROOT_URLCONF = f"tests.bench.serving_{SIDE}"
if socket := os.environ.get("SERVING_SOCKET"):
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": socket,
            "PORT": os.environ.get("SERVING_PORT", "5432"),
            "NAME": "postgres",
            "USER": "postgres",
            "CONN_MAX_AGE": None,
        }
    }
METAREC = {**SHOP_METAREC, "CONSENT": "full", "STOREFRONT": "tests.bench.serving_storefront.BareStorefront"}
METAREC["API_THROTTLES"] = dict.fromkeys(API_THROTTLES)  # all shoppers of the load have one address
STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
