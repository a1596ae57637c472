"""What a person asks of the data beyond their versions: remotes, and the report of a version."""
