"""Changed copies of training texts: what people type otherwise, and what a language model expects."""
