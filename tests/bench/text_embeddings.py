"""New products with the texts embedded and without: the new-product track twice over, all else alike.

usage: python -m tests.bench.text_embeddings --data FOLDER [--only online-retail,ml-1m] [--seeds N,N] [--side test]
       [--embedder wordllama] [--learner closed_form] [--json OUT]
Whether to embed is decided on validation shoppers, the default side; test shoppers are asked once, of what is decided.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
from pathlib import Path
from typing import Any

import django
import numpy as np

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()

from django.test import override_settings

from metarec_plugin.evaluate.episodes import HEADLINE_KS
from metarec_plugin.evaluate.new_products import figures, hold_out, measure_newcomers
from metarec_plugin.features.embedder import embedded_kinds
from metarec_plugin.features.table import FeatureTable
from metarec_plugin.pipeline.candidates import make_candidate
from metarec_plugin.pipeline.new_products import newcomer_ranker
from metarec_plugin.train import fit
from metarec_plugin.train.content import fit_content
from tests.bench.new_products import load
from tests.bench.sets import ROOT
from tests.settings import METAREC


def run(name: str, data: Path, seed: int, side: str, embedder: str, learner: str) -> dict[str, Any]:
    with override_settings(METAREC={**METAREC, "TEXT_EMBEDDER": embedder}):
        loaded = load(name, data, seed)
    if loaded is None:
        raise SystemExit(f"{name} is not in {data}.")
    dataset, table = loaded
    held = hold_out(dataset, np.random.default_rng(seed))
    fitted = fit(learner, held.warm, seed=seed, device="cpu", budget_seconds=60.0)
    scorer = make_candidate(held.warm, fitted.learner, fitted.kind, fitted.arrays).scorer()
    results, reports = {}, {}
    for variant, own in (("without", _bare(table, embedder)), ("with", table)):
        content = fit_content(held.warm, own, seed)
        ranker = newcomer_ranker(scorer, content, np.array(content.gate(scorer).weights), held, own)
        measured = {k: measure_newcomers(ranker, held, getattr(held.whole, side), k) for k in HEADLINE_KS}
        results[variant] = {k: result for k, result in measured.items() if len(result.rows)}
        reports[variant] = dict(content.report)
    return {
        "reports": reports,
        "without": figures(results["without"]),
        "with": figures(results["with"], {"without": results["without"]}),
    }


def _bare(table: FeatureTable, embedder: str) -> FeatureTable:
    more = embedded_kinds(table.kinds, embedder)
    kinds = {name: kind for name, kind in table.kinds.items() if name not in more}
    return FeatureTable(table.rows.drop(list(more)), kinds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", default="online-retail,ml-1m")
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--side", default="validation", choices=("validation", "test"))
    parser.add_argument("--embedder", default="wordllama")
    parser.add_argument("--learner", default="closed_form")
    parser.add_argument("--json", type=Path, default=ROOT / "var" / "bench" / "text_embeddings.json")
    options = parser.parse_args()
    options.json.parent.mkdir(parents=True, exist_ok=True)
    whole = json.loads(options.json.read_text()) if options.json.exists() else {}
    seeds = [int(seed) for seed in options.seeds.split(",")]
    for name, seed in itertools.product(options.only.split(","), seeds):
        found = run(name, options.data, seed, options.side, options.embedder, options.learner)
        whole[f"{name}, seed {seed}, {options.side}"] = found
        options.json.write_text(json.dumps(whole, indent=1), encoding="utf-8")
        for part in ("among_new", "overall"):
            above = found["with"][part]["above without"]
            print(
                f"{name}, seed {seed}, {options.side}, {part}: without {found['without'][part]['mean']:.4f}  "
                f"with {found['with'][part]['mean']:.4f}  {above[0]:+.4f} [{above[1]:+.4f}, {above[2]:+.4f}]",
                flush=True,
            )
        for variant, report in found["reports"].items():
            print(
                f"  {variant}: left out {report['ndcg_left_out']:.4f}  explained {report['explained']['vectors']:.4f}  "
                f"ridge {report['vector_ridge']:g}  {report['seconds']:.0f} s  {report['groups']}",
                flush=True,
            )


if __name__ == "__main__":
    main()
