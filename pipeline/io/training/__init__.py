"""What a training leaves on disk while it runs."""
