"""the_paper (TODO authors, year)."""
