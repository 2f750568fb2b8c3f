"""The shop's pages, one module for each thing that a visitor does."""
