"""What the papers share; knows no paper."""

import os

# Keras 3 takes its backend from ~/.keras/keras.json; the suite is TensorFlow's.
os.environ["KERAS_BACKEND"] = "tensorflow"
