"""Predictions of the champion, and what the journal keeps of them."""
