"""ZFNet (Zeiler and Fergus, 2013)."""
