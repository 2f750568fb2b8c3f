"""Importing files: each row stored, known or refused with a reason; again, interrupted, dirty, of any format."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from metarec_plugin.collect import erase, importing, importing_files
from metarec_plugin.collect.importing_files import DataFile
from metarec_plugin.collect.quarantine_replay import replay, waiting
from metarec_plugin.collect.retention import expire
from metarec_plugin.models import Event, FileImport, QuarantinedEvent
from metarec_plugin.signals import event_recorded
from shop.models import Product
from tests.storefronts.bookshop.models import Author, Book, Reader
from tests.storefronts.factories import make_book, make_product

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def kept_for_good(settings: Any) -> None:
    settings.METAREC = {**settings.METAREC, "EVENT_DAYS": None}


def test_a_number_names_a_user_as_it_is_written(tmp_path: Path, key: str) -> None:
    file, pk = tmp_path / "events.jsonl", User.objects.create_user("ann").pk
    row = {"kind": "view", "product": key, "at": "2026-01-02T03:04:05Z"}
    file.write_text("".join(json.dumps({**row, "user": user}) + "\n" for user in (pk, float(pk), str(pk))))
    assert account(run(file)) == (3, 1, 1, {"unknown_user": 1})


@pytest.fixture
def key() -> str:
    return str(make_product(name="Rye").pk)


def run(file: Path, of: str = "events", **options: Any) -> dict[str, Any]:
    """Import a file and return its report, whose rows must add up."""
    report = file.parent / options.pop("to", "report.json")
    call_command("metarec_import", file, of=of, report=report, verbosity=0, stdout=StringIO(), **options)
    found = json.loads(report.read_text())
    refused = sum(found["refused"].values())
    assert found["read"] == found["stored"] + found["changed"] + found["known"] + refused
    lines = [json.loads(line) for line in Path(found["refused_rows"]).read_text().splitlines()]
    assert len(lines) == refused - found["unlisted"]
    return found | {"lines": lines}


def account(found: dict[str, Any]) -> tuple[int, int, int, dict[str, int]]:
    return found["read"], found["stored"], found["known"], found["refused"]


def csv(folder: Path, *lines: str, name: str = "events.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(("\n".join(lines) + "\n").encode(encoding))
    return path


HEAD = "visitor,product,at,quantity,price,order"


def test_rows_become_events_and_a_second_import_changes_nothing(tmp_path: Path, key: str) -> None:
    user = User.objects.create(username="ann")
    file = csv(
        tmp_path,
        "user,visitor,product,query,at,kind,value,quantity,price,order",
        f"{user.pk},,{key},,2026-03-01T10:00:00+02:00,purchase,,3,2.499,A1",
        f",abc,{key},,2026-03-01 10:00,view,,,,",
        ',abc,,"rye, bread",2026-03-02,search,,,,',
    )
    assert account(run(file, time_zone="Europe/Berlin")) == (3, 3, 0, {})
    bought, seen, searched = Event.objects.order_by("at")
    assert (bought.subject, bought.quantity, str(bought.price), bought.order) == (
        f"user:{user.pk}",
        3,
        "2.50",
        "A1",
    )
    assert bought.at == datetime(2026, 3, 1, 8, tzinfo=UTC)
    assert (seen.subject, seen.kind, seen.at) == ("visitor:abc", "view", datetime(2026, 3, 1, 9, tzinfo=UTC))
    assert (searched.query, searched.product, searched.source) == ("rye, bread", "", "import")
    # Known by content: whatever the file is called, and however its columns are ordered.
    other = csv(tmp_path, "kind,at,product,visitor", f"view,2026-03-01T09:00:00Z,{key},abc", name="new.csv")
    assert account(run(other)) == (1, 0, 1, {})
    assert account(run(file, time_zone="Europe/Berlin")) == (3, 0, 3, {})


def test_each_unfit_row_is_refused_with_a_reason_and_kept(tmp_path: Path, key: str) -> None:
    good = f"v1,{key},2026-03-01,1,2.5,A"
    rows = {
        "v1,none,2026-03-01,1,2.5,A": "unknown_product",
        f",{key},2026-03-01,1,2.5,A": "no_subject",
        f"user:7,{key},2026-03-01,1,2.5,A": "invalid_subject",
        "v1,,2026-03-01,1,2.5,A": "no_product",
        f"v1,{key},,1,2.5,A": "invalid_at",
        f"v1,{key},01/03/2026,1,2.5,A": "invalid_at",
        f"v1,{key},2999-01-01,1,2.5,A": "invalid_at",
        f"v1,{key},2026-03-01,many,2.5,A": "invalid_quantity",
        f"v1,{key},2026-03-01,1e300,2.5,A": "invalid_quantity",
        f"v1,{key},2026-03-01,1,nan,A": "invalid_price",
        f"v1,{key},2026-03-01,1,2.5,{'A' * 65}": "invalid_order",
        f"v1,{key},2026-03-01,1,2.5,\udcff": "invalid_order",
        f"v1,{key},2026-03-01": "unreadable",
        f"v1,{key},2026-03-01,1,2.5,A,,": "unreadable",
    }  # fmt: skip
    file = tmp_path / "events.csv"
    text = "\n".join([HEAD, good, "", *rows]) + "\n"
    file.write_bytes(text.encode(errors="surrogateescape"))
    found = run(file, kind="purchase")
    assert [line["reason"] for line in found["lines"]] == list(rows.values())
    assert [line["row"] for line in found["lines"]] == list(range(2, 2 + len(rows)))
    kept = QuarantinedEvent.objects.order_by("pk")
    assert [row.reason for row in kept] == [reason for reason in rows.values() if reason != "unreadable"]
    assert kept[0].payload["row"]["product"] == "none"
    assert {row.subject for row in kept} == {"visitor:v1", "", "user:7"} - {"user:7"} | {"visitor:user:7"}
    run(file, kind="purchase")
    assert kept.count() == len(rows) - 2


def test_quarantined_rows_are_replayed_once_what_they_name_is_there(tmp_path: Path, key: str) -> None:
    hidden = "5f3c0f0e-0000-4000-8000-000000000001"
    user = User.objects.create(username="ann", email="ann@example.com")
    file = csv(tmp_path, "id,email,sku,day", f"7,ann@example.com,{hidden},01.03.2026", name="old.csv")
    options = {
        "kind": "purchase", "column": [("user", "email"), ("product", "sku"), ("at", "day")], "user_field": "email",
        "date_format": "%d.%m.%Y", "time_zone": "Asia/Shanghai",
    }  # fmt: skip
    assert run(file, **options)["refused"] == {"unknown_product": 1}
    row = QuarantinedEvent.objects.get()
    assert (row.subject, row.payload["row"]["user"]) == (f"user:{user.pk}", str(user.pk))  # and no e-mail
    assert replay(waiting()).refused == {"unknown_product": 1}
    make_product(id=hidden)
    counts = replay(waiting())
    assert (counts.read, counts.stored) == (1, 1)
    event = Event.objects.get()
    assert (event.event_id, event.subject, event.source) == ("import:purchase:7", f"user:{user.pk}", "import")
    assert event.at == datetime(2026, 2, 28, 16, tzinfo=UTC)
    assert account(run(file, **options)) == (1, 0, 1, {})
    assert replay(waiting()).read == 0


@pytest.mark.parametrize("by", ["", "username", "email"])
def test_what_is_of_nobody_known_is_kept_under_nobodys_name(tmp_path: Path, key: str, by: str) -> None:
    other = User.objects.create(username="other", email="other@example.com")
    names = {"": "999", "username": str(other.pk), "email": "ann@example.com"}
    file = csv(
        tmp_path, "id,user,product,at", f"7,{names[by]},{key},2026-03-01", f"8,{names[by]},none,2026-03-01"
    )
    found = run(file, kind="purchase", user_field=by)
    assert found["refused"] == {"unknown_user": 2}
    assert not QuarantinedEvent.objects.exists()
    # What replay cannot reach, the same file brings once the account is there.
    User.objects.create(
        id=None if by else 999, username="ann" if by != "username" else names[by], email=names["email"]
    )
    assert account(run(file, kind="purchase", user_field=by)) == (2, 1, 0, {"unknown_product": 1})
    assert QuarantinedEvent.objects.get().subject == Event.objects.get().subject != f"user:{other.pk}"


def test_imported_events_announce_nothing_on_any_database(
    tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    heard: list[str] = []
    for vendor in (connection.vendor, "another"):
        monkeypatch.setattr(type(connections[connection.alias]), "vendor", vendor)
        file = csv(tmp_path, HEAD, f"{vendor},{key},2026-03-01,1,2.5,A", name=f"{vendor}.csv")
        receiver = lambda event_id, **_: heard.append(event_id)  # noqa: E731
        event_recorded.connect(receiver)
        with django_capture_on_commit_callbacks(execute=True):
            assert run(file, kind="purchase")["stored"] == 1
        event_recorded.disconnect(receiver)
    assert Event.objects.count() == 2
    assert heard == []


def test_a_name_that_no_product_has_is_not_kept_as_a_key(tmp_path: Path) -> None:
    file = csv(tmp_path, "user,product,at")
    with pytest.raises(CommandError, match="another product's key"):
        run(file, kind="purchase", unknown_products="keep", product_field="name")


def test_unknown_products_are_kept_when_asked(tmp_path: Path) -> None:
    file = csv(tmp_path, HEAD, "v1,gone,2026-03-01,1,2.5,A")
    assert run(file, kind="purchase", unknown_products="keep")["stored"] == 1
    assert Event.objects.get().product == "gone"


def test_withdrawn_products_are_no_unknown_ones(tmp_path: Path) -> None:
    product = make_product(is_active=False)
    assert run(csv(tmp_path, HEAD, f"v1,{product.pk},2026-03-01,1,2.5,A"), kind="purchase")["stored"] == 1


def test_erased_events_stay_erased(tmp_path: Path, key: str) -> None:
    file = csv(tmp_path, f"id,{HEAD}", f"1,v1,{key},2026-03-01,1,2.5,A", "2,v1,none,2026-03-01,1,2.5,A")
    run(file, kind="purchase")
    deleted = erase("visitor:v1")
    assert (deleted["event"], deleted["quarantinedevent"]) == (1, 1)
    assert run(file, kind="purchase")["known"] == 1
    assert not Event.objects.exists()
    assert not QuarantinedEvent.objects.exists()


def test_what_would_be_deleted_for_its_age_is_neither_imported_nor_replayed(
    tmp_path: Path, key: str, settings: Any
) -> None:
    hidden = "5f3c0f0e-0000-4000-8000-000000000001"
    days = [(timezone.now() - timedelta(days=n)).isoformat() for n in (200, 80)]
    rows = [f"v1,{key},{day},{kind}" for day in days for kind in ("view", "purchase")]
    file = csv(tmp_path, "visitor,product,at,kind", *rows, f"v2,{hidden},{days[1]},view")
    settings.METAREC = {**settings.METAREC, "EVENT_DAYS": 90}
    for stored in (3, 0):
        found = account(run(file))
        assert found == (5, stored, 3 - stored, {"too_old": 1, "unknown_product": 1})
        assert expire()["events"] == 0
    assert QuarantinedEvent.objects.count() == 1  # not of what is too old
    make_product(id=hidden)
    settings.METAREC = {**settings.METAREC, "EVENT_DAYS": 70}
    assert replay(waiting()).refused == {"too_old": 1}


@pytest.mark.parametrize(
    "name", ["events.jsonl", "events.jsonl.gz", "events.csv.gz", "events.parquet", "events.tsv"]
)
def test_every_format_says_the_same(tmp_path: Path, key: str, name: str) -> None:
    rows = [
        {"id": n, "visitor": f"v{n}", "product": key, "at": "2026-03-01T10:00:00Z", "quantity": n}
        for n in (1, 2)
    ]
    frame, path = pl.DataFrame(rows), tmp_path / name
    if "parquet" in name:
        frame.with_columns(pl.col("at").str.to_datetime("%+")).write_parquet(path)
    else:
        text = (
            frame.write_ndjson()
            if "jsonl" in name
            else frame.write_csv(separator="\t" if "tsv" in name else ",")
        )
        path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    assert account(run(path, kind="purchase")) == (2, 2, 0, {})
    assert account(run(path, kind="purchase")) == (2, 0, 2, {})
    values = Event.objects.order_by("quantity").values_list("event_id", "subject", "product", "quantity")
    assert list(values) == [(f"import:purchase:{n}", f"visitor:v{n}", key, n) for n in (1, 2)]
    assert set(Event.objects.values_list("at", flat=True)) == {datetime(2026, 3, 1, 10, tzinfo=UTC)}


def test_a_parquet_column_of_lists_is_said_before_anything_is_stored(tmp_path: Path, key: str) -> None:
    row = {"visitor": "v", "product": key, "at": "2026-03-01"}
    pl.DataFrame([row | {"product": [key]}]).write_parquet(tmp_path / "lists.parquet")
    with pytest.raises(CommandError, match="'product' holds lists"):
        run(tmp_path / "lists.parquet", kind="purchase")
    pl.DataFrame([row | {"extra": [key]}]).write_parquet(tmp_path / "more.parquet")
    assert run(tmp_path / "more.parquet", kind="purchase")["stored"] == 1


def test_broken_lines_of_json_are_refused_one_by_one(tmp_path: Path, key: str) -> None:
    good = {"visitor": "v", "product": key, "at": 1_772_000_000, "kind": "view"}
    lines = [
        json.dumps(good),
        "{",
        "[1]",
        json.dumps(good | {"product": [key]}),
        json.dumps(good | {"value": 1})[:-1],
    ]
    lines += [
        json.dumps(good | {"value": float("nan")}),
        json.dumps(good | {"visitor": "a\u0000b", "at": 1_772_000_001}),
    ]
    found = run(csv(tmp_path, *lines, name="events.jsonl"), date_format="unix")
    assert account(found) == (7, 1, 0, {"unreadable": 4, "invalid_value": 1, "invalid_subject": 1})
    assert QuarantinedEvent.objects.count() == 2


def test_another_encoding_separator_and_decimal_sign(tmp_path: Path) -> None:
    make_book(isbn="书-1")
    file = csv(tmp_path, "访客;商品;时间;价格", "v1;书-1;01.03.2026 08:30;1.234,50", encoding="gb18030")
    options = {
        "kind": "purchase",
        "date_format": "%d.%m.%Y %H:%M",
        "time_zone": "Asia/Shanghai",
        "decimal": ",",
    }
    columns = [("visitor", "访客"), ("product", "商品"), ("at", "时间"), ("price", "价格")]
    found = run(file, column=columns, encoding="gb18030", separator=";", unknown_products="keep", **options)
    assert account(found) == (1, 1, 0, {})
    event = Event.objects.get()
    assert (event.product, str(event.price), event.at) == (
        "书-1", "1234.50", datetime(2026, 3, 1, 0, 30, tzinfo=UTC)
    )  # fmt: skip


@pytest.mark.parametrize("to", ["report.json", "new.json"])
def test_an_interrupted_import_goes_on_and_counts_nothing_twice(
    tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    monkeypatch.setattr(importing, "CHUNK", 10)
    rows = [f"v{n},{key if n % 4 else 'none'},2026-03-01,{n},2.5,A" for n in range(35)]
    file = csv(tmp_path, HEAD, *rows)
    original, calls = importing._note, []

    def dies(*values: Any, **more: Any) -> None:
        calls.append(values)
        if len(calls) == 3:  # inside the transaction: the part's rows go with it
            raise KeyboardInterrupt
        original(*values, **more)

    monkeypatch.setattr(importing, "_note", dies)
    with pytest.raises(CommandError, match="goes on where it was"):
        run(file, kind="purchase")
    assert (Event.objects.count(), FileImport.objects.get().rows) == (15, 20)
    monkeypatch.setattr(importing, "_note", original)
    found = run(file, kind="purchase", to=to)
    assert account(found) == (35, 26, 0, {"unknown_product": 9})
    # Another report than the interrupted one has what came since, and says how many it lacks.
    assert found["unlisted"] == (0 if to == "report.json" else 5)
    assert [line["row"] for line in found["lines"]] == list(range(1, 36, 4))[found["unlisted"] :]
    assert QuarantinedEvent.objects.count() == 9
    assert FileImport.objects.get().finished
    assert account(run(file, kind="purchase")) == (35, 0, 26, {"unknown_product": 9})


def test_a_dry_run_says_what_an_import_does_and_does_nothing(tmp_path: Path, key: str) -> None:
    file = csv(tmp_path, HEAD, f"v1,{key},2026-03-01,1,2.5,A", "v1,none,2026-03-01,1,2.5,A")
    dry = account(run(file, kind="purchase", dry_run=True))
    assert not any(table.objects.exists() for table in (Event, QuarantinedEvent, FileImport))
    assert account(run(file, kind="purchase")) == dry
    assert account(run(file, kind="purchase", dry_run=True)) == (2, 0, 1, {"unknown_product": 1})


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(
    ("broken", "good"),
    [
        pytest.param(['q,"x,y'], [], id="to_the_next_quote"),
        pytest.param(['q,x,"y'], [], id="in_the_last_cell"),
        pytest.param(['q,x,"y', 'r,"x,y'], [], id="twice"),
        pytest.param(['q,x,"y', 'r,x,"z"'], [("r", "x", "z")], id="closed_by_a_quoted_cell"),
        pytest.param(['q,"x', 'z",y,more,still'], [], id="too_many_cells_and_a_legal_quote"),
    ],
)
def test_a_stray_quote_costs_its_own_line_and_no_other(
    tmp_path: Path, broken: list[str], good: list[tuple[str, ...]], last: bool
) -> None:
    """Far more than the longest field lies behind it, or, at the end of the file, less."""
    plain = [f"{n},x,y" for n in range(20_000)]
    legal = ['1,"two\nlines",y', '2,"a ""b""",y', '3,x"x,"y" z']
    whole = [("1", "two\nlines", "y"), ("2", 'a "b"', "y"), ("3", 'x"x', "y z")]
    ordered = [*legal, *plain[:-5], *broken, *plain[-5:]] if last else [*broken, *plain, *legal]
    file = DataFile(csv(tmp_path, "a,b,c", *ordered), "csv")
    rows = list(importing_files.Reader(file, ("a", "b", "c"), {}).rows())
    read = [row for row in rows if isinstance(row, tuple)]
    assert sorted(read) == sorted([*(tuple(row.split(",")) for row in plain), *whole, *good])
    assert len(rows) == len(ordered)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kind": ""}, "No column for kind"),
        ({"column": [("product", "sku")]}, "no column 'sku' for product; it has visitor"),
        ({"encoding": "utf-12"}, "no encoding"),
        ({"time_zone": "Mars/Olympus"}, "no time zone"),
        ({"user_field": "shoe_size"}, "auth.User has no column 'shoe_size'"),
    ],
)
def test_what_cannot_be_read_at_all_is_said_and_stores_nothing(
    tmp_path: Path, key: str, options: dict[str, Any], said: str
) -> None:
    file = csv(tmp_path, HEAD, f"v1,{key},2026-03-01,1,2.5,A")
    with pytest.raises(CommandError, match=said):
        run(file, **{"kind": "purchase", **options})
    assert not FileImport.objects.exists()


CELL = st.one_of(
    st.sampled_from(
        [
            "",
            "v1",
            "KEY",
            "2026-03-01",
            "1",
            "2.5",
            "-3",
            "1e999",
            "user:1",
            "\x00",
            '"',
            "\udcfe",
            "²",
            "9" * 20,
        ]
    ),
    st.text(st.characters(codec="utf-8"), max_size=8),
)


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.lists(CELL, max_size=9), max_size=12), st.sampled_from([None, "", "username"]))
def test_whatever_the_file_every_row_is_accounted_for(
    tmp_path: Path, rows: list[list[str]], by: str | None
) -> None:
    product = Product.objects.first() or make_product()
    head = HEAD if by is None else f"user,{HEAD}"
    text = "\n".join([head, *(",".join(row).replace("KEY", str(product.pk)) for row in rows)])
    file = tmp_path / "dirty.csv"
    file.write_bytes(text.encode(errors="surrogateescape"))
    Event.objects.all().delete()
    options = {"kind": "purchase", "user_field": by or ""}
    first = run(file, **options)
    assert Event.objects.count() == first["stored"]
    again = run(file, **options)
    assert (again["read"], again["stored"], again["refused"]) == (first["read"], 0, first["refused"])


@pytest.mark.parametrize(
    "bad", ["9" * 20, "a\udcfe", "a\x00b", "\u2028", "1e400"], ids=["long", "no_utf8", "nul", "line", "float"]
)
@pytest.mark.parametrize("column", ["user", "product"])
def test_names_that_no_database_can_be_asked_for_are_of_nobody(
    tmp_path: Path, key: str, bad: str, column: str
) -> None:
    user = User.objects.create(username="ann")
    good, file = {"user": str(user.pk), "product": key}, tmp_path / "events.csv"
    lines = [f"{row['user']},{row['product']},2026-03-01" for row in (good, good | {column: bad})]
    file.write_bytes("\n".join(["user,product,at", *lines]).encode(errors="surrogateescape"))
    for field in ("", "username"):
        found = run(file, kind="purchase", user_field=field)
        assert (found["read"], sum(found["refused"].values())) == (2, 2 if field else 1)


# Products and users


def test_products_are_made_and_brought_up_to_date_by_their_key(tmp_path: Path, bookshop: None) -> None:
    book = make_book(isbn="i1", title="Old")
    file = csv(
        tmp_path, "isbn,name,code,writer",
        f"i1,New,{book.shelf_code},Ada", "i2,Second,B2,Grace", "i3,,B3,Grace", f"i4,Third,{book.shelf_code},Ada",
        ",No key,B5,Ada", f"i5,{'x' * 81},B6,Ada",
    )  # fmt: skip
    columns = [("key", "isbn"), ("title", "name"), ("shelf_code", "code"), ("author", "writer")]
    dry = run(file, "products", column=columns, dry_run=True)
    assert (Book.objects.count(), Author.objects.count()) == (1, 1)
    found = run(file, "products", column=columns)
    assert (found["stored"], found["changed"], found["known"]) == (1, 1, 0)
    assert found["refused"] == {"no_key": 1, "invalid_row": 2, "refused_by_the_shop": 1}
    assert (dry["changed"], dry["refused"]["invalid_row"]) == (1, 2)
    assert set(Book.objects.values_list("isbn", "title", "author__name")) == {
        ("i1", "New", "Ada"), ("i2", "Second", "Grace"),
    }  # fmt: skip
    assert run(file, "products", column=columns)["known"] == 2


def test_what_rows_relate_to_is_asked_for_once(tmp_path: Path, bookshop: None) -> None:
    # The row that would make Ada is refused, and Ada with it; the next one makes her.
    rows = [f"i0,{'x' * 81},B0,Ada", *(f"i{n},Title,B{n},{('Ada', 'Grace')[n % 2]}" for n in range(1, 21))]
    file = csv(tmp_path, "isbn,title,shelf_code,author", *rows)
    columns = [("key", "isbn"), *((name, name) for name in ("title", "shelf_code", "author"))]
    assert run(file, "products", column=columns)["stored"] == 20
    assert (
        Book.objects.filter(author__name="Ada").count()
        == Book.objects.filter(author__name="Grace").count()
        == 10
    )
    with CaptureQueriesContext(connection) as captured:
        assert run(file, "products", column=columns)["known"] == 20
    assert len([query for query in captured if "_author" in query["sql"] and '"name" =' in query["sql"]]) == 2


def test_users_are_made_without_a_way_in(tmp_path: Path, bookshop: None) -> None:
    file = csv(tmp_path, "card,town", "c1,Delft", "c2,Leiden")
    assert run(file, "users", column=[("key", "card"), ("town", "town")])["stored"] == 2
    assert not Reader.objects.get(card="c1").has_usable_password()
    for name in ("password", "genres__name", "nothing"):
        with pytest.raises(CommandError):
            run(file, "users", column=[("key", "card"), (name, "town")])


def test_a_relation_that_needs_more_is_not_made_up(tmp_path: Path, key: str) -> None:
    file = csv(tmp_path, "id,shelf", f"{key},Cakes")
    with pytest.raises(CommandError, match="needs department"):
        run(file, "products", column=[("key", "id"), ("category", "shelf")])
    product = Product.objects.get(pk=key)
    file = csv(tmp_path, "id,cat,price", f"{key},{product.category_id},9.99", f"{key},12345,9.99")
    found = run(file, "products", column=[("key", "id"), ("category_id", "cat"), ("price", "price")])
    assert (found["changed"], found["refused"]) == (1, {"unknown_related": 1})
    product.refresh_from_db()
    assert str(product.price) == "9.99"


@pytest.mark.parametrize("bad", ["9" * 20, "\udcfe", "\x00"], ids=["long", "no_utf8", "nul"])
def test_keys_that_no_database_can_be_asked_for_refuse_their_row_alone(
    tmp_path: Path, key: str, bad: str
) -> None:
    user, shelf = User.objects.create(username="ann"), Product.objects.get(pk=key).category_id
    file = tmp_path / "rows.csv"
    for of, good, cell in (("users", user.pk, "Ann"), ("products", key, shelf)):
        field = "first_name" if of == "users" else "category_id"
        text = f"key,{field}\n{bad},{cell}\n{good},{bad}\n{good},{cell}\n"
        file.write_bytes(text.encode(errors="surrogateescape"))
        found = run(file, of, column=[(field, field)])
        assert (found["read"], [line["row"] for line in found["lines"] if line["row"] != 2]) == (3, [1])
