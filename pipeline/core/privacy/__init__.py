"""Personal data: finding it in a text and masking it."""
