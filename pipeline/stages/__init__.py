"""The stages of dvc.yaml, one file each with the same name; their table, context and runner.

`training` holds what those that train read.
"""
