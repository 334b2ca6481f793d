"""What the papers state, and whether the networks agree."""
