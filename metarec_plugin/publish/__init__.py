"""From a fitted learner to the version that is served: bundles, the gate, promote and roll back."""
