"""Readable names out of the source's clipped capitals ("FRZN BAGGED VEGETABLES - PLAIN")."""

from __future__ import annotations

import re
from functools import cache

from shop.demo.words import (
    BARE_TYPES,
    CATEGORIES,
    CATEGORY_NOUNS,
    FRONT_NOUNS,
    LOWER_WORDS,
    PREFIXES,
    ROTATED,
    SIZE_WORDS,
    TYPES,
    WORDS,
)

_PARENTHESIS = re.compile(r"\([^)]*\)?")
_SPLIT = re.compile(r"\s*([/&,:]|\s-\s)\s*")
_SIZE = re.compile(
    r"^(?:(?P<packs>\d+) ?(?:PK|CT|P|Z)?[ /-]+)?(?P<number>\d*\.?\d+|\d+ \d/\d) *"
    r"(?P<unit>FL OZ|OZ|LB|CT|ML|LT|L|PK|QT|PT|GAL|GA|DZ|IN|FT|SQ FT|PC|STEMS?|LOADS?|LDS?|SHEETS|GM|G|CM"
    r"|ROLL|KIT|USES?)\b"
)
_BARE_UNITS = {
    "GAL": "1 gal",
    "HALF GAL": "½ gal",
    "QT": "1 qt",
    "PT": "1 pt",
    "LB": "per lb",
    "L": "1 L",
    "DZ": "1 dozen",
}
_DEGREES = {"MED": "Medium", "MEDIUM": "Medium", "SML": "Small", "SMALL": "Small", "LARGE": "Large"}


def tidy(text: str) -> str:
    """Spell out, drop remarks in parentheses and put into title case."""
    text = _PARENTHESIS.sub("", text.upper()).replace("W/", "WITH ").strip(" :-/&")
    text = _SPLIT.sub(lambda found: {"&": " & ", "/": " / ", ",": ", ", ":": " "}.get(found[1], " - "), text)
    words = [WORDS.get(word, word) for word in text.split()]
    titled = [_title(word) for word in " ".join(word for word in words if word).split()]
    return re.sub(r"\s+", " ", " ".join(titled)).strip(" -/&,").replace(" / ", "/")


@cache
def type_name(product_type: str, category: str) -> str:
    """What a thing is called: its type, with the category's noun where the type alone says nothing."""
    name = _worded(product_type, category).removeprefix("Other ").lstrip("- ")
    return name[:1].upper() + name[1:]


def _worded(product_type: str, category: str) -> str:
    if product_type in TYPES:
        return TYPES[product_type]
    noun = CATEGORY_NOUNS.get(category, "")
    if product_type in BARE_TYPES and noun:
        plain = tidy(product_type)
        if plain.endswith(noun):
            return plain
        return f"{noun} {plain}" if noun in FRONT_NOUNS else f"{plain} {noun}"
    head, colon, rest = product_type.partition(":")
    if colon and head in PREFIXES and rest.strip():
        return f"{tidy(rest)} {PREFIXES[head]}".strip()
    first, _space, rest = product_type.partition(" ")
    if first in ROTATED and rest[:1].isalpha():
        return f"{tidy(rest)} {tidy(first)}".strip()
    return tidy(product_type) or tidy(category)


@cache
def category_name(category: str) -> str:
    """ "BAKED BREAD/BUNS/ROLLS" -> "Baked Bread, Buns & Rolls"."""
    if category in CATEGORIES:
        return CATEGORIES[category]
    parts = re.split(r"\s*[/&]\s*", tidy(category))
    return f"{', '.join(parts[:-1])} & {parts[-1]}" if len(parts) > 1 else parts[0]


@cache
def size_name(package_size: str | None) -> str:
    """ "12 PK/12 OZ" -> "12 × 12 oz"; empty where the source holds a code and no size."""
    text = " ".join((package_size or "").upper().split())
    text = re.sub(r"^(?:P|R|L|N|AB|ALL|EACH|KIOSK)\.? +(?=[\d.])", "", text)
    text = re.sub(r"^\((\d+)\) *", r"\1/", text)
    if known := _BARE_UNITS.get(text) or _DEGREES.get(text):
        return known
    found = _SIZE.match(text)
    number = found["number"] if found else ""
    # Five digits before the point are an article code.
    if not found or len(number.partition(".")[0].partition(" ")[0]) > 4 or len(found["packs"] or "") > 3:
        return ""
    if "." in number:
        number = f"{float(number):g}"
    size = f"{number} {SIZE_WORDS.get(found['unit'], found['unit'].lower())}"
    return f"{found['packs']} × {size}" if found["packs"] not in (None, "1") else size


def _title(word: str) -> str:
    if not word.isupper():
        return word
    if word.lower() in LOWER_WORDS:
        return word.lower()
    return re.sub(r"[A-Z]+(?:'[A-Z]+)?", lambda part: part[0].capitalize(), word)
