"""Files of images: their headers, pixels, and what is wrong with them."""
