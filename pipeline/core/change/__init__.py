"""Changes in service: what a topic's windows were like in its first weeks, and since when they differ."""
