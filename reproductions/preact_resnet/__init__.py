"""Pre-activation ResNets (He, Zhang, Ren and Sun, 2016)."""
