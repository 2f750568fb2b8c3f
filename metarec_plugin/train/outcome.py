"""How training by steps ended, as figures for the report and as a sentence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """How training ended; `best` is the validation score of the weights that were kept."""

    steps: int
    seconds: float
    validation_seconds: float  # the part of them that looking took
    best: float
    best_step: int
    stopped_by: str  # budget, patience or steps
    curve: tuple[
        tuple[int, float | None, float], ...
    ]  # step, mean loss since the point before, validation score
    device: str = "cpu"
    precision: str = "float32"  # of products of matrices
    processes: int = 1

    @property
    def note(self) -> str:
        """One sentence for a person."""
        why = {
            "budget": "cut by the time budget",
            "patience": "stopped when validation no longer rose",
            "steps": "stopped at the last step",
        }[self.stopped_by]
        return (
            f"{self.steps} steps in {self.seconds:.0f} s, {why}; kept step {self.best_step} "
            f"(validation NDCG@20 {self.best:.4f})."
        )
