"""What was asked for: options, and changes to a recipe."""
