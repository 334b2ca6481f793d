"""How fast the input, the step and the start are."""
