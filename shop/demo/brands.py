"""Invented brand names for the makers that the source only numbers; real ones would claim what is not known."""

from __future__ import annotations

OWN_BRAND = "Greenbarrow"
_FIRST = [
    "Alder",
    "Amble",
    "Arden",
    "Birch",
    "Bram",
    "Brindle",
    "Calder",
    "Cinder",
    "Copper",
    "Corn",
    "Dapple",
    "Dove",
    "Elder",
    "Ember",
    "Fallow",
    "Fern",
    "Flint",
    "Foxen",
    "Gable",
    "Garnet",
    "Harrow",
    "Hazel",
    "Heath",
    "Ivel",
    "Juniper",
    "Kestrel",
    "Lark",
    "Linden",
    "Maple",
    "Marl",
    "Medlar",
    "Nettle",
    "Oaken",
    "Otter",
    "Pebble",
    "Quill",
    "Rowan",
    "Rush",
    "Sedge",
    "Sorrel",
    "Tansy",
    "Teasel",
    "Thistle",
    "Wren",
    "Yarrow",
]
_LAST = [
    "beck",
    "bourne",
    "brook",
    "bury",
    "by",
    "combe",
    "croft",
    "dale",
    "dell",
    "don",
    "fell",
    "ford",
    "garth",
    "gate",
    "grove",
    "ham",
    "hollow",
    "holt",
    "hurst",
    "ley",
    "mead",
    "mere",
    "mill",
    "mont",
    "more",
    "ridge",
    "rill",
    "shaw",
    "stead",
    "stow",
    "thorpe",
    "ton",
    "wick",
    "wold",
    "wood",
    "worth",
]
_KINDS = ("", " Farms", " & Co.", " House")
_NAMES = len(_FIRST) * len(_LAST) * len(_KINDS)
_STRIDE = (
    2617  # shares no factor with _NAMES, so each maker gets a name of its own and neighbours look unalike
)


def brand_name(rank: int) -> str:
    """The name of the maker at this rank among all makers by number."""
    number = rank * _STRIDE % _NAMES
    number, kind = divmod(number, len(_KINDS))
    first, last = divmod(number, len(_LAST))
    return f"{_FIRST[first]}{_LAST[last]}{_KINDS[kind]}"
