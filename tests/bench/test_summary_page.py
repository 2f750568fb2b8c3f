"""The first table of the benchmark page: gains and whether each k holds, of one split and of several."""

from __future__ import annotations

from tests.bench.summary_page import summary


def compared(
    k: int | None, share: float, *, held: bool = True, judged: bool = True, learner: str = "mixture"
) -> dict:
    return {
        "learner": learner, "baseline": "ease", "k": k, "ours": 0.1 * (1 + share), "theirs": 0.1,
        "difference": 0.1 * share, "low": 0.1 * share - 0.003, "high": 0.1 * share + 0.003,
        "share": share, "share_low": share - 0.03, "share_high": share + 0.03, "held": held, "judged": judged,
    }  # fmt: skip


def report(share: float, *, fallen: bool = False, few: bool = False) -> dict:
    comparisons = [
        compared(1, share),
        compared(5, -0.2 if fallen else share, held=not fallen),
        compared(50, share, judged=not few),
        compared(None, share),
        compared(None, 0.9, learner="closed_form"),
    ]
    seeds = {"seeds": [0, 1, 2], "comparisons": [compared(1, share / 2), compared(None, share / 2)]}
    return {"protocol": {"seed": 0}, "comparisons": comparisons, "over_seeds": seeds}


def rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| ")][1:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_each_set_has_a_row_for_the_seed_and_one_for_the_mean_of_the_seeds():
    found = rows(summary({"quality-ml-1m": report(0.1)}))
    assert [row[:2] for row in found] == [["MovieLens-1M", "0"], ["MovieLens-1M", "mean of 0, 1, 2"]]
    assert found[0][2:] == [
        "0.1100", "ease", "0.1000", "+0.0100 [+0.0070, +0.0130]", "**+10.0% [+7.0%, +13.0%]**", "yes, all 3",
    ]  # fmt: skip
    assert found[1][6:] == ["**+5.0% [+2.0%, +8.0%]**", "yes, all 1"]


def test_a_k_that_falls_and_one_that_is_not_judged_are_named():
    text = summary({"quality-ml-1m": report(0.1, fallen=True), "quality-demo": report(0.1, few=True)})
    cells = [row[7] for row in rows(text)]
    assert cells[0] == "**no** at k = 5"
    assert cells[2] == "yes, all 2 (k = 50 not judged: under 100 shoppers)"
    assert cells[4] == "**no**, 4 of 5"


def test_the_average_counts_each_set_once_and_adds_half_widths_in_squares():
    text = summary({"quality-ml-1m": report(0.1), "quality-demo": report(0.3)})
    (seed, several) = (row for row in rows(text) if row[0] == "average of 2")
    assert seed[6] == "**+20.0% [+17.9%, +22.1%]**"  # 3 % / sqrt(2)
    assert several[1] == "mean of 0, 1, 2"
    assert "On average over 2 data sets, the default learner `mixture` is +10.0%" in text
    assert "(mean of seeds 0, 1, 2)" in text
    assert "It holds at 2 of 2 judged k" in text


def test_without_the_learner_there_is_no_table():
    other = report(0.1)
    other["comparisons"] = [each for each in other["comparisons"] if each["learner"] != "mixture"]
    other["over_seeds"]["comparisons"] = []
    assert summary({"quality-ml-1m": other}) == ""
    assert summary({}) == ""
