"""Whether a bundle fits the storefront: no process serves one that was made with other features."""

from __future__ import annotations

import json

from metarec_plugin.exceptions import BundleError
from metarec_plugin.publish.bundle import Bundle
from metarec_plugin.storefront import get_storefront


def require_same_features(bundle: Bundle) -> None:
    """Raise BundleError if the storefront declares other features than those the bundle was made with."""
    made_with, declared = bundle.manifest["feature_schema"], get_storefront().feature_schema()
    if json.dumps(made_with, sort_keys=True) != json.dumps(declared, sort_keys=True):
        raise BundleError(
            f"Bundle {bundle.version} was made with the features {made_with}; the mapping changed since, and the "
            f"storefront declares {declared}. Train again (manage.py metarec_train), or restore the mapping."
        )
