"""The entry point of a web server."""

import os
from pathlib import Path

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")


def _static_root() -> None:
    """Whitenoise warns about a folder that no collectstatic has made yet; the demo serves from the sources."""
    from django.conf import settings

    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)


_static_root()
application = get_wsgi_application()
