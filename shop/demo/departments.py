"""Which shelf a source department becomes, what is no product at all, and which picture a category gets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from django.utils.translation import gettext_noop

PRODUCE = gettext_noop("Fruit & Vegetables")
# Source department -> the shop's department. The small ones hold stray products of a bigger one: the
# apples under TRAVEL & LEISURE and the carrots under FROZEN GROCERY go back to the produce.
LISTED = {
    "GROCERY": gettext_noop("Grocery"),
    "DRUG GM": gettext_noop("Health & Home"),
    "PRODUCE": gettext_noop("Fruit & Vegetables"),
    "COSMETICS": gettext_noop("Beauty"),
    "NUTRITION": gettext_noop("Natural & Organic"),
    "MEAT": gettext_noop("Meat"),
    "MEAT-PCKGD": gettext_noop("Packaged Meat"),
    "DELI": gettext_noop("Deli"),
    "PASTRY": gettext_noop("Bakery"),
    "FLORAL": gettext_noop("Flowers"),
    "SEAFOOD-PCKGD": gettext_noop("Packaged Seafood"),
    "SEAFOOD": gettext_noop("Seafood Counter"),
    "SPIRITS": gettext_noop("Spirits"),
    "GARDEN CENTER": gettext_noop("Garden"),
    "SALAD BAR": gettext_noop("Salad Bar"),
    "CHEF SHOPPE": gettext_noop("Fruit & Vegetables"),
    "TRAVEL & LEISURE": gettext_noop("Fruit & Vegetables"),
    "FROZEN GROCERY": gettext_noop("Fruit & Vegetables"),
    "TOYS": gettext_noop("Health & Home"),
    "HOUSEWARES": gettext_noop("Health & Home"),
    "POSTAL CENTER": gettext_noop("Health & Home"),
}
# Sold at the till, but nothing that a web shop can put into a parcel.
UNLISTED = {
    "FUEL": gettext_noop("Fuel"),
    "COUPON": gettext_noop("Coupons"),
    "MISCELLANEOUS": gettext_noop("Till Sundries"),
    "RESTAURANT": gettext_noop("Coffee Shop"),
    "PHOTO & VIDEO": gettext_noop("Photo & Video"),
    "CNTRL/STORE SUP": gettext_noop("Store Supplies"),
    "AUTOMOTIVE": gettext_noop("Till Sundries"),
    "CHARITABLE CONT": gettext_noop("Donations"),
    "ELECT &PLUMBING": gettext_noop("Donations"),
    "PROD-WHS SALES": gettext_noop("Store Supplies"),
    "GM MERCH EXP": gettext_noop("Store Supplies"),
}
UNKNOWN = gettext_noop("Not in the Catalogue")
# Inside listed departments: vouchers, services, deposits, supplies; and tobacco, not sold online.
NOT_SOLD_CATEGORIES = frozenset({
    "COUPON", "COUPON/MISC ITEMS", "COUPONS/STORE & MFG", "TICKETS", "PREPAID WIRELESS&ACCESSORIES",
    "LONG DISTANCE CALLING CARDS", "IN-STORE PHOTOFINISHING", "OVERNIGHT PHOTOFINISHING", "BOTTLE DEPOSITS", "PHARMACY",
    "PROD SUPPLIES", "MEAT SUPPLIES", "DELI SUPPLIES", "CONTINUITIES", "NEWSPAPER",
    "CIGARETTES", "CIGARS", "TOBACCO OTHER", "PROPANE", "FIREWORKS",
})  # fmt: skip
NOT_SOLD_WORDS = (
    "GIFT CARD",
    "GASOLINE",
    "KEY RING",
    "COUPON",
    "TICKET",
    "DEPOSIT",
    "RENTAL",
    "DISCONTINUED",
    "SUPPLIES/",
    "MISC SALES",
)


@dataclass(frozen=True)
class Shelf:
    department: str
    is_listed: bool
    is_sold: bool  # may one of its products be offered at all


@cache
def shelf(department: str | None, category: str | None, product_type: str | None) -> Shelf:
    """Where a source product belongs; without a known department it belongs nowhere and is not sold."""
    if department in LISTED:
        sold = (category or "") not in NOT_SOLD_CATEGORIES and not any(
            word in (product_type or "") for word in NOT_SOLD_WORDS
        )
        # A product of which the source knows neither category nor type cannot be described to anyone.
        return Shelf(LISTED[department], True, sold and bool(category or product_type))
    return Shelf(UNLISTED.get(department or "", UNKNOWN), False, False)


# The first picture one of whose words is a word of the category wins.
PICTURES = (
    ("eggs", "EGGS"),
    ("banana", "TROPICAL"),
    ("grapes", "GRAPES"),
    ("berry", "BERRIES"),
    ("citrus", "CITRUS"),
    ("melon", "MELONS"),
    ("pear", "PEARS"),
    ("carrot", "CARROTS"),
    ("tomato", "TOMATOES"),
    ("pepper", "PEPPERS"),
    ("onion", "ONIONS"),
    ("mushroom", "MUSHROOMS"),
    ("corn", "CORN"),
    ("broccoli", "BROCCOLI"),
    ("baby", "BABY BABYFOOD INFANT DIAPERS"),
    ("pet", "CAT DOG PET BIRD"),
    ("flower", "FLORAL ROSES BOUQUET LILY"),
    ("garden", "GARDEN LAWN CHARCOAL"),
    ("beauty", "MAKEUP COSMETIC FRAGRANCES"),
    ("soap", "SOAP HAIR BODY SHAVING DEODORANTS ORAL SUNTAN HYGIENE PERSONAL"),
    (
        "medicine",
        "ANALGESICS FLU ANTACIDS SINUS LAXATIVES AID VITAMINS DIETARY EYE FOOT INCONTINENCE HEALTH "
        "FAMILY SMOKING GLASSES HBC",
    ),
    ("paper", "PAPER TISSUES TISS WRAPS FILTERS FOILWARE"),
    ("soap", "BATH"),
    ("cleaning", "DETERGENTS BLEACH CLEANG LAUNDRY BROOMS AIR INSECTICIDES IRONING SHOE"),
    ("card", "CARDS MAGAZINE STATIONERY BOOKSTORE"),
    ("toy", "TOYS SPORTS HALLOWEEN EASTER CHRISTMAS VALENTINE SEASONAL"),
    ("kitchen", "KITCHEN COOKWARE GLASSWARE HOUSEWARES"),
    ("bulb", "ELECTRIC ELECTRICAL BATTERIES HARDWARE AUDIO FILM CANDLES AUTOMOTIVE"),
    ("icecream", "ICE NOVELTIES"),
    ("frozen", "FRZN FROZEN"),
    ("wine", "WINE LIQUOR"),
    ("beer", "BEERS"),
    ("coffee", "COFFEE TEA TEAS COCOA"),
    ("juice", "JUICE JUICES DRINK DRINKS DRNK DRNKS WATER BEVERAGE BEVERAGES AGE"),
    ("cheese", "CHEESE CHEESES BUTTER MARGARINES"),
    ("milk", "MILK YOGURT DAIRY REFRIGERATED"),
    ("fish", "SEAFOOD SUSHI"),
    ("candy", "CANDY SUGARS SYRUP SYRUPS DESSERTS"),
    ("snack", "SNACK SNACKS CHIPS POPCORN NUTS"),
    ("cookie", "COOKIES CRACKERS SNKS CAKES PIES SWEET SWEETS"),
    ("bread", "BREAD ROLLS DOUGH FLOUR BAKING BAKERY SANDWICHES"),
    ("pasta", "PASTA NOODLES MXS BN PIZZA HISPANIC PREPARED"),
    ("cereal", "CEREAL BRKFST"),
    ("jar", "SAUCE SAUCES CONDIMENTS PNT PICKLE OLIVES DRSNG OIL SPICES"),
    ("can", "SHELF SOUP CANNED"),
    ("potato", "POTATOES"),
    ("salad", "SALAD SALADS VEGETABLES HERBS ORGANICS SQUASH"),
    ("fruit", "FRUIT APPLES"),
    ("meat", "MEAT MEATS BEEF CHICKEN POULTRY PORK TURKEY LAMB VEAL BACON DOGS SAUSAGE LUNCHMEAT"),
)
DEPARTMENT_PICTURES = {
    "GROCERY": "jar",
    "PRODUCE": "fruit",
    "COSMETICS": "beauty",
    "NUTRITION": "salad",
    "MEAT": "meat",
    "MEAT-PCKGD": "meat",
    "DELI": "cheese",
    "PASTRY": "bread",
    "FLORAL": "flower",
    "SEAFOOD": "fish",
    "SEAFOOD-PCKGD": "fish",
    "SPIRITS": "wine",
    "GARDEN CENTER": "garden",
    "SALAD BAR": "salad",
    "CHEF SHOPPE": "salad",
    "TRAVEL & LEISURE": "fruit",
    "FROZEN GROCERY": "salad",
    "TOYS": "toy",
    "HOUSEWARES": "kitchen",
    "DRUG GM": "box",
    "POSTAL CENTER": "candy",
}


SHOP_PICTURES = {
    name: DEPARTMENT_PICTURES[source]
    for source, name in reversed(LISTED.items())
    if source in DEPARTMENT_PICTURES
}
SHOP_PICTURES["Health & Home"] = "soap"


@cache
def picture(department: str | None, category: str | None) -> str:
    """The file name, without its ending, of a category's drawing in static/shop/tiles."""
    found = set(re.findall("[A-Z]+", category or ""))
    for name, words in PICTURES:
        if found & set(words.split()):
            return name
    return DEPARTMENT_PICTURES.get(department or "", "box")
