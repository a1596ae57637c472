"""The base of every section: strict, frozen, no unknown key, no default."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]
PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """Refuse unknown keys and later changes; a default would be a second home for a number."""

    # Labels such as 1 to 5 are words to us, and numbers to YAML.
    model_config = ConfigDict(
        extra="forbid", frozen=True, protected_namespaces=(), coerce_numbers_to_str=True
    )
