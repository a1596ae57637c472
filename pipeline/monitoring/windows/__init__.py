"""The reports of windows: what was predicted, what is known of it, and the files they are in."""
