"""What the answers say of the world, and how sure that is."""
