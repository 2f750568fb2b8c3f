"""Publishable keys of the REST API: what an app or a page may do with one, and from where."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from urllib.parse import urlsplit

from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

SCOPES = ("recommendations", "events", "feedback", "me", "trace")
DEFAULT_SCOPES = ("recommendations", "events", "feedback", "me")
PREFIX_LENGTH = 11  # "pk_" and eight hex digits: the part that may stand in a list or a log


class ApiKey(models.Model):
    """A key that may lie in an app: it tells who made the request, never whose data it may see.

    The key itself is shown once and not stored. `origins` are the web pages that may use it; without one only apps
    may, which send no Origin. A rotated key works until `expires_at`, beside the one in `replaced_by`.
    """

    name = models.CharField(_("name"), max_length=100)
    prefix = models.CharField(_("prefix"), max_length=16, unique=True)
    digest = models.CharField(_("SHA-256 of the key"), max_length=64)
    scopes = models.JSONField(_("scopes"), default=list)
    origins = models.JSONField(_("origins"), default=list, blank=True)
    rate = models.CharField(
        _("rate"),
        max_length=20,
        blank=True,
        default="",
        help_text=_('Of all who use the key, such as "600/min".'),
    )
    active = models.BooleanField(_("active"), default=True)
    created = models.DateTimeField(_("created"), default=timezone.now)
    last_used = models.DateField(_("last used"), null=True, blank=True)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    replaced_by = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @classmethod
    def issue(
        cls, name: str, *, scopes: Sequence[str] = DEFAULT_SCOPES, origins: Sequence[str] = (), rate: str = ""
    ) -> tuple[ApiKey, str]:
        """Make a key. Returns its row and the key, which nobody can read again."""
        prefix = f"pk_{secrets.token_hex(4)}"
        key = f"{prefix}_{secrets.token_urlsafe(24)}"
        row = cls._default_manager.create(
            name=name,
            prefix=prefix,
            digest=_digest(key),
            scopes=list(scopes),
            origins=list(origins),
            rate=rate,
        )
        return row, key

    @classmethod
    def find(cls, key: str) -> ApiKey | None:
        """The row of a key that works now. One query."""
        row = cls._default_manager.filter(prefix=key[:PREFIX_LENGTH]).first()
        if row is None or not hmac.compare_digest(row.digest, _digest(key)) or not row.works:
            return None
        return row

    @property
    def works(self) -> bool:
        return self.active and (self.expires_at is None or timezone.now() < self.expires_at)

    def rotate(self, overlap: timedelta) -> tuple[ApiKey, str]:
        """Make the key that takes this one's place; this one works for the overlap yet."""
        with transaction.atomic():
            row, key = type(self).issue(self.name, scopes=self.scopes, origins=self.origins, rate=self.rate)
            self.replaced_by, self.expires_at = row, timezone.now() + overlap
            self.save(update_fields=["replaced_by", "expires_at"])
        return row, key

    def revoke(self) -> None:
        self.active = False
        self.save(update_fields=["active"])

    def note_use(self) -> None:
        """Remember the day of the last use: one write a day."""
        today = timezone.now().date()
        if self.last_used != today:
            type(self)._default_manager.filter(pk=self.pk).update(last_used=today)
            self.last_used = today


def is_origin(text: str) -> bool:
    """Whether this is what a browser sends as Origin: a scheme and a host, no path."""
    parts = urlsplit(text)
    return (
        parts.scheme in ("http", "https")
        and bool(parts.netloc)
        and f"{parts.scheme}://{parts.netloc}" == text
    )


def _digest(key: str) -> str:
    return sha256(key.encode("utf-8", "replace")).hexdigest()
