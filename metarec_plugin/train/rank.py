"""One process of data-parallel training: `python -m torch.distributed.run ... -m metarec_plugin.train.rank FOLDER`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import NoReturn

import torch
import torch.distributed as dist

from metarec_plugin.exceptions import ConfigurationError, MetaRecError, TrainingFailed
from metarec_plugin.preprocess.stored import open_dataset
from metarec_plugin.train.device import resolve_device
from metarec_plugin.train.distributed import write_fitted
from metarec_plugin.train.learners import fit


def main(folder: Path) -> int:
    """Train as the folder's request says, and leave there what was made, or an error in words. Returns an exit code."""
    rank = int(os.environ["RANK"])
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    try:
        _join(request["device"])

        def tell(fraction: float, message: str) -> None:
            if rank == 0:
                _tell(folder, request["parent"], fraction, message)

        checkpoint_dir = request["checkpoint_dir"]
        fitted = fit(
            request["name"],
            open_dataset(folder / "dataset"),
            seed=request["seed"],
            device=request["device"],
            budget_seconds=request["budget_seconds"],
            progress=tell,
            checkpoint_dir=Path(checkpoint_dir) if checkpoint_dir else None,
            options=request["options"],
        )
        if rank == 0:
            write_fitted(folder, fitted)
        dist.barrier()
    except MetaRecError as error:
        told = [type(error).__name__, str(error)]
        (folder / f"error-{rank}.json").write_text(json.dumps(told), encoding="utf-8")
        return 1
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
    return 0


def _join(device: str) -> None:
    """Join the other processes; each takes a GPU of its own where they train on GPUs."""
    resolved = resolve_device(device)
    if resolved.type != "cuda":
        dist.init_process_group("gloo")
        return
    place, found = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if place >= found:
        raise ConfigurationError(
            f"Each training process needs a GPU of its own; found {found} of them for {os.environ['WORLD_SIZE']} "
            "processes. Lower METAREC['PROCESSES'], or set METAREC['DEVICE'] to cpu."
        )
    torch.cuda.set_device(place)
    dist.init_process_group("nccl", device_id=torch.device("cuda", place))


def _tell(folder: Path, parent: int, fraction: float, message: str) -> None:
    """Leave word for whoever started the processes; without them nobody waits for a result, and another may begin."""
    try:
        os.kill(parent, 0)
    except ProcessLookupError as error:
        raise TrainingFailed(
            f"Process {parent}, which started this training, is gone. Resume the run."
        ) from error
    aside = folder / "progress.tmp"
    aside.write_text(json.dumps([fraction, message]), encoding="utf-8")
    os.replace(aside, folder / "progress.json")


def leave(code: int) -> NoReturn:
    """End the process with nothing left to do: taking down torch's threads one by one may abort it."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main(Path(sys.argv[1])))
