"""LeNet-5 (LeCun, Bottou, Bengio and Haffner, 1998), as published."""
