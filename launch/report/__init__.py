"""results.md, the papers' pages and pictures, from recorded rows."""
