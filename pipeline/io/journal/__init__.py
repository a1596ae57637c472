"""The journal: every prediction of the service, and the feedback it received."""
