"""Merchant's rules: sentences, conflicts, calendar."""
