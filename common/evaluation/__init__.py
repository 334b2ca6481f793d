"""Error rates over a split, under a paper's views."""
