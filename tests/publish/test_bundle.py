"""Bundles on disk: read back exactly, refused when anything about them is not as written, and free of shoppers."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.exceptions import BundleError
from metarec_plugin.publish.bundle import bundle_size, read_bundle, write_bundle
from metarec_plugin.publish.layout import LAYOUTS
from tests import bundles

VERSION = "0b9f4a52-6f5b-4a3e-9d53-6d3f3d1c1a11"


@pytest.fixture
def written(tmp_path) -> tuple[Path, str]:
    """A folder of artifacts with one bundle, and the bundle's checksum."""
    return tmp_path, write_bundle(tmp_path, VERSION, bundles.manifest("linear"), bundles.arrays("linear"))


def folder_of(root: Path) -> Path:
    return root / "bundles" / VERSION


def forge(folder: Path, **changes: object) -> None:
    """Edit the manifest, as somebody would who can write to the disk but not to the database."""
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def adopt(folder: Path, name: str) -> None:
    """Make the manifest agree with what now lies in an array's file."""
    files = json.loads((folder / "manifest.json").read_text())["files"]
    digest = hashlib.sha256((folder / f"{name}.npy").read_bytes()).hexdigest()
    forge(folder, files=files | {name: digest})


@pytest.mark.parametrize("kind", bundles.KINDS)
def test_what_was_written_is_read_back_mapped_and_read_only(tmp_path, kind):
    arrays = bundles.arrays(kind)
    sha256 = write_bundle(tmp_path, uuid.UUID(VERSION), bundles.manifest(kind), arrays)
    bundle = read_bundle(tmp_path, VERSION, sha256)
    assert bundle.version == VERSION
    assert bundle.manifest["lifts"] == {"home": 0.5}
    assert set(bundle.arrays) == set(arrays)
    for name, array in bundle.arrays.items():
        np.testing.assert_array_equal(array, arrays[name])
        assert not array.flags.writeable
    assert isinstance(bundle.arrays["log_prior"].base, np.memmap)
    assert len(OnlineModel(bundle).scores(np.array([1]))) == 40


def test_wider_types_are_narrowed_when_written(tmp_path):
    arrays = bundles.arrays("linear")
    arrays |= {"power": np.float64(0.5), "row_products": arrays["row_products"].astype("i8")}
    arrays["offset"] = np.asfortranarray(arrays["offset"].astype("f8"))
    write_bundle(tmp_path, VERSION, bundles.manifest("linear"), arrays)
    read = read_bundle(tmp_path, VERSION).arrays
    assert (read["offset"].dtype, read["row_products"].dtype, read["power"].shape) == ("f4", "i4", ())


@pytest.mark.parametrize(
    "break_it, words",
    [
        (lambda a: a.pop("offset"), "missing"),
        (lambda a: a.update(extra=np.zeros(3)), "not known"),
        (lambda a: a.update(offset=a["offset"][:-1]), "shape"),
        (lambda a: a.update(offset=np.array([None] * 40)), "dtype"),
        (lambda a: a["offset"].__setitem__(0, np.nan), "not finite"),
        (lambda a: a["row_products"].__setitem__((0, 0), 40), "row_products"),
        (lambda a: a.update(product_keys=a["product_keys"][::-1]), "ascend"),
        (lambda a: a.update(product_keys=a["product_keys"].astype("U")), "dtype"),
    ],
)
def test_arrays_that_do_not_fit_are_not_written(tmp_path, break_it, words):
    arrays = bundles.arrays("linear")
    break_it(arrays)
    with pytest.raises(BundleError, match=words):
        write_bundle(tmp_path, VERSION, bundles.manifest("linear"), arrays)
    assert not folder_of(tmp_path).exists()


@pytest.mark.parametrize("changes", [{"kind": "tree"}, {"subjects": ["user:1"]}, {"metrics": float("nan")}])
def test_a_manifest_that_does_not_fit_is_not_written(tmp_path, changes):
    with pytest.raises(BundleError):
        write_bundle(tmp_path, VERSION, bundles.manifest("linear") | changes, bundles.arrays("linear"))
    assert not list(tmp_path.rglob("*.npy"))


def test_a_bundle_is_never_overwritten(written):
    root, sha256 = written
    with pytest.raises(BundleError, match="already written"):
        write_bundle(root, VERSION, bundles.manifest("linear"), bundles.arrays("linear", seed=1))
    read_bundle(root, VERSION, sha256)


def test_a_write_cut_off_half_way_leaves_no_bundle(tmp_path, monkeypatch):
    def power_cut(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", power_cut)
    with pytest.raises(KeyboardInterrupt):
        write_bundle(tmp_path, VERSION, bundles.manifest("linear"), bundles.arrays("linear"))
    assert not list((tmp_path / "bundles").iterdir())


def truncate(folder: Path) -> None:
    os.truncate(folder / "row_values.npy", 500)


def pad(folder: Path) -> None:
    with (folder / "row_values.npy").open("ab") as file:
        file.write(b"\0" * 16)


def flip_a_bit(folder: Path) -> None:
    raw = bytearray((folder / "row_values.npy").read_bytes())
    raw[-5] ^= 1
    (folder / "row_values.npy").write_bytes(raw)


def claim_a_huge_header(folder: Path) -> None:
    (folder / "row_values.npy").write_bytes(b"\x93NUMPY\x02\x00" + (2**31 - 1).to_bytes(4, "little") + b"{}")


def empty(folder: Path) -> None:
    (folder / "row_values.npy").write_bytes(b"")


def link_elsewhere(folder: Path) -> None:
    original = folder / "row_values.npy"
    original.rename(folder.parent.parent / "elsewhere.npy")
    original.symlink_to(folder.parent.parent / "elsewhere.npy")


DAMAGE = {
    "truncated": truncate,
    "padded": pad,
    "one bit flipped": flip_a_bit,
    "huge header": claim_a_huge_header,
    "empty file": empty,
    "symbolic link": link_elsewhere,
    "file missing": lambda folder: (folder / "row_values.npy").unlink(),
    "file too many": lambda folder: (folder / "run.py").write_text("raise SystemExit"),
    "folder missing": shutil.rmtree,
    "manifest missing": lambda folder: (folder / "manifest.json").unlink(),
    "manifest is no JSON": lambda folder: (folder / "manifest.json").write_text("{"),
    "manifest is 100,000 deep": lambda folder: (folder / "manifest.json").write_text("[" * 100_000),
    "manifest is a list": lambda folder: (folder / "manifest.json").write_text("[]"),
    "manifest is not text": lambda folder: (folder / "manifest.json").write_bytes(b"\xff\xfe{}"),
    "later schema": lambda folder: forge(folder, schema_version=2),
    "other version": lambda folder: forge(folder, version=str(uuid.uuid4())),
    "unknown kind": lambda folder: forge(folder, kind="tree"),
    "other kind": lambda folder: forge(folder, kind="gradient"),
    "unknown key": lambda folder: forge(folder, subjects=["user:1"]),
    "path out of the folder": lambda folder: forge(folder, files={"../../elsewhere": "0" * 64}),
    "no files": lambda folder: forge(folder, files=None),
}


@pytest.mark.parametrize("known_checksum", [True, False])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_or_foreign_bundle_is_refused(written, damage, known_checksum):
    root, sha256 = written
    DAMAGE[damage](folder_of(root))
    with pytest.raises(BundleError):
        read_bundle(root, VERSION, sha256 if known_checksum else None)


def test_a_consistent_forgery_is_refused_by_the_registered_checksum(written):
    root, sha256 = written
    flip_a_bit(folder_of(root))
    adopt(folder_of(root), "row_values")
    read_bundle(root, VERSION)  # in itself it is whole
    with pytest.raises(BundleError, match="registered"):
        read_bundle(root, VERSION, sha256)


def test_an_array_that_would_run_code_is_refused_and_does_not_run(written, tmp_path):
    canary = tmp_path / "canary"

    class Payload:
        def __reduce__(self):
            return (Path.touch, (canary,))

    root, _ = written
    folder = folder_of(root)
    for raw in (pickle.dumps(Payload()), _object_array(Payload())):
        (folder / "offset.npy").write_bytes(raw)
        adopt(folder, "offset")
        with pytest.raises(BundleError):
            read_bundle(root, VERSION)
    assert not canary.exists()


def _object_array(payload: object) -> bytes:
    import io

    file = io.BytesIO()
    np.save(file, np.array([payload], dtype=object), allow_pickle=True)
    return file.getvalue()


@pytest.mark.parametrize("version", ["../../etc", "", "x", VERSION + "/.."])
def test_a_version_that_is_no_uuid_reaches_no_file(tmp_path, version):
    with pytest.raises(BundleError, match="UUID"):
        read_bundle(tmp_path, version)


def test_a_bundle_has_no_place_for_a_shopper(tmp_path):
    """Arrays outside the layout and keys outside the manifest are refused above; these are all that there are."""
    axes = {letter for layout in LAYOUTS.values() for _, shape in layout.values() for letter in shape}
    assert axes == {"N", "n", "K", "d", "T", "e", "h", "R", "G", "C", "O", "P", "L", "M", "D", "I", "W"}
    names = {name for layout in LAYOUTS.values() for name, (dtype, _) in layout.items() if dtype == "S"}
    assert names == {"product_keys"}


def test_a_bundle_is_as_large_as_its_files_and_nothing_while_it_is_being_deleted(written, monkeypatch):
    root, _sha256 = written
    size = sum(file.stat().st_size for file in folder_of(root).iterdir())
    assert bundle_size(root, VERSION) == size > 0
    scan = os.scandir

    @contextmanager
    def overtaken(folder: Path) -> Iterator[list[os.DirEntry[str]]]:
        with scan(folder) as entries:
            found = list(entries)
        for entry in found:
            os.unlink(entry)
        yield found

    monkeypatch.setattr(os, "scandir", overtaken)
    assert bundle_size(root, VERSION) == 0
    monkeypatch.undo()
    folder_of(root).rmdir()
    assert bundle_size(root, VERSION) == 0
