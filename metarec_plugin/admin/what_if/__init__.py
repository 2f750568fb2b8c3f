"""The what-if bench: what a shopper will see, and why."""
