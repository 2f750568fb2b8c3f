"""A run's report as text for a terminal: the data, the figures, the gate's verdict and what is served now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

VERDICTS = {
    "passed": "PASSED",
    "failed": "HELD BACK",
    "insufficient": "NOT ENOUGH EVIDENCE",
    "baseline": "baseline",
}


def summary(report: Mapping[str, Any]) -> str:
    """Return the report of `train_run` in lines of at most about 100 characters."""
    versions = report["versions"]
    lines = [*_data(report["data"]), "", *_table(versions)]
    for version in versions:
        if version["state"] != "baseline":
            lines += ["", *_verdict(version)]
    promoted = next(version for version in versions if version["version"] == report["promoted"])
    lines += [
        "",
        f"Served from now on: {promoted['learner']}, version {promoted['version']} "
        f"(validation NDCG@20 {promoted['validation_score']:.4f}, the best of what may be served; "
        f"home lift {promoted['lift']['chosen']:.3g}).",
    ]
    return "\n".join(lines)


def _data(data: Mapping[str, Any]) -> list[str]:
    lines = [
        f"Data {data['hash'][:12]}: {data['products']:,} products; {data['train_users']:,} shoppers to train on, "
        f"{data['validation_users']:,} to choose by, {data['test_users']:,} to judge by."
    ]
    for rule in data.get("cleaning", ()):
        if rule["rows"]:
            lines.append(f"  cleaning: {rule['rows']:>9,} rows  {rule['rule']}: {rule['why']}")
    return lines


def _table(versions: Sequence[Mapping[str, Any]]) -> list[str]:
    ks = sorted({int(k) for version in versions for k in version["test"]})
    lines = ["NDCG@20 on held-out shoppers, by number of products known of them (lift 0)"]
    lines.append("  " + "learner".ljust(20) + "".join(f"k={k}".rjust(9) for k in ks))
    for version in versions:
        cells = "".join(
            f"{version['test'][str(k)]['ndcg20']:9.4f}" if str(k) in version["test"] else "–".rjust(9)
            for k in ks
        )
        lines.append("  " + version["learner"].ljust(20) + cells)
    users = (max(v["test"].get(str(k), {}).get("users", 0) for v in versions) for k in ks)
    lines.append("  " + "held-out shoppers".ljust(20) + "".join(f"{n:9,}" for n in users))
    return lines


def _verdict(version: Mapping[str, Any]) -> list[str]:
    lines = [f"{version['learner']}: {VERDICTS[version['state']]}"]
    lines += [f"  {reason}" for reason in version["reasons"]]
    if note := version["training"].get("note"):
        lines.append(f"  Training: {note}")
    return lines
