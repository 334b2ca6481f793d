"""One start of a training: its plan, its devices, its record."""
