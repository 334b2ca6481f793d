"""Searches over a recipe's fields."""
