"""What trained networks are asked: error rates, classes, a model to serve."""
