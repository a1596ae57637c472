"""Models: tokenizer, encoder, heads, and the predictor that serves."""
