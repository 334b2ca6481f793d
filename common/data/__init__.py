"""The one tf.data path: catalogue, shards, transforms, batches."""
