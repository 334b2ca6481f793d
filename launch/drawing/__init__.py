"""Networks and photographs as pictures."""
