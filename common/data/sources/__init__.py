"""Where examples come from: TFDS records, folders, files, a sample."""
