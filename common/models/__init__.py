"""Networks: layers, their cost and graph, and weights from elsewhere."""
