"""Imports a file: part by part, each with an account of its rows, and going on where an import was interrupted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

from django.db import router, transaction
from django.utils import timezone

from metarec_plugin.collect.importing_files import DataFile, Reader
from metarec_plugin.collect.importing_targets import Outcome, Target
from metarec_plugin.models import FileImport

CHUNK = 50_000  # rows of a part: written, accounted for and noted in one transaction


@dataclass
class Account:
    """What became of the rows. read == stored + changed + known + the sum of `refused`, which counts by reason.

    `known` rows say what is there already, or what was there and has been erased. `changed` are of products and
    users. `left_out` of the refused found no room in the quarantine, `unlisted` ones were refused before the import was
    interrupted and are in another file of refused rows.
    """

    read: int = 0
    stored: int = 0
    changed: int = 0
    known: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    left_out: int = 0
    unlisted: int = 0


def run(
    file: DataFile,
    target: Target,
    columns: Mapping[str, str],
    *,
    described: Mapping[str, Any],
    dry_run: bool = False,
    restart: bool = False,
    refused_to: Path | None = None,
    progress: Callable[[float, Account], None] | None = None,
) -> Account:
    """Import the file and account for each of its rows.

    described: all that decides how it is read; with the content it tells whether an import that was interrupted is
    this one, which then goes on. refused_to: a file of JSON Lines, one for each row refused.
    """
    reader = Reader(file, target.fields, columns)
    header = reader.header()
    if file.format != "jsonl":
        reader.check_columns(header)
        target.check(header, columns)
    using = router.db_for_write(FileImport)
    account, done, digest = Account(), 0, ""
    if not dry_run:
        digest = _digest(file, described)
        state = FileImport.objects.using(using).filter(pk=digest, finished=None).first()
        if state is not None and not restart:
            account, done = Account(**state.counts), state.rows
    noted = _Refused(refused_to, sum(account.refused.values()))
    with noted:
        account.unlisted = noted.unlisted
        for chunk in _chunks(reader.rows(done)):
            with transaction.atomic(using=using):
                outcome = target.take(chunk, dry_run)
                _add(account, outcome, len(chunk))
                noted.write(outcome.refused, done)
                done += len(chunk)
                if not dry_run:
                    _note(digest, file, done, account)
            if progress:
                progress(reader.fraction, account)
        if not dry_run:
            _note(digest, file, done, account, finished=timezone.now())
    return account


def _digest(file: DataFile, described: Mapping[str, Any]) -> str:
    whole = json.dumps([file.digest(), asdict(file) | {"path": ""}, described], default=str)
    return sha256(whole.encode()).hexdigest()


def _note(digest: str, file: DataFile, rows: int, account: Account, finished: Any = None) -> None:
    values = {"file": file.path.name[:200], "rows": rows, "counts": asdict(account), "finished": finished}
    FileImport.objects.update_or_create(digest=digest, defaults=values)


def _add(account: Account, outcome: Outcome, rows: int) -> None:
    account.read += rows
    account.stored += outcome.stored
    account.changed += outcome.changed
    account.known += outcome.known
    account.left_out += outcome.left_out
    account.refused = dict(Counter(account.refused) + Counter(reason for _, reason, _ in outcome.refused))


def _chunks(rows: Iterator[Any]) -> Iterator[list[Any]]:
    while chunk := list(islice(rows, CHUNK)):
        yield chunk


class _Refused:
    """The file of refused rows: on going on, it holds those that the account knows of and no other."""

    def __init__(self, path: Path | None, known: int) -> None:
        self._path, self._known = path, known
        self.unlisted = 0  # that the account knows of and the file does not

    def __enter__(self) -> None:
        self._file = None
        if self._path is None:
            return
        self._file = self._path.open("r+" if self._known and self._path.exists() else "w+", encoding="utf-8")
        self.unlisted = self._known - sum(bool(self._file.readline()) for _ in range(self._known))
        self._file.seek(self._file.tell())
        self._file.truncate()

    def write(self, refused: Sequence[tuple[int, str, str]], start: int) -> None:
        if self._file is None:
            return
        for place, reason, message in sorted(refused):
            line = {"row": start + place + 1, "reason": reason, "message": message}
            self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()
