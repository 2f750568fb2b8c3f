"""Feedback: what came of what was shown. It reads the log and the impressions, and writes nothing but what it found."""
