"""The page of runs for a browser."""
