"""Model files, signatures, API keys and sessions."""
