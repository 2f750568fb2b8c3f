"""A project of that shop and the plugin alone: a user model is chosen before the first table is made."""

AUTH_USER_MODEL = "custom_user.Member"
SECRET_KEY = "tests"
USE_TZ = True
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "metarec_plugin",
    "tests.storefronts.custom_user",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "metarec_plugin.middleware.SubjectMiddleware",
]
ROOT_URLCONF = "tests.storefronts.custom_user.urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
METAREC = {
    "STOREFRONT": "tests.storefronts.custom_user.metarec.MemberStorefront",
    "CONSENT": "full",
    "STRICT": True,
}
