"""ResNeXt (Xie, Girshick, Dollar, Tu and He, 2016)."""
