"""What a step reads: batches of texts, texts packed side by side, and masked words."""
