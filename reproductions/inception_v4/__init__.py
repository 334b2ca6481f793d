"""Inception-v4 and Inception-ResNet (Szegedy et al., 2016)."""
