"""What the tracks of new products and of ratings found: as JSON, and as text for a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from metarec_plugin.evaluate.report import plain
from metarec_plugin.evaluate.tables import aligned

Found = Mapping[str, Any]


@dataclass(frozen=True)
class TrackReport:
    """Figures of one of the two tracks; found["protocol"]["track"] says which."""

    found: Found

    def as_json(self) -> dict[str, Any]:
        return cast(dict[str, Any], plain(self.found))

    def table(self) -> str:
        """Return the report as text."""
        return _TABLES[self.found["protocol"]["track"]](self.found)


def _new_products(found: Found) -> str:
    rows: Mapping[str, Found] = found["rows"]
    ks = list(rows["transfer"]["among_new"]["by_k"])
    lines = [["NDCG@20", "among new", "95 %", *(f"k={k}" for k in ks), "among all", "95 %", "known lose", "95 %",
              "new in lists"]]  # fmt: skip
    for name, row in rows.items():
        new, whole, loss = row["among_new"], row["overall"], row["warm_loss"]
        lines.append([
            name, _figure(new["mean"]), _span(new["low"], new["high"]), *(_figure(new["by_k"][k]) for k in ks),
            _figure(whole["mean"]), _span(whole["low"], whole["high"]),
            _figure(loss[0], "+.1%"), _span(loss[1], loss[2], "+.1%"), _figure(row["share_of_lists"], ".1%"),
        ])  # fmt: skip
    differences = [["row", "against", "among new", "95 %", "among all", "95 %"]]
    for name, row in rows.items():
        for rival in (each for each in row["among_new"] if each.startswith("above ")):
            cells = (row[part][rival] for part in ("among_new", "overall"))
            differences.append([
                name, rival.removeprefix("above "),
                *(text for mean, low, high in cells for text in (_figure(mean, "+.4f"), _span(low, high, "+.4f"))),
            ])  # fmt: skip
    return "\n\n".join(
        (
            f"{found['products']:,} known and {found['new_products']:,} new products, taken out of training; "
            f"{found['shoppers']:,} test shoppers; scores of {found['learner']}; seed {found['seed']}.",
            "Test shoppers whose next products hold one of the new, mean over k; transfer: what is served, by features "
            "alone; with n buyers, so many training shoppers of each new product are known, too; known lose: of the "
            "NDCG@20 of known products, by the new ones beside them\n" + aligned(lines),
            "Differences, paired by shopper\n" + aligned(differences),
        )
    )


def _ratings(found: Found) -> str:
    users, rows = found["users"], found["rows"]
    lines = [["model", "k", "users", "MAE", "95 %", "RMSE", "95 %", "MAE less than bias", "95 %",
              "squared error less", "95 %"]]  # fmt: skip
    for row in rows:
        line = [row["model"], str(row["k"]), str(row["users"])]
        for name in ("mae", "rmse"):
            line += [_figure(row[name]), _span(*row[f"{name}_interval"])]
        for name in ("absolute_error_less", "squared_error_less"):
            gain = row.get(name)
            line += (
                [_figure(gain["mean"], "+.4f"), _span(gain["low"], gain["high"], "+.4f")]
                if gain
                else ["-", "-"]
            )
        lines.append(line)
    return "\n\n".join(
        (
            f"{found['products']:,} products, {users['train']:,} training, {users['validation']:,} validation and "
            f"{users['test']:,} test users, {found['data']['values']:,} numbers of the column "
            f"{found['data']['value']}; seed {found['seed']}.",
            "Test users whose first k values are given and all others asked; means over users; bias: tuned on "
            "validation users for each k; less than bias: paired by user, above 0 is better\n"
            + aligned(lines),
        )
    )


def _figure(value: float, form: str = ".4f") -> str:
    return "-" if math.isnan(value) else format(value, form)


def _span(low: float, high: float, form: str = ".4f") -> str:
    return f"{_figure(low, form)} to {_figure(high, form)}"


_TABLES = {"new": _new_products, "ratings": _ratings}
