"""Reads CSV, JSON Lines and Parquet row by row, without holding the file: what cannot be read is said of its row."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import file_digest
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from typing import IO, Any

from metarec_plugin.exceptions import InvalidData

FORMATS = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
LONGEST_ROW = 4 << 20  # characters of a CSV's row of several lines
SLICE = 50_000  # rows of a Parquet file in memory
PLAIN = (str, int, float, type(None))


@dataclass(frozen=True)
class Unreadable:
    """A row that is none, and what is wrong with it."""

    message: str


@dataclass(frozen=True)
class DataFile:
    """A file of rows. format: one of FORMATS' values. encoding and separator count for CSV, encoding for JSON Lines."""

    path: Path
    format: str
    encoding: str = "utf-8-sig"
    separator: str = ","

    def digest(self) -> str:
        """SHA-256 of the content, however the file is called."""
        try:
            with self.path.open("rb") as file:
                return file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InvalidData(f"{self.path} cannot be read: {error}.") from error


def format_of(path: Path) -> str:
    """The format that a file's name tells, `.gz` set aside. Raises InvalidData where it tells none."""
    suffixes = [each.lower() for each in path.suffixes if each.lower() != ".gz"]
    found = FORMATS.get(suffixes[-1] if suffixes else "")
    if found is None:
        raise InvalidData(f"The name of {path} ends in none of {', '.join(FORMATS)}; say which by --format.")
    return found


class Reader:
    """Rows of a file as tuples, one value for each of `fields`; the row's names are those of `columns` or the same.

    fraction: how much of the file was read, from 0 to 1.
    """

    def __init__(self, file: DataFile, fields: Sequence[str], columns: Mapping[str, str]) -> None:
        self.fraction = 0.0
        self._file, self._columns = file, columns
        self._names = [columns.get(field, field) for field in fields]
        try:
            codecs.lookup(file.encoding)
        except LookupError as error:
            raise InvalidData(f"{file.encoding!r} is no encoding that Python knows.") from error

    def rows(self, skip: int = 0) -> Iterator[tuple[Any, ...] | Unreadable]:
        """Yield each row after the first `skip`. Raises InvalidData where the file is not of its format."""
        read = {"csv": self._csv, "jsonl": self._jsonl, "parquet": self._parquet}[self._file.format]
        try:
            yield from read(skip)
        except (OSError, EOFError, UnicodeError) as error:
            raise InvalidData(f"{self._file.path} cannot be read: {error}.") from error

    def header(self) -> list[str]:
        """The names of a CSV's or Parquet file's columns, and of the first object of JSON Lines."""
        if self._file.format == "parquet":
            return _polars().scan_parquet(self._file.path).collect_schema().names()
        with self._open() as (text, _):
            if self._file.format == "csv":
                return [name.strip() for name in next(self._reader(text), [])]
            first = _object(text.readline())
            return [] if isinstance(first, Unreadable) else list(first)

    def check_columns(self, header: Sequence[str]) -> None:
        """Refuse a column that was asked for and is not there, or that is there twice."""
        for field, name in self._columns.items():
            if name not in header:
                raise InvalidData(
                    f"{self._file.path.name} has no column {name!r} for {field}; it has {', '.join(header)}."
                )
        if twice := {name for name in self._names if header.count(name) > 1}:
            raise InvalidData(f"{self._file.path.name} has several columns {sorted(twice)[0]!r}.")

    def _csv(self, skip: int) -> Iterator[tuple[Any, ...] | Unreadable]:
        with self._open() as (text, position):
            header = [name.strip() for name in next(self._reader(text), [])]
            width = len(header)
            # A row is read with "" behind it, which is what a field without a column takes.
            pick = itemgetter(*(header.index(name) if name in header else width for name in self._names))
            for number, row in enumerate(islice(_csv_rows(text, self._file.separator, width), skip, None)):
                if number % 1_000 == 0:
                    self.fraction = position()
                if isinstance(row, Unreadable):
                    yield row
                else:
                    row.append("")
                    yield pick(row)

    def _jsonl(self, skip: int) -> Iterator[tuple[Any, ...] | Unreadable]:
        with self._open() as (text, position):
            for number, line in enumerate(islice(filter(str.strip, text), skip, None)):
                if number % 1_000 == 0:
                    self.fraction = position()
                found = _object(line)
                if isinstance(found, Unreadable):
                    yield found
                    continue
                row = tuple(map(found.get, self._names))
                if all(type(value) in PLAIN for value in row):
                    yield row
                else:
                    yield Unreadable("a value that is neither text nor a number")

    def _parquet(self, skip: int) -> Iterator[tuple[Any, ...] | Unreadable]:
        pl = _polars()
        try:
            frame = pl.scan_parquet(self._file.path)
            schema = frame.collect_schema()
            if nested := [name for name in self._names if name in schema and schema[name].is_nested()]:
                raise InvalidData(f"{self._file.path.name}: column {nested[0]!r} holds lists or the like.")
            frame = frame.select(
                pl.col(name) if name in schema else pl.lit(None).alias(name) for name in self._names
            )
            total = pl.scan_parquet(self._file.path).select(pl.len()).collect().item()
            for start in range(skip, total, SLICE):
                self.fraction = start / total
                yield from frame.slice(start, SLICE).collect().iter_rows()
        except pl.exceptions.PolarsError as error:
            raise InvalidData(f"{self._file.path} cannot be read as Parquet: {error}.") from error

    def _reader(self, text: IO[str]) -> Any:
        return csv.reader(text, delimiter=self._file.separator)

    def _open(self) -> _Opened:
        return _Opened(self._file)


class _Opened:
    """A file of text, unpacked where its name says so, with a function that tells how much of it was read."""

    def __init__(self, file: DataFile) -> None:
        self._file = file

    def __enter__(self) -> tuple[IO[str], Callable[[], float]]:
        path, size = self._file.path, max(1, self._file.path.stat().st_size)
        self._raw = raw = path.open("rb")
        packed: Any = gzip.GzipFile(fileobj=raw) if path.suffix.lower() == ".gz" else raw
        # What is no text in this encoding becomes half a surrogate pair: the value that has one is refused.
        text = io.TextIOWrapper(packed, encoding=self._file.encoding, errors="surrogateescape", newline="")
        return text, lambda: min(1.0, raw.tell() / size)

    def __exit__(self, *error: object) -> None:
        self._raw.close()


def _csv_rows(text: IO[str], separator: str, width: int) -> Iterator[list[str] | Unreadable]:
    """Yield rows of `width` cells. A quote that is not meant as one swallows the lines up to the next quote: where such
    a row comes out wrong, its first line is refused and the others are read again, each by itself; the last, with the
    quote that ended it, as the beginning of whatever it begins. So no line is read more than three times.
    """
    held: list[str] = []  # lines of the row that is being read
    ended = False

    def feed(again: Sequence[str]) -> Iterator[str]:
        nonlocal ended
        size, ended = 0, False
        for line in chain(again, text):
            size = size + len(line) if held else 0
            held.append(line)
            if size > LONGEST_ROW:
                raise csv.Error(f"a row of more than {LONGEST_ROW:,} characters")
            yield line
        ended = True

    again: list[str] = []
    while True:
        wrong: Unreadable | None = None
        try:
            for row in csv.reader(feed(again), delimiter=separator, strict=True):
                if row and len(row) != width:
                    wrong = Unreadable(f"{len(row)} cells under a heading of {width}")
                    break
                held.clear()
                if row:
                    yield row
        except csv.Error as error:
            wrong = Unreadable(str(error))
        if wrong is None:
            return
        first, *others = held
        again = others[-1:]
        held.clear()
        if not others and not ended:  # what is no quote, in the middle of a cell
            yield _row_of(first, separator, width, strict=False) or wrong
            continue
        yield Unreadable(f"a quote that takes in what comes after it: {wrong.message}")
        for line in others[:-1]:
            if alone := _row_of(line, separator, width, strict=True):
                yield alone


def _row_of(line: str, separator: str, width: int, strict: bool) -> list[str] | Unreadable:
    """The row of a line by itself; an empty one of a blank line."""
    try:
        row = next(csv.reader([line], delimiter=separator, strict=strict), [])
    except csv.Error as error:
        return Unreadable(str(error))
    return Unreadable(f"{len(row)} cells under a heading of {width}") if row and len(row) != width else row


def _object(line: str) -> Any:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Unreadable(f"no JSON: {str(error)[:100]}")
    return found if isinstance(found, dict) else Unreadable("no JSON object")


def _polars() -> Any:
    try:
        import polars
    except ImportError as error:
        raise InvalidData(
            "Reading Parquet needs polars: install django-metarec[worker], or give a CSV."
        ) from error
    return polars
