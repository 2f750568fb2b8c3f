"""The dashboard: is it working, is it better than before, what to do next."""
