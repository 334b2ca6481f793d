"""GoogLeNet (Szegedy et al., 2014)."""
