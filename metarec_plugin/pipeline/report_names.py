"""What a report's own words are called on its page: learners, reasons, fields, and the language they are read in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext, gettext_noop, pgettext
from django.utils.translation import gettext as _

from metarec_plugin.evaluate.plots import Labels
from metarec_plugin.exceptions import ConfigurationError

_LEARNERS: Mapping[str, Callable[[], str]] = {
    "popularity": lambda: _("popularity"),
    "decayed_popularity": lambda: _("decayed popularity"),
    "item_knn": lambda: _("item kNN"),
    "asymmetric_knn": lambda: _("asymmetric item kNN"),
    "ease": lambda: "EASE",
    "ials": lambda: "iALS",
    "random": lambda: _("random order"),
    "constant": lambda: _("fixed order"),
    "own_frequency": lambda: _("own frequency"),
    "mixture": lambda: _("mixture"),
    "closed_form": lambda: _("closed form"),
    "maml": lambda: "MAML",
    "maml_head": lambda: "MAML (head)",  # what requests answer where workers add a network
    "maml_nn": lambda: _("MAML with a network"),
    "reptile": lambda: "Reptile",
}
# The endings that evaluation gives to names: tuned beyond the grid, and with the buy-again term.
_ENDINGS: Mapping[str, Callable[[str], str]] = {
    "_wide": lambda name: _("{name} (wide)").format(name=name),
    "+own": lambda name: _("{name} + buy again").format(name=name),
}
# What a report says in English sentences; what is not among them is shown as it is.
_SAID = (
    gettext_noop("not applicable: the events have no timestamps"),
    gettext_noop("not run: {found} products are more than {most}"),
    gettext_noop("not run: it needs the package implicit; pip install 'django-metarec[evaluate]'"),
    gettext_noop(
        "No training shopper has {least} distinct products of the catalogue; the longest history has {longest}. "
        "Collect more events, or serve popularity until there are."
    ),
    gettext_noop(
        "The closed form learns from shoppers with two products or more; none of the {n} training shoppers has. "
        "Collect more events."
    ),
    gettext_noop("{system}, {n} cores"),
    gettext_noop("subject"),
    gettext_noop("context"),
    gettext_noop("hour"),
    gettext_noop("weekday"),
    gettext_noop("holiday"),
)
_FIELD = re.compile(r"\\\{(\w+)\\\}")
_PATTERNS = tuple((re.compile(_FIELD.sub(r"(?P<\1>.+?)", re.escape(each))), each) for each in _SAID)


def learner_name(name: str) -> str:
    """Return what people call the learner; a name that is not known here stays as it is."""
    for ending, joined in _ENDINGS.items():
        if name.endswith(ending):
            return joined(learner_name(name.removesuffix(ending)))
    return _LEARNERS[name]() if name in _LEARNERS else name


def said(words: str) -> str:
    """Return a report's English words in the active language, with the figures that they hold."""
    for pattern, message in _PATTERNS:
        if match := pattern.fullmatch(words):
            return gettext(message).format(**match.groupdict())
    return words


def listed(each: Iterable[object]) -> str:
    """Return what is to be read one after another as one line."""
    return pgettext("between the parts of a list", ", ").join(map(str, each))


def learners_of(found: Mapping[str, Any]) -> list[str]:
    """Return the names of all that was measured, in its order."""
    rows = [*found["rows"], *found.get("wide_rows", ())]
    return list(dict.fromkeys([*(row["learner"] for row in rows), *found["seconds"]["train"]]))


def labels_of(found: Mapping[str, Any]) -> Labels:
    """Return what is written on the plots."""
    return Labels(
        language=catalogue_language(),
        names={name: learner_name(name) for name in learners_of(found)},
        known=_("products known of the shopper (k)"),
        quality="NDCG@20",
        predicted=_("predicted: chance that a listed product comes next"),
        observed=_("observed share"),
        perfect=_("as often as it says"),
        train_seconds=_("seconds to train or tune"),
        rank_milliseconds=_("ms to rank for a shopper"),
    )


def catalogue_language() -> str:
    """Return the language that the active catalogue's words are in: English, where it has none of this page's."""
    # Translators: the code of your own language, such as zh-hans.
    return pgettext("code of this catalogue's language", "en")


def report_language(asked: str | None) -> str:
    """Return the language of a report: the one asked for, or that of the settings.

    Raises ConfigurationError where there are no words in the language asked for.
    """
    if asked is None:
        return settings.LANGUAGE_CODE
    try:
        language = translation.get_supported_language_variant(asked)
    except LookupError:
        language = asked.lower()
    if translation.check_for_language(language):
        with translation.override(language):
            spoken = catalogue_language().lower()
        if language == spoken or language.startswith(spoken + "-"):
            return language
    raise ConfigurationError(
        f"--language {asked}: the report has no words in it. Choose one of {', '.join(_languages())}, or add it to "
        "LOCALE_PATHS; other languages than LANGUAGE_CODE need USE_I18N."
    )


def _languages() -> list[str]:
    """Return the languages of the settings that the page has words in."""
    found = []
    for code, _name in settings.LANGUAGES:
        with translation.override(code):
            spoken = catalogue_language().lower()
        if code == spoken:
            found.append(code)
    return found
