"""The stages of dvc.yaml, one file each and of the same name; beside them their table, their context and their runner."""
