"""Training: one loop, two methods, on one process or on a worker group."""
