"""Tonewatch: watch the tone of what people write, with a model that stays right by itself."""

__version__ = "0.1.0"
