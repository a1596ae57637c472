"""Params files of earlier versions: keys that were added or renamed since."""
