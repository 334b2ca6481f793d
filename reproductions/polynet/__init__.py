"""PolyNet (Zhang, Li, Loy and Lin, 2016)."""
