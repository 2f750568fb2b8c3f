"""Section of docs/benchmarks.md on cleaning: rows by rule, faults found again, time, quality."""

from __future__ import annotations

from tests.bench.sets import TITLES
from tests.bench.table_page import Figures, table, within


def cleaning(found: Figures) -> str:
    """found: tests.bench.cleaning."""
    parts = [_accounts(found["files"]), _faults(found["files"])]
    if "stated" in found:
        parts.append(_stated(found["stated"], found["guesses"]))
    if "speed" in found:
        timed = found["speed"]
        parts.append(
            f"Reading, cleaning, numbering and encoding Online Retail took {timed['cleaned']:.2f} s, reading and "
            f"grouping it by shopper and product in polars {timed['grouped']:.2f} s: {timed['ratio']:.1f} times as "
            f"long (medians of {timed['rounds']} rounds in turns, {timed['cores']} core, load {timed['load']:.1f}).\n"
        )
    if "quality" in found:
        parts.append(_quality(found["quality"]))
    return "\n".join(parts)


def _accounts(files: Figures) -> str:
    rows = []
    for name, file in files.items():
        title = TITLES.get(name, name)
        rows.append([title, "read", f"{file['read']:,}", ""])
        rows += [
            ["", f"`{each['rule']}`: {each['why']}", f"{each['rows']:,}", f"{each['changed']:,}"]
            for each in file["rules"]
        ]
        rows.append(["", "kept", f"{file['kept']:,}", ""])
    return table(["file", "rule", "rows dropped", "rows changed"], rows)


def _faults(files: Figures) -> str:
    wrong, put_in, variants, rules = [], 0, 0, dict[str, None]()
    for name, file in files.items():
        for variant in file["faults"]:
            variants += 1
            put_in += variant["rows"]["read"] - file["read"]
            rules |= dict.fromkeys(variant["put_in_and_found"])
            for rule, (put, seen) in variant["put_in_and_found"].items():
                if put != seen:
                    wrong.append(
                        f"{TITLES.get(name, name)}, seed {variant['seed']}, `{rule}`: {put:,} put in, {seen:,} found"
                    )
    said = (
        f"not so: {'; '.join(wrong)}"
        if wrong
        else "the count of each rule rose by just the rows meant for it, and that of no other rule rose"
    )
    return (
        "The median of `measure` is over all shoppers here; a run takes that of its training shoppers.\n\n"
        f"Into {variants} variants of these files {put_in:,} rows with faults were put, drawn by seed, for "
        f"{', '.join(f'`{rule}`' for rule in rules)}: {said}. In every variant the rows kept and those dropped by rule "
        "add up to the rows read.\n"
    )


def _stated(stated: Figures, guesses: Figures) -> str:
    rows = [
        [each["what"], "–" if each["stated"] is None else f"{each['stated']:,}", f"{each['found']:,.0f}"]
        for each in stated
    ]
    return (
        "Online Retail as its notes state it and as each rule by itself finds it. The file lacks the column of "
        "descriptions of its source, in which rows that are duplicates here may differ.\n\n"
        + table(["what", "stated", "found"], rows)
        + f"\nOf its {guesses['said']} non-products ({guesses['rows_said']:,} rows) code and title alone tell "
        f"{guesses['both']} ({guesses['rows_both']:,} rows), and {guesses['guessed'] - guesses['both']} codes more "
        f"({guesses['rows_guessed'] - guesses['rows_both']:,} rows).\n"
    )


def _quality(found: Figures) -> str:
    asked = {"asked_clean": "what cleaning left of test shoppers", "asked_raw": "all their rows"}
    rows = [
        [
            what, f"{each['shoppers']:,}", f"{each['products']:,}", f"{each['first']:.4f}", f"{each['second']:.4f}",
            within(each["difference"], each["low"], each["high"], "+.4f"),
        ]
        for key, what in asked.items()
        for each in (found[key],)
    ]  # fmt: skip
    bulk = "; ".join(
        f"beyond {each['deviations']:g} deviations ({each['rows']:,} rows) "
        f"{within(each['difference'], each['low'], each['high'], '+.4f')}"
        for each in found["bulk"]
    )
    return (
        f"NDCG@20 of `{found['learner']}` (seed {found['seed']}) trained on Online Retail with cleaning and without, "
        "asked the same of the same shoppers: supports and queries over the products of both catalogues, which alone "
        "are ranked; means over 1, 2, 3, 5 and 10 known products, differences paired by shopper.\n\n"
        + table(["asked of", "shoppers", "products", "with", "without", "difference"], rows)
        + f"\nLeaving bulk buyers out of training, on validation shoppers: {bulk}.\n"
    )
