"""Give models what is known beside products, where it is measured to help: declared features and the moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from metarec_plugin.collect.context_days import context_days
from metarec_plugin.collect.subjects import user_subject
from metarec_plugin.conf import get_config
from metarec_plugin.evaluate.episodes import Scorer
from metarec_plugin.evaluate.known import CONTEXT, SUBJECT, Known, known_moments, known_subjects
from metarec_plugin.evaluate.prior_fitting import Fitting
from metarec_plugin.evaluate.prior_gains import Gain, GroupPriors, fit_priors, held_out_gains
from metarec_plugin.features.context import Calendar, configured_calendar
from metarec_plugin.features.table import FeatureTable, table_from_rows
from metarec_plugin.pipeline.candidates import Candidate
from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.storefront import get_storefront

OFF = "off"


def known_of_shop(dataset: Dataset, *, measured: bool = False) -> list[Known]:
    """Read what the shop declares of the dataset's shoppers, and the calendar of its settings.

    A group that SUBJECT_PRIOR or CONTEXT_PRIOR switches off is left out, unless it is to be measured all the same.
    """
    config = get_config()
    found: list[Known | None] = []
    if measured or config.subject_prior != OFF:
        found.append(known_of_users(_declared(dataset), dataset))
    if measured or config.context_prior != OFF:
        found.append(known_of_times(configured_calendar(context_days()), dataset))
    return [each for each in found if each is not None]


def known_of_users(table: FeatureTable, dataset: Dataset) -> Known | None:
    """Return what a table of users, its keys subjects, says of the dataset's shoppers; None where it says nothing."""
    known = known_subjects(table, dataset)
    return known if known.names else None


def known_of_times(calendar: Calendar, dataset: Dataset) -> Known | None:
    """Return what the calendar says of the dataset's events; None where they have no times."""
    known = known_moments(calendar.values, dataset)
    return known if known is not None and known.names else None


class PriorFits:
    """The fits of one dataset, beside what requests answer. Models of the same answer to nobody share theirs."""

    def __init__(self, dataset: Dataset, known: Sequence[Known]) -> None:
        self._dataset, self._known = dataset, known
        self._plain: dict[str, Fitting] = {}

    def of(self, candidate: Candidate, scorer: Scorer) -> list[Fitting]:
        """Return the fit of each group beside the candidate."""
        nobody = candidate.model().scores(np.empty(0, dtype=np.int64))
        if not np.array_equal(nobody, self._dataset.log_prior):
            return [Fitting(self._dataset, known, scorer) for known in self._known]
        for known in self._known:
            if known.group not in self._plain:
                self._plain[known.group] = Fitting(self._dataset, known, scorer)
        return [self._plain[known.group] for known in self._known]

    def added_to(self, candidate: Candidate) -> Candidate:
        """Return the candidate with the groups that help it, and what was measured in its report."""
        if not self._known:
            return candidate
        scorer = candidate.request_scorer()
        groups = [fit_priors(fitting, scorer, _mode(fitting.known)) for fitting in self.of(candidate, scorer)]
        arrays = dict(candidate.arrays)
        for group in groups:
            arrays |= group.arrays()
        report = {**candidate.report, "priors": {group.known.group: group.as_json() for group in groups}}
        return replace(candidate, arrays=arrays, report=report, known=tuple(self._known))

    def measured(self, candidate: Candidate, ks: Sequence[int]) -> tuple[list[GroupPriors], list[Gain]]:
        """Return the groups as they would come out by default, and what each adds on the test shoppers."""
        scorer = candidate.request_scorer()
        groups, gains = [], []
        for fitting in self.of(candidate, scorer):
            groups.append(fit_priors(fitting, scorer))
            gains += held_out_gains(fitting, groups[-1], scorer, ks)
        return groups, gains


def _mode(known: Known) -> str:
    config = get_config()
    return {SUBJECT: config.subject_prior, CONTEXT: config.context_prior}[known.group]


def _declared(dataset: Dataset) -> FeatureTable:
    """The features that the mapping declares of users, of those who are in the dataset."""
    storefront = get_storefront()
    kinds = {name: feature.kind for name, feature in storefront.users.features.items()}
    sides = (dataset.train, dataset.validation, dataset.test)
    wanted = {subject for side in sides for subject in side.subjects.tolist()} if kinds else set()
    rows: list[tuple[Any, ...]] = []
    if kinds:
        keyed = ((user_subject(key), values) for key, *values in storefront.user_rows())
        rows = [(subject, *values) for subject, values in keyed if subject in wanted]
    return table_from_rows(rows, kinds)
