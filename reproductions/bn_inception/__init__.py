"""Batch normalization (Ioffe and Szegedy, 2015)."""
