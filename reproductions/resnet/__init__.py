"""ResNet on ImageNet (He, Zhang, Ren and Sun, 2015)."""
