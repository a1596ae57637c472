"""The past: windows of texts that came late, from the journal or from a file."""
