"""The plugin's own pages: what browsers report, late lists, and what a shopper may see and say of their own."""
