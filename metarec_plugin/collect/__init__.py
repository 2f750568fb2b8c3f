"""Collecting: what subjects do, from the request, the browser and the shop's own tables, into the event log."""

from metarec_plugin.collect.consent import consent_of
from metarec_plugin.collect.erasing import erase
from metarec_plugin.collect.events import record_event
from metarec_plugin.collect.impressions import log_impressions, read_slate, sign_slate
from metarec_plugin.collect.past import Bought, bought_by, disliked_by, disliked_keys
from metarec_plugin.collect.subjects import known_subject, subject_key, support_events, support_keys

__all__ = [
    "Bought",
    "bought_by",
    "consent_of",
    "disliked_by",
    "disliked_keys",
    "erase",
    "known_subject",
    "log_impressions",
    "read_slate",
    "record_event",
    "sign_slate",
    "subject_key",
    "support_events",
    "support_keys",
]
