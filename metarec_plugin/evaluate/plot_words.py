"""Words on a plot, written as text: the browser draws them with fonts that matplotlib need not have."""

from __future__ import annotations

import unicodedata
from xml.sax.saxutils import escape

# Both are glyphs of matplotlib's own font: one em wide, as wide characters are in every font, and of no width.
_EM, _NOTHING = "\N{EM DASH}", "\N{ZERO WIDTH SPACE}"
FONT = "DejaVu Sans"
_FONTS = (
    "'DejaVu Sans', Verdana, 'PingFang SC', 'Hiragino Sans GB', 'Microsoft YaHei', 'Noto Sans CJK SC', "
    "'Source Han Sans SC', 'WenQuanYi Micro Hei', sans-serif"
)


class PlotWords:
    """What one plot says. matplotlib lays dashes out in place of wide characters; `written` puts the words back."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._words: dict[str, str] = {}  # stand-in -> words

    def __call__(self, words: str) -> str:
        """Return what to draw for the words: themselves, or a stand-in that needs as much room."""
        if not any(map(_wide, words)):
            return words
        stand_in = "".join(_EM if _wide(each) else each for each in words)
        stand_in += _NOTHING * (len(self._words) + 1)  # no two are alike
        self._words[stand_in] = words
        return stand_in

    def written(self, svg: str) -> str:
        """Return matplotlib's SVG with the words, their language and fonts of any system."""
        for stand_in, words in self._words.items():
            svg = svg.replace(f">{escape(stand_in)}</text>", f">{escape(words)}</text>")
        svg = svg.replace(f"'{FONT}', sans-serif", _FONTS)
        return svg.replace("<svg ", f'<svg xml:lang="{escape(self._language)}" ', 1)


def _wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"
