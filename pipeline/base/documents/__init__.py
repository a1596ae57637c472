"""The documents that are stored or cross a layer, as types: which keys each holds, and what they mean."""
