"""How often one caller may ask: rates from METAREC["API_THROTTLES"], read with each request."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from rest_framework.settings import api_settings
from rest_framework.throttling import SimpleRateThrottle

from metarec_plugin.conf import get_config
from metarec_plugin.models import ApiKey

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class _Throttle(SimpleRateThrottle, ABC):
    """DRF binds its rates when the class is made; these are asked for anew each time.

    Like DRF's it counts in the cache, not exactly under load: it keeps a busy client in bounds and is no wall.
    """

    rate = "set with each request"

    def __init__(self) -> None:
        self.num_requests, self.duration = 0, 0

    @abstractmethod
    def rate_of(self, request: Any, view: Any) -> str | None:
        """The rate that counts for a caller, such as "120/min"; None for none."""

    def allow_request(self, request: Any, view: Any) -> bool:
        rate = self.rate_of(request, view)
        if not rate:
            return True
        number, _, period = rate.partition("/")
        self.num_requests, self.duration = int(number), _SECONDS[period[0]]
        return super().allow_request(request, view)

    def get_ident(self, request: Any) -> str:
        """The caller's address. X-Forwarded-For counts only where the project says how many proxies it has: DRF
        believes the whole header otherwise, and whoever makes one up anew each time is never throttled.
        """
        if api_settings.NUM_PROXIES is None:
            return request.META.get("REMOTE_ADDR", "")
        return super().get_ident(request)


class CallerThrottle(_Throttle):
    """A member by name; anybody else by address, as visitors cost nothing to make."""

    def rate_of(self, request: Any, view: Any) -> str | None:
        return get_config().api_throttles.get(view.throttle)

    def get_cache_key(self, request: Any, view: Any) -> str:
        user = request.user
        who = f"user:{user.pk}" if user.is_authenticated else f"address:{self.get_ident(request)}"
        return f"metarec.throttle:{view.throttle}:{who}"


class KeyThrottle(_Throttle):
    """All who use one publishable key together, where the key has a rate."""

    def rate_of(self, request: Any, view: Any) -> str | None:
        return request.auth.rate if isinstance(request.auth, ApiKey) else None

    def get_cache_key(self, request: Any, view: Any) -> str:
        return f"metarec.throttle:key:{request.auth.prefix}"
