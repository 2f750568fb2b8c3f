"""Clean the event log, number products and subjects, split them: what every later stage learns from."""
