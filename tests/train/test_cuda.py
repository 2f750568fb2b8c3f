"""On a GPU training reaches what the CPU reaches: weights, losses, bundles, checkpoints. Left out without a GPU."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import uuid
from functools import partial

import numpy as np
import pytest
import torch

from metarec_plugin.adapt.batch import BatchModel
from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.exceptions import ConfigurationError
from metarec_plugin.pipeline.candidates import make_candidate
from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.preprocess.stored import write_dataset
from metarec_plugin.publish.bundle import Bundle, write_bundle
from metarec_plugin.train import blockwise, fit, learners, losses, mixture, rank
from metarec_plugin.train.distributed import fit_in_processes, read_fitted
from metarec_plugin.train.processes import Processes
from metarec_plugin.train.sampling import Batch
from metarec_plugin.train.trainer import TrainerConfig
from tests import bundles
from tests.train.small_learners import LEARNERS, STEPS, small_store, walked
from tests.train.test_losses import problem, with_gradient
from tests.train.twelve_steps import CHANGES, GATE

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a GPU: what it computes is held against the CPU"
)
WEIGHTS = 1e-3  # weights after 25 steps: Adam turns the rounding of a small gradient into a part of a step
LOSS = 1e-4  # of the loss after the steps
LOW = 0.005  # of it, where products are made in bfloat16
SCORES = 1e-5  # log probabilities
SERVE = """
import json, sys, uuid
from pathlib import Path
import numpy as np
from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.publish.bundle import read_bundle
model = OnlineModel(read_bundle(Path(sys.argv[1]), uuid.UUID(int=1), sys.argv[2]))
scores = [model.scores(np.array(support)).tolist() for support in json.loads(sys.argv[3])]
print(json.dumps({"torch": "torch" in sys.modules, "scores": scores}))
"""


@pytest.fixture(scope="module")
def store() -> Dataset:
    return small_store()


@pytest.fixture
def twelve_steps(monkeypatch):
    """Twelve steps in float32 from vectors that know nothing."""
    steps = partial(TrainerConfig, max_steps=12, validate_at=(4,), average=0.0)
    for name, change in {**CHANGES, "TrainerConfig": steps}.items():
        monkeypatch.setattr(learners, name, change)
    monkeypatch.setattr(mixture, "GateConfig", GATE)


def assert_close(found, expected, atol: float) -> None:
    assert set(found) == set(expected)
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=0, atol=atol, err_msg=name)


@pytest.mark.parametrize("name", LEARNERS)
def test_float32_steps_on_the_gpu_reach_the_weights_and_the_loss_of_the_cpu(name, store):
    cpu, gpu = walked(name, "float32", store), walked(name, "float32", store, "cuda")
    assert (gpu.outcome.device, gpu.outcome.precision, gpu.outcome.steps) == ("cuda", "float32", STEPS)
    assert_close(gpu.weights, cpu.weights, WEIGHTS)
    assert gpu.after == pytest.approx(cpu.after, rel=LOSS)
    assert cpu.before - cpu.after > 50 * LOSS * cpu.after  # steps that can be told apart


@pytest.mark.parametrize("name", LEARNERS)
def test_bfloat16_learns_on_the_gpu_what_float32_learns(name, store):
    full, low = walked(name, "float32", store, "cuda"), walked(name, "bfloat16", store, "cuda")
    assert low.outcome.precision == "bfloat16"
    assert all(weight.dtype == torch.float32 for weight in low.weights.values())
    assert low.after == pytest.approx(full.after, rel=LOW)
    assert low.before - low.after > 0.5 * (full.before - full.after) > 0


@pytest.mark.parametrize("name", ["maml", "maml_nn"])
@pytest.mark.parametrize("precision, tolerance", [("float32", LOSS), ("bfloat16", LOW)])
def test_block_by_block_it_reaches_the_same(name, precision, tolerance, store, monkeypatch):
    whole = walked(name, "float32", store)
    for module in (blockwise, losses):
        monkeypatch.setattr(module, "EXACT_UP_TO", 10)
    monkeypatch.setattr(blockwise, "BLOCK", 16)
    parts = walked(name, precision, store, "cuda")
    assert parts.after == pytest.approx(whole.after, rel=tolerance)


@pytest.mark.parametrize("form", ["exact", "blockwise", "sampled"])
def test_each_form_of_the_loss_has_the_gradient_of_the_cpu(form, monkeypatch):
    monkeypatch.setattr(losses, "HEAD", 200)  # all of them: draws are another device's own
    cpu = problem()
    gpu = [part.detach().cuda().requires_grad_(part.requires_grad) for part in cpu]
    expected = with_gradient(losses.query_loss(*cpu, form=form), cpu)
    found = with_gradient(losses.query_loss(*gpu, form=form), gpu)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours.detach().cpu(), theirs.detach(), rtol=0, atol=1e-9)


@pytest.mark.parametrize("first, then", [("cuda", "cpu"), ("cpu", "cuda"), ("cuda", "cuda")])
def test_a_checkpoint_goes_on_wherever_it_is_read(first, then, store, tmp_path):
    path = tmp_path / "checkpoint.pt"
    assert walked("maml", "float32", store, first, steps=12, checkpoint=path).outcome.steps == 12
    resumed = walked("maml", "float32", store, then, checkpoint=path)
    assert [step for step, _, _ in resumed.outcome.curve] == [0, 12, STEPS]
    assert_close(resumed.weights, walked("maml", "float32", store).weights, WEIGHTS)


@pytest.mark.parametrize("kind", bundles.KINDS)
def test_batch_adaptation_gives_the_numbers_of_a_request(kind):
    arrays = bundles.arrays(kind, keys=[f"{i:03d}" for i in range(150)])
    supports = [np.array(s, dtype=np.int64) for s in ([3], [], [149, 0, 7], list(range(0, 100, 2)), [5, 95])]
    online = OnlineModel(Bundle("twin", {"kind": kind}, arrays))
    expected = np.stack([online.scores(support) for support in supports])
    np.testing.assert_allclose(
        BatchModel(kind, arrays, "cuda").scores(supports), expected, atol=SCORES, rtol=0
    )


def test_a_worker_adapts_a_network_on_either_device_alike(store):
    fitted = fit("maml", store, device="cpu", budget_seconds=0, options={"adapt": "network"})
    arrays = {
        **fitted.arrays,
        "network_gain": np.array([2.0, 0.0], "f4"),
    }  # one step teaches it to say little
    candidate = make_candidate(store, "maml", fitted.kind, arrays)
    supports = list(store.test.products[:40].astype(np.int64).reshape(8, 5))
    cpu, gpu = (
        BatchModel("network", candidate.arrays, device).scores(supports) for device in ("cpu", "cuda")
    )
    np.testing.assert_allclose(gpu, cpu, atol=SCORES, rtol=0)


def test_a_mixture_of_the_gpu_is_the_cpus_and_is_served_without_torch(store, twelve_steps, tmp_path):
    cpu, gpu = (fit("mixture", store, device=device, budget_seconds=1e6) for device in ("cpu", "cuda"))
    assert {gpu.report["experts"][name]["device"] for name in ("maml", "maml_nn")} == {"cuda"}
    # The learners' masks are drawn on the device; what MAML and the maps are is the same.
    same = [name for name in cpu.arrays if not name.startswith(("maml_nn.", "gate.weights"))]
    assert_close(
        {name: gpu.arrays[name] for name in same}, {name: cpu.arrays[name] for name in same}, WEIGHTS
    )
    candidate = make_candidate(store, "mixture", gpu.kind, gpu.arrays)
    sha256 = write_bundle(tmp_path, uuid.UUID(int=1), bundles.manifest("mixture"), candidate.arrays)
    supports = [[3], [8, 0, 7], list(range(0, 20, 2))]
    command = [sys.executable, "-c", SERVE, str(tmp_path), sha256, json.dumps(supports)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    assert said["torch"] is False
    worker = BatchModel("mixture", candidate.arrays, "cuda").scores([np.array(each) for each in supports])
    np.testing.assert_allclose(said["scores"], worker, atol=SCORES, rtol=0)


class Exchanging(Processes):
    """One process that hands over its tensors as if there were another, whose part it does, too."""

    def share(self, batch: Batch) -> tuple[Batch, float]:
        return batch, 1.0


def test_what_passes_through_nccl_is_what_one_process_computes(store, twelve_steps, monkeypatch, tmp_path):
    plain = fit("maml", store, device="cuda", budget_seconds=1e6)
    write_dataset(tmp_path / "dataset", store)
    request = {"name": "maml", "seed": 0, "device": "cuda", "budget_seconds": 1e6, "checkpoint_dir": None}
    request |= {"options": {}, "parent": os.getpid()}
    (tmp_path / "request.json").write_text(json.dumps(request))
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    alone = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1"}
    for name, value in {**alone, "MASTER_PORT": str(port)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(Processes, "current", lambda: Exchanging(0, 2))
    assert rank.main(tmp_path) == 0
    joined = read_fitted(tmp_path)
    assert (joined.report["processes"], joined.report["device"]) == (2, "cuda")
    assert_close(joined.arrays, plain.arrays, WEIGHTS)


def test_more_processes_than_gpus_are_refused_in_words(store):
    processes = torch.cuda.device_count() + 1
    with pytest.raises(ConfigurationError, match="needs a GPU of its own"):
        fit_in_processes("maml", store, processes=processes, device="cuda", budget_seconds=0)
