"""Weights that are trained, shipped or imported, and what they are fed."""
