"""The test settings with django-unfold before the admin, as its documentation asks for."""

from tests.settings import *  # noqa: F403

INSTALLED_APPS = ["unfold", *INSTALLED_APPS]  # noqa: F405
