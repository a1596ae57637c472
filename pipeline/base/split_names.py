"""The names that sources give to the sides of a split."""

import re

from pipeline.base.records import TRAIN_ONLY, SplitName

SPLIT_NAMES: dict[str, SplitName] = {
    **dict.fromkeys(("train", "training", "trainset", "trn"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev", "devel", "development", "devset"), "valid"),
    **dict.fromkeys(("test", "testing", "testset", "tst", "heldout", "holdout"), "test"),
    TRAIN_ONLY: "train",
}
# What is left out of a name: blanks, also invisible ones, signs, and a trailing "set", "split" or "data".
EDGES = re.compile(r"^[\W_]+|[\W_]+$")
TAIL = re.compile(r"(?<=\w)[\s_-]+(?:set|split|data)$")


def split_name(written: str) -> SplitName | None:
    """Return the side that a source means, None for a name that is not known."""
    name = EDGES.sub("", written.casefold())
    return SPLIT_NAMES.get(name) or SPLIT_NAMES.get(re.sub(r"[\s_-]+", "", TAIL.sub("", name)))
