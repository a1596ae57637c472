"""Explain a prediction: how much each word of a text speaks for the label."""
