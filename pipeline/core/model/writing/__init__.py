"""Models that write: a text with its answer as tokens, and the predictor that writes the answer."""
