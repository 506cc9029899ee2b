"""A generation in the making: what, with the mathematics and the data, decides its bytes."""
