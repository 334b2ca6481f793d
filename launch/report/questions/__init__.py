"""Comparisons of runs that answer a question of a paper."""
