"""The base of every section: strict, frozen, no unknown key, no default."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Refuse unknown keys and later changes; a default would be a second home for a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())
