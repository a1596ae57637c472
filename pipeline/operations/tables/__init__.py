"""What a table of one's own holds, and a workspace that reads it."""
