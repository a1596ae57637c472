"""Security: what a model may be made of, and whose it is."""
