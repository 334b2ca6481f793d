"""From downloads to record files that TFDS reads, and how they are checked."""
