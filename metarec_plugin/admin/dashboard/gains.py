"""Whether the served version is better than what a shop could set up itself, and than the one before it, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from metarec_plugin.admin.charts import INTERVAL, PERCENT, Chart, Column
from metarec_plugin.feedback.alarms import BAD, GOOD, WARN
from metarec_plugin.feedback.board import Before, Board, Version
from metarec_plugin.feedback.ratios import Z

BASELINES = ("popularity", "item-kNN")
HEADLINE = (1, 2, 3, 5, 10)  # the first products of a newcomer, over which the gate takes the mean
NEEDED = 100  # held-out shoppers, below which the gate says nothing


@dataclass(frozen=True)
class Gains:
    """says: the sentence. before: what can be said of the version before. needs: what the next verdict asks for."""

    level: str
    says: str
    before: str = ""
    before_level: str = ""
    needs: str = ""


def gains(board: Board) -> Gains:
    """Say what the gate found of the served version, and hold it against the one before where that is fair."""
    served = board.served
    if served is None:
        return Gains(WARN, _("No model is served yet, so there is nothing to compare."))
    level, says = _against_baselines(served)
    before_level, before = _against_previous(served, board.previous)
    return Gains(level, says, before, before_level, _needs(board))


def _against_baselines(served: Version) -> tuple[str, str]:
    if served.state == "baseline":
        return WARN, _(
            "%(learner)s is served, which is a baseline itself: no learned model has passed the test yet."
        ) % {"learner": served.learner}
    if served.state == "insufficient":
        return WARN, _(
            "%(learner)s is served, but could be tested on %(found)s shoppers only, and %(needed)s are needed to tell "
            "whether it is better: with more orders the next training can."
        ) % {"learner": served.learner, "found": served.verdict.get("shoppers", 0), "needed": NEEDED}
    popularity, knn = (served.gain(baseline, None) for baseline in BASELINES)
    if popularity is None or knn is None:
        return WARN, _("%(learner)s is served without a verdict: nobody knows whether it is better.") % {
            "learner": served.learner
        }
    words = {
        "learner": served.learner,
        "popular": _relative(popularity),
        "knn": _relative(knn),
        "shoppers": popularity["shoppers"],
    }
    if popularity["low"] > 0 and knn["high"] >= 0:
        return GOOD, _(
            "Yes: on %(shoppers)s shoppers that it had never seen, %(learner)s ranks what they then bought %(popular)s "
            "better than a list of what is popular, and %(knn)s better than item-kNN (“who bought this also bought”)."
        ) % words
    return BAD, _(
        "No: on %(shoppers)s shoppers that it had never seen, %(learner)s differs from a list of what is popular by "
        "%(popular)s, and from item-kNN (“who bought this also bought”) by %(knn)s. Think of a roll-back."
    ) % words


def _relative(found: Mapping[str, Any]) -> str:
    """A difference relative to the baseline, with its interval."""
    base = found["baseline_ndcg"]
    if not base:
        return f"{found['difference']:+.4f}"
    value, low, high = (100 * found[name] / base for name in ("difference", "low", "high"))
    return f"{value:+.0f} % [{low:+.0f}, {high:+.0f}]"


def _against_previous(served: Version, previous: Before | None) -> tuple[str, str]:
    if previous is None:
        return "", _("It is the first version that was served.")
    if previous.data_hash != served.data_hash or not served.data_hash:
        return "", _(
            "The version before it (%(learner)s) was tested on other data (%(theirs)s, not %(ours)s): their figures "
            "must not be compared. Let one answer in shadow, or in an experiment, to learn which is better."
        ) % {
            "learner": previous.learner,
            "theirs": previous.data_hash[:8] or "?",
            "ours": served.data_hash[:8] or "?",
        }
    ks = [k for k in HEADLINE if k in served.test and k in previous.test]
    if not ks:
        return "", _("Of the version before it no figures are kept.")
    ours, theirs = (sum(each.test[k][0] for k in ks) / len(ks) for each in (served, previous))
    # At most: errors at several k of the same shoppers are alike, and so are those of two versions.
    error = math.hypot(*(sum(each.test[k][1] for k in ks) / len(ks) for each in (served, previous)))
    low, high = ours - theirs - Z * error, ours - theirs + Z * error
    level = GOOD if low > 0 else BAD if high < 0 else ""
    return level, _(
        "Against the version before it (%(learner)s), on the same data (%(hash)s): NDCG@20 %(ours).4f, not "
        "%(theirs).4f, a difference of %(difference)+.4f, surely between %(low)+.4f and %(high)+.4f."
    ) % {
        "learner": previous.learner, "hash": served.data_hash[:8], "ours": ours, "theirs": theirs,
        "difference": ours - theirs, "low": low, "high": high,
    }  # fmt: skip


def _needs(board: Board) -> str:
    """Why the newest learned version was not let through."""
    newest = next(iter(board.waiting), None)
    if newest is None or board.candidate is not None:
        return ""
    if board.served is not None and newest.created < board.served.created:
        return ""
    if newest.state == "insufficient":
        return _(
            "The newest one, %(learner)s, could be tested on %(found)s shoppers only, and %(needed)s are needed: with "
            "more orders the next training can tell."
        ) % {"learner": newest.learner, "found": newest.verdict.get("shoppers", 0), "needed": NEEDED}
    if newest.state == "failed":
        return _("The newest one, %(learner)s, did not pass: its page says where it lost.") % {
            "learner": newest.learner
        }
    return ""


def gain_chart(board: Board) -> Chart:
    """The gate's comparisons by how many products of a shopper are known."""
    served = board.served
    ks = sorted({c["k"] for c in served.comparisons if c["k"] is not None}) if served else []
    columns = []
    for baseline, name in zip(BASELINES, (_("Over what is popular"), _("Over item-kNN"))):
        found = [served.gain(baseline, k) if served else None for k in ks]
        parts = {key: [_share(each, key) for each in found] for key in ("difference", "low", "high")}
        columns.append(Column(name, parts["difference"], PERCENT, parts["low"], parts["high"]))
    return Chart(
        "gain", _("How much better, by how much is known of a shopper"), _("Products known"), ks, columns, INTERVAL,
        _("NDCG@20 is a grade from 0 to 1 for how far up the first 20 places what a shopper then chose stands. The "
          "differences are in percent of the baseline's grade; the lines are intervals (95 %) over shoppers."),
    )  # fmt: skip


def _share(found: Mapping[str, Any] | None, key: str) -> float | None:
    return None if found is None or not found["baseline_ndcg"] else found[key] / found["baseline_ndcg"]
