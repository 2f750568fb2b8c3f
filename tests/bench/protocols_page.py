"""Sections of docs/benchmarks.md by other protocols than the few-shot one: ratings, and the public tables of others."""

from __future__ import annotations

from tests.bench.table_page import Figures, spread, table, within

TITLES = {
    "ratio_split": "RecBole, ML-1M general: known users, random 8:1:1, ratings >= 3, 10-core, all ranked, top 10",
    "own_ten": "RecBole-MetaRec, ML-1M: a shopper's own ten rated products ranked, top 5",
}


def ratings(found: Figures) -> str:
    """MAE and RMSE of users never seen; found: tests.bench.ratings."""
    users = found["users"]
    rows = found["rows"]
    ks = sorted({row["k"] for row in rows})
    parts = [
        f"Seed {found['seed']}; {found['products']:,} products, {users['train']:,} training and {users['test']:,} test "
        "users. The first k ratings of a test user are given and all others asked; errors are means over users, with "
        "95 % bootstrap intervals over users. The bias model's shrinkage is chosen on "
        "validation users for each k; ridge and gradient are one model for all k. Less squared error than the bias "
        "model's is better: paired by user.\n"
    ]
    for title, cell in (
        ("RMSE", lambda row: _error(row, "rmse")),
        ("MAE", lambda row: _error(row, "mae")),
        ("squared error less than the bias model's", _gain),
    ):
        cells = {(row["model"], row["k"]): cell(row) for row in rows}
        models = dict.fromkeys(row["model"] for row in rows if cell(row))
        parts.append(
            table(
                [title, *(f"k = {k}" for k in ks)],
                [[model, *(cells.get((model, k)) or "–" for k in ks)] for model in models],
            )
        )
    trained = [
        f"{solver} {each['steps']:,} steps in {each['seconds']:.0f} s"
        for solver, each in found["training"].items()
    ]
    return "\n".join([*parts, f"Training: {', '.join(trained)}.\n"])


def _error(row: Figures, name: str) -> str:
    low, high = row.get(f"{name}_interval", (None, None))
    return within(row[name], low, high)


def _gain(row: Figures) -> str:
    gain = row.get("squared_error_less")
    return within(gain["mean"], gain["low"], gain["high"], "+.4f") if gain else ""


def reproductions(found: Figures) -> str:
    """Published rows and ours by the same protocol; found: tests.bench.reproductions."""
    seeds = ", ".join(map(str, found["seeds"]))
    parts = [f"Rows measured here: mean over the splits of seeds {seeds} ± deviation between them.\n"]
    for name, title in TITLES.items():
        if name in found:
            parts += [f"**{title}**\n", _both(found[name]), f"{found[name]['says']}\n"]
    return "\n".join(parts)


def _both(found: Figures) -> str:
    names = found["metrics"]
    rows = [
        [f"{row} (published)", *(f"{values[name]:.4f}" if name in values else "–" for name in names)]
        for row, values in found["published"].items()
    ]
    splits = [each.get("measured", each) for each in found["by_seed"].values()]
    rows += [
        [f"{row} (measured)", *(spread([split[row][name] for split in splits]) for name in names)]
        for row in found["measured"]
    ]
    return table(["row", *names], rows)
