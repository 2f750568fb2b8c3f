"""The arrays that each kind of bundle holds: their names, types and shapes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from metarec_plugin.exceptions import BundleError
from metarec_plugin.publish.values import PRIOR_GROUPS, check_values

# Sizes are letters: N products, K calibrated support sizes, n entries kept of a row, d dimensions, T steps,
# e dimensions of inputs, h hidden ones, R ages,
# G numbers of a gain, C products of contrast, P steps and L layers of a network with O outputs.
Layout = Mapping[str, tuple[str, tuple[str, ...]]]

_COMMON: Layout = {
    "product_keys": ("S", ("N",)),
    "log_prior": ("f4", ("N",)),
    "calibration_k": ("f4", ("K",)),
    "calibration_scale": ("f4", ("K",)),
    "calibration_prior": ("f4", ("K",)),
}
_GRADIENT: Layout = {
    **_COMMON,
    "vectors": ("f4", ("N", "d")),
    "bias": ("f4", ("N",)),
    "start": ("f4", ("d",)),
    "step_sizes": ("f4", ("T", "d")),
    "growth": ("f4", ("T", "d")),
    "start_gradient": ("f4", ("d",)),
}
# What a worker adapts whole; a web process answers from its head, which is of the gradient kind.
_NETWORK: Layout = {
    **_GRADIENT,
    "contrast": ("i4", ("C",)),
    "hidden_weights": ("f4", ("h", "d")),
    "hidden_bias": ("f4", ("h",)),
    "output_weights": ("f4", ("h",)),
    "output_bias": ("f4", ("O",)),
    "network_steps": ("f4", ("P", "L")),
    "network_gain": ("f4", ("G",)),
}
LAYOUTS: dict[str, Layout] = {
    "popularity": _COMMON,
    "linear": {
        **_COMMON,
        "offset": ("f4", ("N",)),
        "row_products": ("i4", ("N", "n")),
        "row_values": ("f4", ("N", "n")),
        "power": ("f4", ()),
    },
    "gradient": _GRADIENT,
    "network": _NETWORK,
    "amortised": {
        **_COMMON,
        "vectors": ("f4", ("N", "d")),
        "bias": ("f4", ("N",)),
        "step_sizes": ("f4", ("T", "d")),  # a step of all 0 is none
        "growth": ("f4", ("T", "d")),
        "inputs": ("f4", ("N", "e")),
        "attention": ("f4", ("e",)),
        "recency": ("f4", ("R",)),
        "gain": ("f4", ("G",)),
        "skip": ("f4", ("e", "d")),
        "hidden": ("f4", ("e", "h")),
        "hidden_size": ("f4", ("h",)),
        "hidden_bias": ("f4", ("h",)),
        "output": ("f4", ("h", "d")),
        "output_bias": ("f4", ("d",)),
    },
}

# Of a mixture. M maps, D decays, W weights of experts, I inputs of the gate.
LAYOUTS["mixture"] = {
    **_COMMON,
    "maps.products": ("i4", ("N", "n")),
    "maps.values": ("f2", ("N", "M", "n")),
    "maps.deviations": ("f4", ("N", "M")),
    "maps.decays": ("f4", ("D",)),
    "gate.weights": ("f4", ("I", "W")),
    "gate.centre": ("f4", ()),
    "gate.spread": ("f4", ()),
}

# What a learner of a large catalogue may hold besides, all of it or nothing: its products in C cells.
CELLS: Layout = {
    "cell_of": ("i4", ("N",)),
    "cell_vectors": ("f4", ("C", "d")),
    "cell_bias": ("f4", ("C",)),
}


def _inside(prefix: str, kind: str) -> Layout:
    """The arrays of a kind under a prefix, with sizes of their own but for N."""
    own = {name: each for name, each in LAYOUTS[kind].items() if name not in _COMMON}
    return _under(prefix, own)


def _under(prefix: str, layout: Layout) -> Layout:
    return {
        f"{prefix}.{name}": (dtype, tuple(size if size == "N" else f"{prefix}.{size}" for size in shape))
        for name, (dtype, shape) in layout.items()
    }


# The experts that not every mixture has, each whole or not at all: S snapshots of H half-lives, and learners.
_EXPERTS: tuple[Layout, ...] = (
    {"trend.days": ("f4", ("S",)), "trend.scores": ("f4", ("S", "H", "N"))},
    _inside("maml", "gradient"),
    _inside("maml_nn", "amortised"),
    _under("maml", CELLS),
    _under("maml_nn", CELLS),
)

# What a bundle of any kind may hold besides, all of it or nothing: how products that it does not know are placed.
# F tokens, c dimensions, x features that are numbers, b borders of bands, m tokens kept of a product, w weights.
CONTENT: Layout = {
    "content.token_ids": ("i4", ("F",)),
    "content.token_weights": ("f4", ("F",)),
    "content.token_scales": ("f4", ("F",)),
    "content.token_vectors": ("f4", ("F", "c")),
    "content.token_priors": ("f4", ("F",)),
    "content.prior": ("f4", ()),
    "content.edges": ("f4", ("x", "b")),
    "content.vectors": ("f4", ("N", "c")),
    "content.sketch_places": ("i4", ("N", "m")),
    "content.sketch_weights": ("f4", ("N", "m")),
    "content.gate": ("f4", ("w",)),
    "content.evidence": ("f4", ("c", "c")),
    "content.patience": ("f4", ()),
}

# And, each group all or nothing: what a shopper's declared features and the moment say of every product. R rows, one
# for each value: of a category its text, of a number's band no text and the band's upper edge. E entries, K k's.


def _priors(group: str) -> Layout:
    return {
        f"{group}.fields": ("S", (f"{group}.R",)),
        f"{group}.values": ("S", (f"{group}.R",)),
        f"{group}.uppers": ("f4", (f"{group}.R",)),
        f"{group}.indptr": ("i4", (f"{group}.R + 1",)),
        f"{group}.products": ("i4", (f"{group}.E",)),
        f"{group}.ratios": ("f4", (f"{group}.E",)),
        f"{group}.fading_k": ("f4", (f"{group}.K",)),
        f"{group}.fading": ("f4", (f"{group}.K",)),
    }


# Beside any kind too: how likely the next product is one that the shopper already has, at each of Q sizes of a past.
REPEATS: Layout = {
    "repeat.k": ("f4", ("Q",)),
    "repeat.share": ("f4", ("Q",)),
    "repeat.decay": ("f4", ("Q",)),
    "repeat.rest": ("f4", ("Q",)),
    "repeat.power": ("f4", ("Q",)),
    "repeat.propensity": ("f4", ("N",)),
}

# And what is bought in one go with each product, best first: filled up with product 0 of value 0.
TOGETHER: Layout = {
    "together.products": ("i4", ("N", "together.n")),
    "together.values": ("f4", ("N", "together.n")),
}


def layout_of(kind: str) -> Layout:
    if kind not in LAYOUTS:
        raise BundleError(
            f"A bundle is of kind {', '.join(sorted(LAYOUTS))}; found {kind!r}. "
            "It was made by another version of the plugin: train again, or upgrade."
        )
    return LAYOUTS[kind]


def conform(kind: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays in the types of the layout, C-ordered. Raises BundleError as `check_arrays` does."""
    converted = {}
    for name, (dtype, _) in _layout(kind, arrays).items():
        if name not in arrays:
            continue  # check_arrays names it
        array = np.asarray(arrays[name])
        wanted = array.dtype if dtype == "S" else np.dtype(dtype)
        if array.dtype.kind not in ("S" if dtype == "S" else "fiu"):
            raise BundleError(f"Array {name!r} must hold {_words(dtype)}; found dtype {array.dtype}.")
        converted[name] = np.require(array.astype(wanted, copy=False), requirements="C")
    converted |= {name: np.asarray(array) for name, array in arrays.items() if name not in converted}
    check_arrays(kind, converted)
    check_values(converted)
    return converted


def check_arrays(kind: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Compare names, types and shapes with the layout, reading no data. Raises BundleError."""
    layout = _layout(kind, arrays)
    if set(arrays) != set(layout):
        raise BundleError(
            f"A bundle of kind {kind!r} holds the arrays {sorted(layout)}; "
            f"missing {sorted(set(layout) - set(arrays))}, not known {sorted(set(arrays) - set(layout))}."
        )
    sizes: dict[str, int] = {}
    for name, (dtype, shape) in layout.items():
        array = arrays[name]
        right_type = array.dtype.kind == "S" if dtype == "S" else array.dtype == np.dtype(dtype)
        if not right_type or array.ndim != len(shape):
            raise BundleError(
                f"Array {name!r} must hold {_words(dtype)} in {len(shape)} dimensions; "
                f"found {array.dtype} of shape {array.shape}."
            )
        for letter, size in zip(shape, array.shape):
            if sizes.setdefault(letter, size) != size or size == 0:
                raise BundleError(
                    f"Array {name!r} has shape {array.shape}; by the arrays before it {letter} should be "
                    f"{sizes[letter] or 'at least 1'}."
                )


def _layout(kind: str, arrays: Mapping[str, np.ndarray]) -> Layout:
    """The layout of a kind, with each optional group of which there is an array."""
    groups = (
        CONTENT,
        REPEATS,
        TOGETHER,
        *map(_priors, PRIOR_GROUPS),
        *(_EXPERTS if kind == "mixture" else ()),
        *((CELLS,) if kind in ("gradient", "amortised") else ()),
    )
    layout = dict(layout_of(kind))
    for group in groups:
        if not group.keys().isdisjoint(arrays):
            layout |= group
    return layout


def _words(dtype: str) -> str:
    words = {"S": "byte strings", "f2": "16-bit floats", "f4": "32-bit floats", "i4": "32-bit integers"}
    return words[dtype]
