"""Meta-training: learners that fit on episodes of training shoppers and export arrays. Worker-side: brings torch."""

from metarec_plugin.train.fitted import Fitted
from metarec_plugin.train.learners import fit

__all__ = ["Fitted", "fit"]
