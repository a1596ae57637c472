"""The journal: every prediction the service made, and the feedback it received."""
