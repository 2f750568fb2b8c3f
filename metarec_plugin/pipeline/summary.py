"""A run's report as text for a terminal: the data, the figures, the gate's verdict and what is served now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metarec_plugin.evaluate.tables import gain_table

WIDTH = 34
VERDICTS = {
    "passed": "PASSED",
    "failed": "HELD BACK",
    "insufficient": "NOT ENOUGH EVIDENCE",
    "baseline": "baseline",
}


def summary(report: Mapping[str, Any]) -> str:
    """Return the report of `train_run` in lines of at most about 100 characters."""
    versions = report["versions"]
    lines = [*_data(report["data"]), "", *_table(report)]
    for version in versions:
        if version["state"] != "baseline":
            lines += ["", *_verdict(version), *_known(version)]
    waits = report.get("waits")
    best = next(version for version in versions if version["version"] == (waits or report["promoted"]))
    said = "Not served, as another version was promoted meanwhile; it waits for you to promote it"
    lines += [
        "",
        f"{said if waits else 'Served from now on'}: {best['learner']}, version {best['version']} "
        f"(validation NDCG@20 {best['validation_score']:.4f}, the best of what may be served; "
        f"home lift {best['lifts']['home']:.3g}, at 50 known products "
        f"{min(best['lifts'].values()):.3g}).",
    ]
    return "\n".join(lines)


def _data(data: Mapping[str, Any]) -> list[str]:
    lines = [
        f"Data {data['hash'][:12]}: {data['products']:,} products; {data['train_users']:,} shoppers to train on, "
        f"{data['validation_users']:,} to choose by, {data['test_users']:,} to judge by."
    ]
    return [*lines, *cleaning_lines(data)]


def cleaning_lines(data: Mapping[str, Any]) -> list[str]:
    """What cleaning dropped and changed, rule by rule, and the first rows of each where they may be shown."""
    lines = []
    for rule in data.get("cleaning", ()):
        for rows, what in ((rule["rows"], "rows"), (rule.get("changed", 0), "rows changed")):
            if rows:
                lines.append(f"  cleaning: {rows:>9,} {what}  {rule['rule']}: {rule['why']}")
        for row in rule.get("sample", ()):
            told = (f"{name}={value}" for name, value in row.items() if value is not None)
            lines.append(f"{'':24}{', '.join(told)}")
    if lines and "rows_kept" in data:
        lines.append(f"  cleaning: {data['rows_kept']:>9,} rows  kept of {data['rows']:,}")
    return lines


def _table(report: Mapping[str, Any]) -> list[str]:
    rows: dict[str, Mapping[str, Any]] = {
        f"{name}, tuned per k": figures for name, figures in report["baselines"].items()
    }
    rows |= {version["learner"]: version["test"] for version in report["versions"]}
    ks = sorted({int(k) for figures in rows.values() for k in figures})
    lines = ["NDCG@20 on held-out shoppers, by number of products known of them (lift 0)"]
    lines.append("  " + "learner".ljust(WIDTH) + "".join(f"k={k}".rjust(9) for k in ks))
    for name, figures in rows.items():
        cells = (f"{figures[str(k)]['ndcg20']:9.4f}" if str(k) in figures else "–".rjust(9) for k in ks)
        lines.append("  " + name.ljust(WIDTH) + "".join(cells))
    lines += ["  " + name.ljust(WIDTH) + "  " + why for name, why in report["not_run"].items()]
    users = (max(figures.get(str(k), {}).get("users", 0) for figures in rows.values()) for k in ks)
    lines.append("  " + "held-out shoppers".ljust(WIDTH) + "".join(f"{n:9,}" for n in users))
    return lines


def _known(version: Mapping[str, Any]) -> list[str]:
    """What declared features and the moment add to a learner, and whether they are part of it."""
    groups = version["training"].get("priors", {})
    said = [f"  Known of the {name}: {'on' if g['on'] else 'off'} ({g['why']})" for name, g in groups.items()]
    table = gain_table([gain for group in groups.values() for gain in group["gains"]])
    return [*said, *(f"    {line}" for line in table.splitlines()[1:])]


def _verdict(version: Mapping[str, Any]) -> list[str]:
    lines = [f"{version['learner']}: {VERDICTS[version['state']]}"]
    lines += [f"  {reason}" for reason in version["reasons"]]
    if note := version["training"].get("note"):
        lines.append(f"  Training: {note}")
    return lines
