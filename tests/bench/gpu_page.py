"""The section of docs/benchmarks.md on what a GPU gives: steps, whole mixtures, batch adaptation."""

from __future__ import annotations

from tests.bench.table_page import Figures, table, within

NAMES = {"planted": "planted store", "ml-1m": "MovieLens-1M", "maml": "MAML", "maml_nn": "MAML-NN"}
WAYS = ("cpu", "gpu", "gpu_low")


def gpu(found: Figures) -> str:
    """found: tests.bench.gpu."""
    parts = [
        f"One {found['gpu']} beside {found['cores']} cores of the same machine, torch {found['torch']} (the project "
        f"pins another: requirements.txt). A step of the outer loop with {found['tasks']} episodes at once, of ten "
        "products each: MAML with five inner steps, MAML-NN with one; d = 64, random vectors; loss, gradient, "
        f"optimizer and running mean. Median milliseconds of {found['runs']} steps and their range; the sum over the "
        "catalogue is made as the trainer makes it at that size. How far the mean loss of the GPU's float32 steps is "
        "from the CPU's: draws of a sample, and of what MAML-NN drops, are another device's own.\n",
        table(
            (
                "learner", "products", "sum", "CPU, float32", "GPU, float32", "GPU, bfloat16", "times faster",
                "loss apart", "peak, MB",
            ),
            [
                [
                    NAMES[row["learner"]], f"{row['products']:,}", row["sum"],
                    *(within(row[way]["ms"], *row[way]["range"], ".1f") for way in WAYS),
                    f"{row['cpu']['ms'] / row['gpu']['ms']:.1f}",
                    f"{abs(row['gpu']['loss'] / row['cpu']['loss'] - 1):.0e}", f"{row['gpu']['peak_mb']:,.0f}",
                ]
                for row in found["steps"]
            ],
        ),
        _precision(found["steps"]),
        f"`mixture` with a budget of {found['budget_seconds']:g} s on each, seed 0: the mean NDCG@20 over k = 1, 2, 3, "
        "5, 10 of the shoppers that reach each of them, before calibration. The gate is fitted to the validation "
        "shoppers. Maps and gate are made by the CPU in any case.\n",
        table(
            ("store", "products", "device", "seconds", "steps of MAML", "of MAML-NN", "validation", "test"),
            [
                [
                    NAMES[name], f"{store['products']:,}", f"{row['device']}, {row['precision']}",
                    f"{row['seconds']:.1f}", *(f"{row['experts'][each]['steps']:,}" for each in ("maml", "maml_nn")),
                    within(*row["validation"]), within(*row["test"]),
                ]
                for name, store in found["mixtures"].items()
                for row in store["rows"]
            ],
        ),
        "Batch adaptation of shoppers of the planted store, a thousand at a time, scores of the whole catalogue "
        "brought to the host; seconds for all of them, median of three.\n",
        table(
            ("kind", "products", "subjects", "CPU, s", "GPU, s", "largest difference", "peak, MB"),
            [
                [
                    row["kind"], f"{row['products']:,}", f"{row['subjects']:,}", f"{row['cpu']:.3f}",
                    f"{row['cuda']:.3f}", f"{row['difference']:.1e}", f"{row['peak_mb']:,.0f}",
                ]
                for row in found["adaptation"]
            ],
        ),
    ]  # fmt: skip
    return "\n".join(parts)


def _precision(rows: list[Figures]) -> str:
    """Say which precision the steps are faster in: float32 is what training uses."""
    slower = sum(row["gpu_low"]["ms"] > row["gpu"]["ms"] for row in rows)
    return f"bfloat16 is slower than float32 in {slower} of {len(rows)} rows; training uses float32 on every device.\n"
