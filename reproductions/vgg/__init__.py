"""VGG, configurations A to E (Simonyan and Zisserman, 2014)."""
