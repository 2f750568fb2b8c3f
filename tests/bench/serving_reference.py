"""What a shop would write itself: `implicit` behind a bare Django view. The other side of tests.bench.serving.

One query for the history, one for the products, a bulk insert for events, JSON out; nothing else is stored.
"""

from __future__ import annotations

import json
import warnings
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from django.conf import settings
from django.db import models
from django.http import HttpRequest, JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from shop.models import Product
from tests.bench.serving_ours import SIZE, process

FACTORS, VISITOR = "reference.npz", "visitor"
WINDOW, CANDIDATES = 50, 2 * SIZE  # twice as many as are shown: some are out of stock


class Visit(models.Model):
    """The shop's own log: no more columns than the view needs."""

    subject = models.CharField(max_length=64)
    kind = models.CharField(max_length=16)
    product = models.UUIDField()
    at = models.DateTimeField()

    class Meta:
        app_label, db_table, managed = "shop", "bench_visit", False
        indexes = [models.Index(fields=["subject", "at"], name="bench_visit_subject")]


@cache
def model() -> tuple[Any, list[str], dict[str, int]]:
    """ALS with its factors, the keys, and each key's place."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it speaks up about BLAS threads, which the environment sets
        from implicit.cpu.als import AlternatingLeastSquares

        found = np.load(Path(settings.METAREC["ARTIFACTS"]) / FACTORS)
        als = AlternatingLeastSquares(factors=found["factors"].shape[1], num_threads=1)
    als.item_factors = found["factors"]
    als.user_factors = np.zeros((1, als.item_factors.shape[1]), dtype="f4")
    keys = found["keys"].tolist()
    return als, keys, {key: place for place, key in enumerate(keys)}


@csrf_exempt
def recommendations(request: HttpRequest) -> JsonResponse:
    als, keys, places = model()
    subject = request.get_signed_cookie(VISITOR)
    visits = Visit.objects.filter(subject=subject).order_by("-at")
    history = dict.fromkeys(str(key) for key in visits.values_list("product", flat=True)[:WINDOW])
    known = [places[key] for key in history if key in places]
    row = sp.csr_matrix((np.ones(len(known), "f4"), known, [0, len(known)]), shape=(1, len(keys)))
    found, _ = als.recommend(0, row, N=CANDIDATES, recalculate_user=True, filter_already_liked_items=True)
    wanted = [keys[place] for place in found.tolist()]
    live = Product.objects.filter(pk__in=wanted, is_active=True, stock__gt=0)
    products = {str(product.pk): product for product in live}
    chosen = [products[key] for key in wanted if key in products][:SIZE]
    entries = [
        {
            "key": str(product.pk),
            "title": product.name,
            "url": product.get_absolute_url(),
            "price": str(product.price),
        }
        for product in chosen
    ]
    return JsonResponse({"entries": entries})


@csrf_exempt
def events(request: HttpRequest) -> JsonResponse:
    subject, now = request.get_signed_cookie(VISITOR), datetime.now(UTC)
    made = [
        Visit(subject=subject, kind=event["kind"], product=event["product"], at=now)
        for event in json.loads(request.body)["events"]
    ]
    Visit.objects.bulk_create(made)
    return JsonResponse({"stored": len(made)}, status=202)


urlpatterns = [
    path("process/", process),
    path("recommendations/", recommendations),
    path("events/", events),
    path("", include("shop.urls")),
]
