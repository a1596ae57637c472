"""Compression: smaller and faster variants of the fine-tuned model."""
