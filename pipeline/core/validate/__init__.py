"""Whether the data may be used: expectations of all of it, and leaks between the sides of the split."""
