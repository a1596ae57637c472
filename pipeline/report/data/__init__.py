"""The page of a data version."""
