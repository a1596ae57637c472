"""Tables that are larger than memory: in batches, by all cores, in the same order and bytes."""
