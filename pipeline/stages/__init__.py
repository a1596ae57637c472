"""The stages of dvc.yaml, one file each with the same name; and their table, context and runner."""
