"""Each section of the benchmark page, from small figures of the shape that its script writes."""

from __future__ import annotations

import pytest

from tests.bench import page

ENVIRONMENT = {
    "command": "metarec_evaluate --events /home/me/ml-1m/events.parquet", "date": "2026-01-02T03:04:05+00:00",
    "device": "cpu", "machine": "Linux x86_64, 2 cores", "versions": {"python": "3.11.7"},
}  # fmt: skip
MINUTE = {
    "wall_seconds": 51.25, "load": 0.4, "cores": 2, "learner": "mixture", "seed": 0, "ndcg20": 0.1712,
    "rows": [{"k": 1, "ndcg20": 0.14, "low": 0.13, "high": 0.15, "users": 100}],
    "seconds": {"load": 1.0, "train": {"mixture": 40.0}, "evaluate": 5.0},
    "data": {"products": 3005, "train_users": 4227, "test_users": 1207, "hash": "f680fdf0531d77"},
    "environment": ENVIRONMENT, "command": "python manage.py metarec_evaluate", "date": "2026-01-02",
}  # fmt: skip
ADAPTATION = {
    "draws": 200, "min_products": 80, "seed": 0,
    "rows": [{
        "learner": "mixture", "lift": 0.375, "loss": 0.083, "ndcg": 0.1, "before": 0.096, "after": 0.335,
        "rise": 0.239, "low": 0.201, "high": 0.277, "common": 0.166,
        "curve": [{"lift": 0.0, "ndcg": 0.0983, "coverage": 0.016, "rise": 0.131}],
    }],
}  # fmt: skip


def newcomer(**above: list[float]) -> dict:
    part = {
        "mean": 0.2,
        "low": 0.1,
        "high": 0.3,
        "by_k": {"1": 0.2},
        **{f"above {k}": v for k, v in above.items()},
    }
    return {"among_new": part, "overall": part, "warm_loss": [0.01, 0.005, 0.015], "share_of_lists": 0.04}


LOADED = {
    "throughput": 150.0, "p50": 30.0, "p95": 48.0, "list_p95": 50.0, "events_p95": 40.0, "web_ms": 9.0,
    "database_ms": 2.0,
}  # fmt: skip
SERVING = {
    "workers": 2, "threads": 4, "postgresql": "18.4", "products": 20_000, "subjects": 100_000, "events": 1_000_000,
    "concurrency": 8, "lists": 0.8, "arrays": "random", "bundle_mb": 208.7, "factors": 64,
    "load": [0.4, 2.1], "throughput_ratio": 0.75, "p95_ratio": 1.6, "errors": 0, "peak_mb": 200.0, "aim_p95_ms": 50.0,
    "bars": {"throughput_ratio": 0.7, "p95_ratio": 1.5, "errors": 0, "peak_mb": 250.0},
    "held": {"throughput_ratio": True, "p95_ratio": False, "errors": True, "peak_mb": True},
    "rounds": [{"side": side, "requests": 2_500, "errors": 0} for side in ("ours", "whole", "reference")],
    "medians": {
        "ours": LOADED, "whole": {**LOADED, "throughput": 140.0},
        "reference": {**LOADED, "throughput": 200.0, "p95": 30.0},
    },
    "memory": {side: [{"peak": 200.0, "own": 80.0}] for side in ("ours", "whole", "reference")},
    "answers": {"ours": {"list": {"bytes": 2600, "names": ["entries[10].key"]}}},
}  # fmt: skip
PAIRED = {
    "products": 3_000, "shoppers": 800, "first": 0.12, "second": 0.118, "difference": 0.002, "low": -0.001,
    "high": 0.005, "p": 0.2,
}  # fmt: skip
CLEANING = {
    "files": {
        "online-retail": {
            "read": 1_000, "kept": 900,
            "rules": [{"rule": "duplicate", "why": "twice", "rows": 100, "changed": 0}],
            "faults": [
                {"seed": 1, "rows": {"read": 1_100}, "put_in_and_found": {"duplicate": [50, 50], "date": [50, 49]}}
            ],
        }
    },
    "stated": [{"what": "rows", "stated": 1_000, "found": 1_000}, {"what": "twins", "stated": None, "found": 224}],
    "guesses": {"said": 33, "guessed": 20, "both": 18, "rows_said": 900, "rows_guessed": 810, "rows_both": 800},
    "speed": {"grouped": 0.5, "cleaned": 1.5, "ratio": 3.0, "rounds": 7, "cores": 1, "load": 2.0},
    "quality": {
        "learner": "closed_form", "seed": 0, "asked_clean": PAIRED, "asked_raw": PAIRED,
        "bulk": [{**PAIRED, "deviations": 3.0, "rows": 5_000, "train_users": 2_900}],
    },
}  # fmt: skip
NEW_PRODUCTS = {
    "ml-1m": {
        "products": 2404, "new_products": 601, "shoppers": 1207, "seed": 0, "learner": "mixture",
        "rows": {"chance": newcomer(), "transfer": newcomer(chance=[0.11, 0.09, 0.13])},
        "ablation": {"brand": {"mean": 0.19, "low": 0.09, "high": 0.29, "above all features": [-0.01, -0.02, 0.0]}},
    }
}  # fmt: skip
RATINGS = {
    "seed": 0, "products": 3000, "users": {"train": 4000, "validation": 600, "test": 1200},
    "training": {"ridge": {"steps": 1150, "seconds": 19.2}}, "command": "python -m tests.bench.ratings --data /x/y",
    "date": "2026-01-02",
    "rows": [
        {"model": "bias", "k": 1, "users": 1200, "mae": 0.77, "rmse": 0.98},
        {
            "model": "ridge", "k": 1, "users": 1200, "mae": 0.76, "rmse": 0.97, "rmse_interval": [0.95, 0.99],
            "mae_interval": [0.75, 0.77], "squared_error_less": {"mean": 0.02, "low": 0.01, "high": 0.03},
        },
    ],
}  # fmt: skip
GAIN = {
    "group": "context", "field": "hour", "k": 0, "side": "test", "left": 1.0, "without": 0.1, "gain": 0.002,
    "low": 0.001, "high": 0.003, "shoppers": 400, "on": True,
}  # fmt: skip
CONTEXT = {"demo seed 0": {"hash": "ab" * 8, "groups": {"context": {"on": True, "why": ""}}, "gains": [GAIN]}}
BASKETS = {
    "baskets": 2_000, "shoppers": 314,
    "ndcg10": {
        "together": [0.07, 0.06, 0.08], "together, then popular": [0.071, 0.06, 0.08], "similar": [0.08, 0.07, 0.09],
        "popular": [0.09, 0.08, 0.1],
    },
    "together above": {"similar": [-0.01, -0.02, 0.01]},
}  # fmt: skip
TOGETHER = {
    "demo": {
        "validation": {"formula": "rise, s 10", "training_baskets": 81_731}, "learner": "mixture",
        "similar_lift": 0.5, "one": BASKETS, "all_but_one": BASKETS,
    },
}  # fmt: skip
PANEL = {
    "made": {"events": 4_987_500, "clicks": 12_500, "impressions": 1_250_000, "postgresql": "18.4"}, "days": 120,
    "requests": 60, "bar": 2.0, "most_queries": 10, "held": False,
    "roll_up": {"days": 121, "seconds": 83.2}, "roll_up_again": {"days": 2, "seconds": 1.25},
    "pages": {
        "admin index": {"median_ms": 20.0, "ratio": 1.0, "queries": 5},
        "dashboard": {"median_ms": 41.0, "ratio": 2.05, "queries": 10},
    },
    "command": "python -m tests.bench.panel", "date": "2026-01-02",
}  # fmt: skip
IMPORTS = {
    "rows": [{
        "vendor": "sqlite", "read": 10_000, "stored": 9_975, "known": 10, "left_out": 0, "seconds": 2.0, "cpu": 1.5,
        "refused": {"unknown_product": 10, "invalid_at": 5}, "peak_mb": 200.0, "file_mb": 100.0,
        "rows_per_second": 5_000.0, "load": 1.25,
    }],
}  # fmt: skip
OF_RUN = {"seed": 0, "date": "2026-01-02", "command": "python -m tests.bench.supports", "seconds": 1.0}
COMPARED = {"mean": [0.001, -0.001, 0.003], "share": 0.01, "by_k": {"1": [0.0, -0.002, 0.002]}}
GATE_CONTEXT = {
    "demo": {"k": {"3": {"shoppers": 490, "plain": 0.1, "mean": 0.001, "low": -0.001, "high": 0.003}}}
}
SUPPORTS = {
    "demo": {
        "weights": {
            **OF_RUN, "all 1": {"1": 0.1},
            "place": {"chosen": "0.8^place", "above all 1": COMPARED},
            "place + age": {"chosen": "half-life 3 d", "above all 1": COMPARED, "above place": COMPARED},
        },
        "again": {
            **OF_RUN, "served": "rule",
            "5": {
                "shoppers": 46, "served": 0.79, "times alone": 0.70, "served above times alone": [0.09, 0.02, 0.15],
                "all": {"rule": 0.79},
            },
        },
    },
    "ml-1m": {
        "dislikes": {
            **OF_RUN,
            "rating <= 2": {
                "strength": -0.25, "left out above nothing": COMPARED, "pushed above left out": COMPARED,
            },
        },
    },
}  # fmt: skip
PACE = {
    "demo seed 1": [
        {"k": 3, "without": 0.32, "with": 0.31, "mean": -0.01, "low": -0.02, "high": 0.005, "shoppers": 72}
    ]
}
ODD = {
    "fifty-shoppers": {
        "products": 37, "train_users": 35, "test_users": 10, "train_events": 383, "min_query": 5,
        "learners": {
            "maml": {
                "seconds": 9.0, "trained": 4.0,
                "k=1": {"shoppers": 10, "popularity": 0.5, "mean": -0.2, "low": -0.3, "high": -0.1},
            },
            "ease": {"seconds": 1.0, "trained": None, "not_run": "too few products"},
        },
    }
}  # fmt: skip
REPRODUCTIONS = {
    "seeds": [0, 1], "command": "python -m tests.bench.reproductions",
    "ratio_split": {
        "metrics": ["recall@10", "ndcg@10"], "says": "It differs.",
        "published": {"EASE": {"recall@10": 0.2139}}, "measured": {"EASE": {"recall@10": 0.21, "ndcg@10": 0.28}},
        "by_seed": {
            str(seed): {"measured": {"EASE": {"recall@10": 0.2 + seed / 50, "ndcg@10": 0.28}}, "settings": {}}
            for seed in (0, 1)
        },
    },
    "own_ten": {
        "metrics": ["precision@5"], "says": "It does not tell.", "published": {"MeLU": {"precision@5": 0.5061}},
        "measured": {"random": {"precision@5": 0.5}},
        "by_seed": {"0": {"random": {"precision@5": 0.49}}, "1": {"random": {"precision@5": 0.51}}},
    },
}  # fmt: skip
APPROXIMATE = {
    "command": "python -m tests.bench.approximate", "date": "2026-01-02",
    "rows": [{
        "vectors": "trained", "products": 78_321, "supports": 198, "cells": 20_497, "cells_mb": 12.4,
        "seconds_of_cells": 2.6, "unexplained": 0.2, "recall20": {"0.0": 1.0, "0.3": 0.9975},
        "milliseconds": {"exact": 8.0, "approximate": 4.0},
        "ndcg20": {"exact": {"1": 0.15}, "approximate": {"1": 0.1499}},
    }],
}  # fmt: skip
SPEED = {"10000": {"1": {"MAML": 1.0, "implicit ALS fold-in": 2.0}}}
VECTORISED = {
    "rows": [{
        "tasks": 32, "steps": 1, "threads": 2, "loop_ms": 110.9, "vectorised_ms": 14.9, "ratio": 7.44,
        "ratio_range": [6.4, 11.8], "max_gradient_difference": 1.5e-8,
    }],
}  # fmt: skip
GROWTH = {
    "date": "2026-01-02", "command": "python -m tests.bench.growth",
    "rows": [
        {"axis": "users", "size": 10_000, "work": "read_clean", "seconds": 2.5, "peak_mb": 1090.2,
         "notes": {"rows": 5000}},
        {"axis": "users", "size": 20_000, "work": "read_clean", "failed": "stopped after 900 s"},
    ],
    "slopes": [{
        "axis": "users", "work": "read_clean", "measured_to": 10_000, "to": 10_000_000, "seconds_slope": 1.02,
        "seconds_projected": 2500.0, "peak_mb_slope": 0.1, "peak_mb_projected": 2000.0,
    }],
    "loss": {"rows": [
        {"form": "exact", "seconds": 0.25},
        {"head": 256, "samples": 256, "rms_error": 0.0241, "bias": -0.0016, "of": 2.605},
    ]},
}  # fmt: skip

GPU = {
    "gpu": "NVIDIA X", "cores": 16, "torch": "2.11.0", "tasks": 256, "runs": 7, "budget_seconds": 25.0,
    "steps": [{
        "learner": "maml", "products": 10_000, "sum": "exact",
        "cpu": {"ms": 21.7, "range": [18.2, 23.6], "loss": 10.0},
        "gpu": {"ms": 4.9, "range": [4.7, 5.1], "loss": 10.001, "peak_mb": 161.5},
        "gpu_low": {"ms": 5.1, "range": [4.8, 5.5], "loss": 10.002, "peak_mb": 189.2},
    }],
    "mixtures": {"planted": {"products": 3_000, "train_users": 12_000, "rows": [{
        "device": "cuda", "precision": "float32", "seconds": 33.9,
        "experts": {"maml": {"steps": 1_138}, "maml_nn": {"steps": 941}},
        "validation": [0.2545, 0.2469, 0.2621], "test": [0.2548, 0.2495, 0.2603],
    }]}},
    "adaptation": [{
        "kind": "mixture", "products": 3_000, "subjects": 10_000, "cpu": 4.26, "cuda": 1.48, "difference": 2.9e-6,
        "peak_mb": 248.8,
    }],
}  # fmt: skip


@pytest.mark.parametrize(
    ("part", "figures", "lines"),
    [
        ("minute", MINUTE, ["under a minute: **yes**", "**0.1712**", "| mixture | 0.1400 [0.1300, 0.1500] |"]),
        ("minute", {**MINUTE, "wall_seconds": 61.0}, ["**61.0 s of wall time**", "under a minute: **no**"]),
        (
            "adaptation",
            ADAPTATION,
            ["(seed 0)", "| mixture | 0.375 | 8.3% | 9.6% | 33.5% | +23.9 [+20.1, +27.7] | 16.6% |", "| +13.1 |"],
        ),
        (
            "new_products",
            NEW_PRODUCTS,
            [
                "**MovieLens-1M**, seed 0: 2,404 known and 601 new",
                "| chance | 0.2000 [0.1000, 0.3000] | 0.2000 [0.1000, 0.3000] | +1.0% [+0.5%, +1.5%] | 4.0% |",
                "| transfer | chance | +0.1100 [+0.0900, +0.1300] |",
                "| brand | 0.1900 [0.0900, 0.2900] | -0.0100 [-0.0200, +0.0000] |",
            ],
        ),
        (
            "ratings",
            RATINGS,
            [
                "| bias | 0.9800 |",
                "| ridge | 0.9700 [0.9500, 0.9900] |",
                "| ridge | +0.0200 [+0.0100, +0.0300] |",
                "`python -m tests.bench.ratings --data DATA`, 2026-01-02.",
            ],
        ),
        (
            "context",
            CONTEXT,
            ["**demo store, seed 0**", "context: in use.", "| hour | test | +0.0020 [+0.0010, +0.0030] | yes |"],
        ),
        (
            "gate_context",
            GATE_CONTEXT,
            ["| demo store | k = 3 | 490 | 0.1000 | +0.0010 [-0.0010, +0.0030] |"],
        ),
        (
            "supports",
            SUPPORTS,
            [
                "| demo store | place | 0.8^place | +0.0010 [-0.0010, +0.0030] | +1.0% | +0.0000 [-0.0020, +0.0020] |",
                "| demo store | 5 | 46 | 0.7900 | 0.7000 | +0.0900 [+0.0200, +0.1500] |",
                "| MovieLens-1M | rating <= 2 | pushed, strength -0.25, above left out |",
                "demo store: seed 0, `python -m tests.bench.supports`, 2026-01-02",
            ],
        ),
        (
            "together",
            TOGETHER,
            [
                "| demo store | one product | 2,000 | 314 | 0.0700 [0.0600, 0.0800] | 0.0710 [0.0600, 0.0800] |",
                "| 0.0900 [0.0800, 0.1000] | -0.0100 [-0.0200, +0.0100] |",
                "demo store: rise, s 10, from 81,731 baskets; the similar list is `mixture`'s at a lift of 0.5.",
            ],
        ),
        (
            "cleaning",
            CLEANING,
            [
                "|  | `duplicate`: twice | 100 | 0 |",
                "100 rows with faults were put, drawn by seed, for `duplicate`, `date`: not so: Online Retail, seed 1, "
                "`date`: 50 put in, 49 found",
                "| twins | – | 224 |",
                "3.0 times as long (medians of 7 rounds",
                "| what cleaning left of test shoppers | 800 | 3,000 | 0.1200 | 0.1180 | +0.0020 [-0.0010, +0.0050] |",
                "beyond 3 deviations (5,000 rows) +0.0020 [-0.0010, +0.0050]",
            ],
        ),
        ("pace", PACE, ["| demo store, seed 1 | 3 | 72 | 0.3200 | 0.3100 | -0.0100 [-0.0200, +0.0050] |"]),
        (
            "odd",
            ODD,
            [
                "Below popularity by the whole interval: maml at k=1 on fifty-shoppers (10 shoppers) (of 1 comparisons",
                "| maml | 9 | -0.2000 [-0.3000, -0.1000] |",
                "| ease | 1 | too few products |",
            ],
        ),
        (
            "reproductions",
            REPRODUCTIONS,
            ["| EASE (published) | 0.2139 | – |", "| EASE (measured) | 0.2100 ± 0.0141 |", "It differs.", "± 0.0141 |"],
        ),
        (
            "approximate",
            APPROXIMATE,
            [
                "| 78,321 | trained | 198 | 20,497 | 20% | 1.000, 0.998 | 8.0 | 4.0 | 2.0 | 3 | 12 |",
                "at 78,321 products, exact and approximate: k = 1 0.1500 and 0.1499.",
            ],
        ),
        ("speed", SPEED, ["| 10,000 | MAML | 1.000 (0.50 x) |"]),
        ("speed", {"10000": {"MAML": 1.0}}, ["of an older version"]),
        (
            "serving",
            SERVING,
            [
                "| throughput, of the other side's | 0.75 | at least 0.7 | yes |",
                "| 95th percentile, of the other side's | 1.60 | at most 1.5 | **no** |",
                "| the plugin | 150.0 | 30.0 | 48.0 | 50.0 | 40.0 | 9.0 | 2.0 | 0 | 200 | 80 |",
                "| the plugin, all it can say | 140.0 | 30.0 |",
                "1 rounds of 2,500 requests",
                "under 50 ms is the aim: reached",
                "| the plugin, list | 2,600 | `entries[10].key` |",
            ],
        ),
        ("vectorised", VECTORISED, ["| 32 | 1 | 2 | 110.9 | 14.9 | 7.4 [6.4, 11.8] | 1.5e-08 |"]),
        (
            "panel",
            PANEL,
            [
                "5,000,000 events and 1,250,000 impressions of 120 days",
                "| dashboard | 41.0 | 2.05 | 10 |",
                "in at most 10 queries: **missed**",
                "Counting all 121 days from the log took 83 s",
            ],
        ),
        ("imports", IMPORTS, ["| SQLite | 10,000 | 100 | 9,975 | 10 | 15 | 2 | 5,000 | 2 | 200 | yes | 1.2 |"]),
        (
            "growth",
            GROWTH,
            [
                "| 10,000 | read_clean | 2.5 | 1,090 | rows 5,000 |",
                "| 20,000 | read_clean | stopped after 900 s |",
                "| users | read_clean | 1.02 | 0.10 | 10,000 | 10,000,000 | 2,500 | 2,000 |",
                "exact 0.250 s",
                "| 256 | 256 | 0.0241 | -0.0016 | 2.605 |",
            ],
        ),
        (
            "gpu",
            GPU,
            [
                "One NVIDIA X beside 16 cores of the same machine, torch 2.11.0",
                "| MAML | 10,000 | exact | 21.7 [18.2, 23.6] | 4.9 [4.7, 5.1] | 5.1 [4.8, 5.5] | 4.4 | 1e-04 | 162 |",
                "bfloat16 is slower than float32 in 1 of 1 rows",
                "| cuda, float32 | 33.9 | 1,138 | 941 | 0.2545 [0.2469, 0.2621] | 0.2548 [0.2495, 0.2603] |",
                "| mixture | 3,000 | 10,000 | 4.260 | 1.480 | 2.9e-06 | 249 |",
            ],
        ),
    ],
)  # fmt: skip
def test_a_section_shows_its_figures_with_their_intervals(part: str, figures: dict, lines: list[str]):
    text = page.render({part: figures})
    for line in lines:
        assert line in text, line
    assert "/home" not in text


def test_every_section_is_covered_here_and_says_how_it_was_made():
    whole = {
        "minute": MINUTE, "adaptation": ADAPTATION, "new_products": NEW_PRODUCTS, "ratings": RATINGS,
        "context": CONTEXT, "gate_context": GATE_CONTEXT, "supports": SUPPORTS, "pace": PACE, "together": TOGETHER,
        "cleaning": CLEANING,
        "odd": ODD, "reproductions": REPRODUCTIONS, "speed": SPEED, "approximate": APPROXIMATE,
        "serving": SERVING, "vectorised": VECTORISED,
        "growth": GROWTH, "panel": PANEL, "imports": IMPORTS, "gpu": GPU,
    }  # fmt: skip
    assert set(whole) == set(page.SECTIONS)
    run = {
        "command": "python -m x --data /home/me/data",
        "date": "2026-01-03",
        "seconds": 61.2,
        "machine": "Linux",
    }
    text = page.render({**whole, "runs": {name: [run] for name in whole}})
    assert text.count("`python -m x --data DATA`, 2026-01-03, 61 s in all on Linux.") == len(whole)
    without = page.render(whole)
    assert "The run left no command or date." in without
