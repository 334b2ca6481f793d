"""The training loop: one step, many steps, checkpoints, the record."""
