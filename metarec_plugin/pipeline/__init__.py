"""The whole flow, one call a stage: from the event log to a promoted version."""
