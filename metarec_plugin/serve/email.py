"""One shopper's list as an e-mail: HTML in tables and plain text, every address absolute."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urljoin

from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils import translation
from django.utils.translation import gettext as _

from metarec_plugin.collect import log_impressions, read_slate
from metarec_plugin.collect.consent import email_consent
from metarec_plugin.collect.impressions import Shown
from metarec_plugin.collect.subjects import user_subject
from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import ConfigurationError
from metarec_plugin.serve.cards import Card, cards_of
from metarec_plugin.serve.recommendation import recommend
from metarec_plugin.serve.slate import ADAPTED, CONTENT, Slate
from metarec_plugin.storefront import get_storefront

PLACEMENT = "email"
CHUNK = 500  # users in memory at a time


@dataclass(frozen=True)
class Email:
    """What is sent to one user."""

    to: str
    subject: str
    text: str
    html: str
    user: str  # the subject, as the log names it
    slate: Slate


def consenting_users(after: Any = None) -> Iterator[Any]:
    """The users who may be written to, in the order of their keys, after one of them; few in memory at a time.

    Whom METAREC["EMAIL_CONSENT"] says True of; nobody without it. Who has no address or no active account is left out.
    """
    consents = email_consent()
    if consents is None:
        return
    users = get_storefront().user_model._default_manager.order_by("pk")
    while True:
        page = list((users if after is None else users.filter(pk__gt=after))[:CHUNK])
        for user in page:
            if getattr(user, "is_active", True) and address_of(user) and consents(user) is True:
                yield user
        if len(page) < CHUNK:
            return
        after = page[-1].pk


def address_of(user: Any) -> str:
    field = user.get_email_field_name() if hasattr(user, "get_email_field_name") else "email"
    return str(getattr(user, field, "") or "")


def email_for(
    user: Any, placement: str = PLACEMENT, k: int | None = None, language: str = ""
) -> Email | None:
    """Render one user's e-mail, None where there is nothing to recommend.

    Raises ConfigurationError without METAREC["SITE_URL"]: an address of an e-mail has no page to be relative to.
    """
    site = site_url()
    with translation.override(language or translation.get_language()):
        slate = recommend(user_subject(user.pk), k=k, placement=placement)
        cards = [
            replace(
                card, url=_clicked(_absolute(site, card.url), slate, card), image=_absolute(site, card.image)
            )
            for card in cards_of(slate)
        ]
        if not cards:
            return None
        heading = heading_of(slate)
        values = {
            "slate": slate, "cards": cards, "rows": _pairs(cards), "heading": heading, "user": user, "site": site,
            "own_page": _own_page(site), "language": translation.get_language(),
        }  # fmt: skip
        html, text = (render_to_string(f"metarec/email/message.{kind}", values) for kind in ("html", "txt"))
        return Email(address_of(user), heading, text, html, user_subject(user.pk), slate)


def note_sent(email: Email) -> None:
    """Store the impressions of an e-mail that goes out: a click on its list counts, as one on a page does."""
    slate = email.slate
    shown = [Shown(entry.key, entry.rank, entry.source, entry.propensity) for entry in slate]
    log_impressions(
        email.user,
        read_slate(slate.id),
        slate.placement,
        shown,
        version=slate.model_version,
        variant=slate.variant,
    )


def heading_of(slate: Slate) -> str:
    """The heading, and the e-mail's subject line: no more than the list bears out."""
    return _("For you") if slate.stage in (ADAPTED, CONTENT) else _("Popular right now")


def site_url() -> str:
    site = get_config().site_url
    if not site:
        raise ConfigurationError(
            'METAREC["SITE_URL"] must be the shop\'s address, such as "https://shop.example".'
        )
    return site.rstrip("/") + "/"


def _absolute(site: str, address: str) -> str:
    return urljoin(site, address) if address else ""


def _clicked(url: str, slate: Slate, card: Card) -> str:
    """The address of a card, saying which place of which list it is of. beacon.js reads that off the page's address.

    After the #, so that neither caches, logs nor other sites get to see it. An address with a # of its own stays.
    """
    return f"{url}#metarec={slate.id}~{card.entry.rank}" if url and "#" not in url else url


def _own_page(site: str) -> str:
    try:
        return _absolute(site, reverse("metarec:your-recommendations"))
    except NoReverseMatch:  # check W004 says so
        return ""


def _pairs(cards: list[Card]) -> list[list[Card]]:
    """Two products a row: what a narrow and a wide reader both show well without a style sheet."""
    return [cards[i : i + 2] for i in range(0, len(cards), 2)]
