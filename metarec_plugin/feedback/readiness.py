"""What each placement answers now, what it lacks, and what can be expected of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from metarec_plugin.feedback.board import Board, share_of_fallbacks

# What a strategy needs that is not always there.
TOGETHER, AGAIN, ADAPTED, TRENDING = "together", "again", "adapted", "trending"
USUAL = ("home", "product", "basket", "together")  # of the placements that come along, those a shop has first


@dataclass(frozen=True)
class Ready:
    """One placement. lists: answered in the time. own: share of them that was made for its shopper or its page.

    lacks: in words, empty where nothing. gain: over what is popular, relative, with its interval, by the gate.
    """

    placement: str
    lists: int
    own: float | None
    lacks: str
    gain: tuple[float, float, float] | None
    gain_k: int | None  # after how many products; None: the mean over the first 1 to 10
    stages: Mapping[str, int]

    @property
    def is_placed(self) -> bool:
        return self.lists > 0


def readiness(board: Board) -> tuple[list[Ready], list[str]]:
    """Return a row for each placement that is asked for or is usual, and the names of the others."""
    asked = board.answers.by_placement
    names = [name for name in board.placements if name in asked or name in USUAL]
    names += [name for name in asked if name not in board.placements]
    return [_ready(board, name) for name in names], [
        name for name in board.placements if name not in names and name != "default"
    ]


def _ready(board: Board, name: str) -> Ready:
    strategies = board.placements.get(name, board.placements.get("default", ()))
    stages = board.answers.by_placement.get(name, {})
    fallback = share_of_fallbacks(stages)
    about_page = name in ("product", "together", "basket", "confirmation")
    k = 1 if about_page else None
    return Ready(
        placement=name,
        lists=sum(stages.values()),
        own=None if fallback is None else 1 - fallback,
        lacks=_lacks(board, strategies),
        gain=_gain(board, k) if ADAPTED in strategies else None,
        gain_k=k,
        stages=dict(stages),
    )


def _lacks(board: Board, strategies: tuple[str, ...]) -> str:
    first = strategies[0] if strategies else ""
    if first in (ADAPTED, TOGETHER, AGAIN) and board.served is None:
        return _("a model: train one")
    if first == TOGETHER and board.served is not None and not board.served.together:
        return _("orders with more than one product: from them is learned what is bought together")
    if first == AGAIN and board.served is not None and not board.served.again:
        return _("shoppers who bought a product twice: from them is learned what is bought again")
    if first == ADAPTED and board.served is not None and board.served.state == "baseline":
        return _("a learned model that passed: %(learner)s, a baseline, stands in") % {
            "learner": board.served.learner
        }
    if first == TRENDING and not board.accepted:
        return _("events of late: from them is told what sells more than it did")
    return ""


def _gain(board: Board, k: int | None) -> tuple[float, float, float] | None:
    found = board.served.gain("popularity", k) if board.served else None
    if found is None or not found["baseline_ndcg"]:
        return None
    base = found["baseline_ndcg"]
    return found["difference"] / base, found["low"] / base, found["high"] / base
