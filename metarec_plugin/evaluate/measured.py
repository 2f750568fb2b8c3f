"""A baseline tuned and measured on the test shoppers, on its grid and, where the best lies at an edge, beyond it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from metarec_plugin.evaluate.baselines import tune
from metarec_plugin.evaluate.episodes import Scorer
from metarec_plugin.evaluate.protocol import Result, evaluate
from metarec_plugin.evaluate.repeat_tuning import buys_again, with_own
from metarec_plugin.evaluate.tuning import TunedBaseline
from metarec_plugin.evaluate.variety import Variety
from metarec_plugin.evaluate.widening import Strength
from metarec_plugin.preprocess.histories import Dataset


@dataclass(frozen=True, eq=False)
class Measured:
    """One scorer's results by k, and how it came to its settings; `not_run` says why there are none."""

    name: str
    results: Mapping[int, Result] = field(default_factory=dict)
    settings: Mapping[int, str] = field(default_factory=dict)
    tuning: Mapping[str, Any] = field(default_factory=dict)  # TunedBaseline.as_json()
    seconds: float = 0.0  # of tuning; of a family's second entry what it took beyond the first
    not_run: str = ""
    wide: bool = False  # tuned beyond the benchmark's grid
    cached: bool = False  # read from an earlier evaluation, which the seconds are of too


def measure_baseline(
    name: str,
    dataset: Dataset,
    ks: Sequence[int],
    seed: int,
    variety: Variety | None,
    beyond: Sequence[Strength] = (),
) -> list[Measured]:
    """Tune the named baseline and measure it on the test shoppers of each k.

    Beside it stand, where they apply: `<name>_wide`, the same family tuned on beyond the edges of its grid, if
    that chose otherwise at some k (the "beyond" of the first's tuning names it, or says that there was nothing
    better); and what the buy-again term makes of it, on the repeat track. beyond: strengths that the search beyond
    the grid found on another split: it is not made again, they are.
    """
    started = time.perf_counter()
    tuned = tune(name, dataset, ks, seed)
    spent = time.perf_counter() - started
    if tuned.not_run:
        return [Measured(name, not_run=tuned.not_run, seconds=spent)]
    found = [_measured(tuned, dataset, ks, variety, spent)]
    if tuned.widen is not None:
        started = time.perf_counter()
        wide = tuned.widen(beyond)
        better = any(setting != tuned.settings.get(k) for k, setting in wide.settings.items())
        spent = time.perf_counter() - started
        said = wide.name if better else "nothing better"
        found[0] = replace(found[0], tuning={**found[0].tuning, "beyond": said})
        if better:
            found.append(_measured(wide, dataset, ks, variety, spent, wide=True))
        else:
            found[0] = replace(found[0], seconds=found[0].seconds + spent)
    if buys_again(dataset, name):
        started = time.perf_counter()
        called, own = with_own(name, tuned, dataset, ks, calibrated=False)
        spent = time.perf_counter() - started
        found.append(Measured(called, results_of(own, dataset, ks, variety=variety), seconds=spent))
    return found


def results_of(
    scorer: Scorer,
    dataset: Dataset,
    ks: Sequence[int],
    *,
    adapts: bool = True,
    variety: Variety | None = None,
    probabilities: bool = False,
) -> dict[int, Result]:
    """Measure a scorer on the test shoppers at each k that has any."""
    n = dataset.n_products
    results = (
        evaluate(scorer, dataset.test, k, n, adapts=adapts, variety=variety, probabilities=probabilities)
        for k in ks
    )
    return {result.k: result for result in results if len(result)}


def _measured(
    tuned: TunedBaseline,
    dataset: Dataset,
    ks: Sequence[int],
    variety: Variety | None,
    seconds: float,
    wide: bool = False,
) -> Measured:
    return Measured(
        name=tuned.name,
        results=results_of(tuned, dataset, ks, adapts=tuned.adapts, variety=variety),
        settings={k: str(tuned.settings[k]) for k in ks if k in tuned.settings},
        tuning=tuned.as_json(),
        seconds=seconds,
        wide=wide,
    )
