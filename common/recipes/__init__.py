"""What a paper trains with: its recipe, losses and schedules."""
