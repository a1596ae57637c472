"""Predictions of the champion, and what the journal stores of them."""
