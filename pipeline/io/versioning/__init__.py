"""Memory of the work: what ran on what, and data versions, over DVC and git; the only room that knows the two."""
