"""The storefront in use: the class that METAREC names, made once per process."""

from __future__ import annotations

from functools import cache

from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import ConfigurationError
from metarec_plugin.storefront.base import Storefront


@cache
def get_storefront() -> Storefront:
    """Make the storefront that METAREC["STOREFRONT"] names. Raises ConfigurationError if there is none."""
    path = get_config().storefront
    if not path:
        raise ConfigurationError(
            'METAREC["STOREFRONT"] is not set. Name the class that maps your models, such as '
            '"shop.metarec.ShopStorefront".'
        )
    try:
        found = import_string(path)
    except ImportError as error:
        raise ConfigurationError(f'METAREC["STOREFRONT"] = {path!r} cannot be imported: {error}.') from error
    if not (isinstance(found, type) and issubclass(found, Storefront)):
        raise ConfigurationError(
            f'METAREC["STOREFRONT"] = {path!r} must be a subclass of metarec_plugin.Storefront; found {found!r}.'
        )
    return found()


def _clear(*, setting: str, **kwargs: object) -> None:
    if setting == "METAREC":
        get_storefront.cache_clear()


setting_changed.connect(_clear, dispatch_uid="metarec.storefront")
