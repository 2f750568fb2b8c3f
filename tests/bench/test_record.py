"""The record of runs: a command is shown beside the figures that it wrote, and beside no others."""

from __future__ import annotations

from pathlib import Path

from tests.bench import record


def write(out: Path, text: str, command: str, *, extends: bool = False) -> None:
    path = out / "supports.json"
    before = record.digest(path) if extends else None
    path.write_text(text)
    record.note(out, "supports", {"command": command, "date": "2026-01-02"}, before)


def commands(out: Path) -> list[str]:
    return [run["command"] for run in record.figures(out)["runs"].get("supports", [])]


def test_the_command_is_shown_beside_its_figures(tmp_path: Path):
    write(tmp_path, "{}", "a")
    assert commands(tmp_path) == ["a"]
    assert record.figures(tmp_path)["supports"] == {}
    write(tmp_path, '{"x": 1}', "b")
    assert commands(tmp_path) == ["b"]


def test_a_run_that_adds_to_the_figures_is_noted_beside_the_earlier(tmp_path: Path):
    write(tmp_path, "{}", "a")
    write(tmp_path, '{"x": 1}', "b", extends=True)
    write(tmp_path, '{"x": 2}', "a", extends=True)
    assert commands(tmp_path) == ["b", "a"]


def test_figures_that_something_else_wrote_have_no_command(tmp_path: Path):
    write(tmp_path, "{}", "a")
    (tmp_path / "supports.json").write_text('{"y": 1}')
    assert commands(tmp_path) == []
    write(tmp_path, '{"y": 1, "z": 2}', "b", extends=True)
    assert commands(tmp_path) == ["b"]


def test_a_folder_without_a_record_has_no_runs(tmp_path: Path):
    assert record.figures(tmp_path) == {"runs": {}}
