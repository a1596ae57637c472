"""Models: from text to tokens, from tokens to hidden states, from these to labels."""
