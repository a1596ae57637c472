"""The base class of every section: strict, frozen, no unknown key, no default."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]
PositiveInt = Annotated[int, Field(ge=1)]
NonNegativeInt = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]


def _is_a_commit(revision: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{40}", revision):
        raise ValueError(
            "revision is no commit, so that what is read could change unseen. Write the 40 digits that its "
            "page on the hub shows under Files, History: `revision: 0123…`"
        )
    return revision


# What a branch of the hub names can change; a commit cannot.
Commit = Annotated[str, AfterValidator(_is_a_commit)]


class Section(BaseModel):
    """Reject unknown keys and later changes; a default would repeat a number of params.yaml."""

    # Labels such as 1 to 5 are strings here, and numbers to YAML.
    # What is not finite is no setting: a training would only find it out after its first step.
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        protected_namespaces=(),
        coerce_numbers_to_str=True,
        allow_inf_nan=False,
    )
