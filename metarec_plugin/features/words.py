"""A text's words and the parts of words, in lower case; nothing heavy, since web processes read titles too."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W_]{2,}")
_GRAM = 4  # letters; words of up to three stay whole


def words(text: str) -> list[str]:
    """Return the distinct words of a text in lower case, in their order."""
    return list(dict.fromkeys(_WORD.findall(text.casefold())))


def grams(word: str) -> list[str]:
    """Return the runs of four characters of a word with its ends marked: of "mugs" these are "<mug", "mugs", "ugs>".

    They let "mug" and "mugs", or a name that is spelled in two ways, have something in common (Bojanowski et al.
    2017, section 3.2).
    """
    marked = f"<{word}>"
    return [marked[start : start + _GRAM] for start in range(max(1, len(marked) - _GRAM + 1))]
