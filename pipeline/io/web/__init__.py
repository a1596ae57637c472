"""What is read from the web, under guard: addresses, caps, ends, and what is kept of it."""
