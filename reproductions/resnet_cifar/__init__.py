"""ResNet on CIFAR-10 (He, Zhang, Ren and Sun, 2015, Section 4.2)."""
