"""Declared features as codes and floats, fitted on the training side only."""
