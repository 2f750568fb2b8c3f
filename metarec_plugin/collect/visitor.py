"""The visitor's signed cookie: an id and, under "session" consent, the last products, and nothing on the server."""

from __future__ import annotations

import re
import time
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field

from django.core import signing
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django.utils.crypto import salted_hmac

from metarec_plugin.collect.consent import given_consent, is_paused
from metarec_plugin.collect.opinions import not_support, opinion
from metarec_plugin.conf import get_config
from metarec_plugin.models import Event

SALT = "metarec.visitor"  # one salt per purpose: a signature made for another value is worth nothing here
VERSION = "1"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
ATTRIBUTE = "_metarec_visitor"
UNKNOWN = "unknown"
_ID = re.compile(r"[0-9a-f]{32}")
_SEPARATOR = "\n"  # no key that can be printed contains it
_DISLIKED = "\t"  # nor starts with it
MOST_KEYS = 40  # forty keys of 64 letters fit into a cookie, the products looked at before those disliked


@dataclass
class Visitor:
    """What the cookie holds, and whether it has to be written again.

    `products` and `disliked` are keys, the oldest first. `accessed` says that the answer depends on the cookie.
    `bearer`: it came in a header of an app, and goes back in one; no cookie is set for it. `owner` tells, by a hash,
    which member it was written for; empty: nobody who was logged in.
    """

    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    products: list[str] = field(default_factory=list)
    disliked: list[str] = field(default_factory=list)
    issued: float = 0.0
    returning: bool = False
    changed: bool = False
    accessed: bool = False
    bearer: bool = False
    owner: str = ""

    @property
    def subject(self) -> str:
        return f"visitor:{self.id}"

    def keep(self) -> None:
        """Make sure that the browser has the id, and will have it for a while yet."""
        if not self.returning or time.time() - self.issued > get_config().cookie_age / 2:
            self.changed = True

    def add_product(self, key: str) -> None:
        """Put a product at the end of the list; one that is at the end already changes nothing."""
        self.keep()
        if self.products[-1:] != [key]:
            kept = [*(known for known in self.products if known != key), key]
            self.products = kept[-get_config().session_products :]
            self.changed = True

    def dislike(self, key: str) -> None:
        """Remember the last products disliked, as many as the cookie has room for."""
        self.keep()
        room = MOST_KEYS - get_config().session_products
        kept = [*(known for known in self.disliked if known != key), key]
        self.disliked = kept[len(kept) - min(room, len(kept)) :]
        self.products = [known for known in self.products if known != key]
        self.changed = True

    def forgive(self, key: str) -> None:
        """Take a dislike back."""
        if key in self.disliked:
            self.keep()
            self.disliked.remove(key)
            self.changed = True

    def keep_event(self, event: Event) -> bool:
        """Keep what an event says of its product. Returns whether it said something new.

        No ids of events are held: whatever takes something of a product back takes its dislike back.
        """
        if not event.product:
            return False
        disliked = opinion(event.kind, event.value)
        if event.reverses or disliked is False:
            self.forgive(event.product)
        elif disliked:
            self.dislike(event.product)
            return event.product in self.disliked  # there may be no room for any
        if event.reverses or event.kind in not_support():
            return bool(event.reverses)
        self.add_product(event.product)
        return True

    def renew(self, *, forget_products: bool) -> None:
        """Take a new id: what happens from here on cannot be tied to the old one."""
        self.id = uuid.uuid4().hex
        if forget_products:
            self.products, self.disliked = [], []
        self.changed = True

    def packed(self) -> str:
        """The id and the products as text that needs no quoting, yet unsigned."""
        marked = [f"{_DISLIKED}{key}" for key in self.disliked]
        listed = urlsafe_b64encode(_SEPARATOR.join([*self.products, *marked]).encode()).decode().rstrip("=")
        return f"{VERSION}.{self.id}.{listed}" + (f".{self.owner}" if self.owner else "")

    def dumps(self) -> str:
        return signing.TimestampSigner(salt=SALT).sign(self.packed())


def loads(cookie: str | None) -> Visitor:
    """Read a cookie. One that is missing, forged, expired or of another version is as good as none."""
    signer = signing.TimestampSigner(salt=SALT)
    try:
        return unpacked(signer.unsign(cookie or "", max_age=get_config().cookie_age), issued_at(cookie or ""))
    except (signing.BadSignature, ValueError):
        return Visitor()


def issued_at(token: str) -> float:
    """The moment in a token of a TimestampSigner, whose signature the caller has checked."""
    return signing.b62_decode(token.rsplit(":", 2)[1])


def unpacked(payload: str, issued: float) -> Visitor:
    """Read what `packed` made. Raises ValueError for anything else."""
    version, identity, listed, *owner = payload.split(".")
    products = urlsafe_b64decode(listed + "=" * (-len(listed) % 4)).decode()
    if version != VERSION or not _ID.fullmatch(identity) or len(owner) > 1:
        raise ValueError(f"A visitor of version {version!r}.")
    known = products.split(_SEPARATOR) if products else []
    disliked = [key.removeprefix(_DISLIKED) for key in known if key.startswith(_DISLIKED)]
    looked_at = [key for key in known if not key.startswith(_DISLIKED)][-get_config().session_products :]
    return Visitor(
        id=identity,
        products=looked_at,
        disliked=disliked,
        issued=issued,
        returning=True,
        owner="".join(owner),
    )


def bear(request: HttpRequest, visitor: Visitor) -> None:
    """Let a request speak for the visitor of its header, whatever its cookies say."""
    visitor.bearer = True
    setattr(request, ATTRIBUTE, visitor)


def visitor_of(request: HttpRequest) -> Visitor:
    """The visitor of a request, read from the cookie once.

    What was written for a member is nobody else's: their session ran out, or an answer of another tab came after
    their logout and brought the cookie back.
    """
    visitor = getattr(request, ATTRIBUTE, None)
    if visitor is None:
        visitor = loads(request.COOKIES.get(get_config().cookie_name))
        if visitor.owner and visitor.owner != owner_of(request):
            visitor = Visitor()
        setattr(request, ATTRIBUTE, visitor)
    visitor.accessed = True
    return visitor


def owner_of(request: HttpRequest) -> str:
    """A hash of the member that a request is of, and empty for visitors; in doubt it is nobody that is known."""
    try:
        user = getattr(request, "user", None)
        key = user.pk if user is not None and user.is_authenticated else None
    except DatabaseError:
        return UNKNOWN
    return "" if key is None else salted_hmac("metarec.owner", str(key)).hexdigest()[:16]


def write_cookie(request: HttpRequest, response: HttpResponse) -> None:
    """Set the cookie if it changed, and take it away without consent; an answer that depends on it tells caches.

    While personalisation is paused the cookie stays as it is, unless its products were forgotten.
    """
    config = get_config()
    visitor = getattr(request, ATTRIBUTE, None)
    if visitor is not None and visitor.bearer:
        return
    paused = is_paused(request)
    if paused:
        patch_vary_headers(response, ["Cookie"])
    if config.cookie_name in request.COOKIES and given_consent(request) == "none":
        patch_vary_headers(response, ["Cookie"])
        response.delete_cookie(config.cookie_name, samesite="Lax")
        return
    if visitor is None or not visitor.accessed:
        return
    patch_vary_headers(response, ["Cookie"])
    if not visitor.changed or given_consent(request) == "none":
        return
    if paused and config.cookie_name not in request.COOKIES:
        return
    visitor.owner = owner_of(request)
    response.set_cookie(
        config.cookie_name,
        visitor.dumps(),
        max_age=config.cookie_age,
        httponly=True,
        samesite="Lax",
        secure=request.is_secure(),
    )
