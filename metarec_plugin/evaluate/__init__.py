"""The few-shot protocol, its metrics, the tuned baselines and the report."""
