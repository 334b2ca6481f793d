"""Pictures for the pages, as SVG."""
