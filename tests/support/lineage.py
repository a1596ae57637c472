"""Which fields of a release record say what it was made from."""

LINEAGE = {
    "release",
    "created",
    "actor",
    "reason",
    "data_version",
    "model_version",
    "code_commit",
    "params_digest",
}
