"""The experts of a mixture by name, in the order of their columns: training writes it, adaptation reads it."""

from __future__ import annotations

import math

MAPS = ("learned", "shared", "near", "after")  # maps of products
LEARNERS = ("maml", "maml_nn")  # those that keep a vector for each subject
MOST = math.log(51)  # log(1 + k) of the longest support that the gate is made for
