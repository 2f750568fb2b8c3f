"""The quickstart is followed on a fresh project: its own files and commands, from the wheel to a list that adapts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

from metarec_plugin.testing import StorefrontContract

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.M | re.S)
FILE = re.compile(r"(?:# |\{# )([\w/]+\.(?:py|html))")
PAGE = (ROOT / "docs" / "quickstart.md").read_text()
STEPS = re.split(r"^\d+\. (?=\S)", PAGE.split("\n## ")[0], flags=re.M)[1:]
FAST = {
    "metarec_train": ["--learners", "closed_form", "--budget-seconds", "1"]
}  # quick; the default's loop has a test


def files(text: str) -> dict[str, str]:
    """The blocks that name a file in their first line, by that name."""
    blocks = [dedent(body) for _, _, body in BLOCK.findall(text)]
    return {found[1]: body for body in blocks if (found := FILE.match(body))}


def commands(step: str) -> list[list[str]]:
    """The arguments of each `python manage.py` of a step, in the text or in a crontab."""
    return [line.split()[2:] for line in re.findall(r"python manage\.py [^`\n]+", step)]


@dataclass(frozen=True)
class Project:
    """A project in a folder of its own, which knows the plugin as the wheel has it."""

    root: Path
    site: Path

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=200,
            cwd=self.root,
            env={
                **{name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"},
                "PYTHONPATH": str(self.site),
                "OMP_NUM_THREADS": "1",
            },
        )
        assert done.returncode == 0, f"{arguments}\n{done.stdout}"
        return done.stdout

    def manage(self, *arguments: str) -> str:
        return self.run("manage.py", *arguments, *FAST.get(arguments[0], ()))

    def write(self, text: str) -> list[str]:
        """Write the files of a text: what begins with `+=`s goes below what is there."""
        written = files(text)
        for name, body in written.items():
            place = self.root / ("project" if name in ("settings.py", "urls.py") else "") / name
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("a") as out:
                out.write(f"\n{body}")
        return list(written)


@pytest.fixture(scope="module")
def project(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """What the reader has before the first step: a fresh project and a shop with orders."""
    root = tmp_path_factory.mktemp("fresh")
    made = Project(root, root / "site")
    made.run("-m", "django", "startproject", "project", ".")
    made.run("manage.py", "startapp", "myshop")
    shop = PAGE.split("## The shop of this page")[1]
    assert made.write(shop) == ["myshop/models.py", "myshop/views.py", "urls.py"]
    with (root / "project" / "settings.py").open("a") as out:
        out.write('\nINSTALLED_APPS += ["myshop"]\nALLOWED_HOSTS = ["testserver"]\n')
    made.run("manage.py", "makemigrations", "myshop", "-v", "0")
    made.run("manage.py", "migrate", "-v", "0")
    shutil.copy(ROOT / "tests" / "contracts" / "fresh_shop.py", root)
    made.run("fresh_shop.py", "seed")
    return made


def test_the_readme_says_what_the_quickstart_says() -> None:
    """So that following the one follows the other."""
    section = (ROOT / "README.md").read_text().split("## Put it into your own shop")[1].split("\n## ")[0]
    said, here = files(section), files("".join(STEPS))
    assert list(said) == ["settings.py", "urls.py", "myshop/metarec.py", "myshop/templates/home.html"]
    assert {name: here[name] for name in said} == said
    wanted = [command for step in STEPS[3:7] for command in commands(step)]
    assert all(f"`{' '.join(words)}`" in section.replace("python manage.py ", "") for words in wanted)


def test_ten_steps_lead_from_the_wheel_to_a_list_that_adapts(project: Project, wheel: Path) -> None:
    install, switch_on, mapping, check, migrate, sync, train, show, look, keep = STEPS

    assert f'pip install "{wheel.name}[worker]"' in install
    # What it depends on is here already, and no test goes to an index.
    project.run("-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", "site", str(wheel))
    where = project.run("-c", "import metarec_plugin; print(metarec_plugin.__file__)")
    assert Path(where.strip()).is_relative_to(project.site)

    assert project.write(switch_on) == ["settings.py", "urls.py"]
    assert project.write(mapping) == ["myshop/metarec.py"]
    assert [commands(step) for step in (check, migrate, sync, train)] == [
        [["check"]], [["migrate"]], [["metarec_sync", "--full"]], [["metarec_train"]]
    ]  # fmt: skip
    assert "no issues" in project.manage(*commands(check)[0])
    assert "metarec.0001_initial" in project.manage(*commands(migrate)[0])
    # 540 of 600 orders are paid, each of seven lines.
    assert "3,780 rows read: 3,780 new" in project.manage(*commands(sync)[0])
    verdict = project.manage(*commands(train)[0])
    assert "Served from now on: " in verdict

    assert project.write(show) == ["myshop/templates/home.html", "myshop/templates/product.html"]
    seen = project.run("fresh_shop.py", "look").splitlines()
    before, after = (line.split() for line in seen if line.startswith(("before", "after")))
    assert before[:2] == ["before", "popular"]
    assert len(set(before[2:])) > 1
    assert after == ["after", "adapted", *["2"] * 8]
    [[command, option, keys]] = commands(look)
    assert (command, option, keys) == ("metarec_recommend", "--events", "KEY1,KEY2")
    listed = project.manage(command, option, "1,2")
    assert "stage adapted" in listed
    assert re.findall(r"Shelf (\d)", listed)[:8] == ["0"] * 8
    assert "Recommendations adapt." in project.manage("metarec_doctor")

    again, rollup, retrain, expire = commands(keep)
    assert "0 new, 3,780 known" in project.manage(*again, "--full")
    assert "days counted" in project.manage(*rollup)
    assert retrain == commands(train)[0]
    assert "Nothing was old enough" in project.manage(*expire)

    # The suite that the third step speaks of.
    suite = (ROOT / "docs" / "mapping.md").read_text().split("## Test your mapping")[1]
    assert project.write(suite) == ["myshop/tests.py"]
    promised = [name for name in vars(StorefrontContract) if name.startswith("test_")]
    said = project.manage("test", "myshop")
    assert f"Ran {len(promised)} tests" in said
    assert "OK (skipped=1)" in said  # guests, whom this mapping does not name
