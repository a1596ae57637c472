"""What a row goes through before it is stored: handed in, since io knows no core."""

from collections.abc import Callable
from dataclasses import dataclass


def _same(text: str) -> str:
    return text


def _never(_name: str, _text: str) -> bool:
    return False


@dataclass(frozen=True)
class Keeping:
    """How rows of the web are brought into the form in which they may be stored.

    `text` cleans and masks a text, `person` puts a digest in place of a name that is an address or a handle,
    and `forgotten` tells by id and text what must not come back. `form` names all three.
    """

    form: str
    text: Callable[[str], str]
    person: Callable[[str], str]
    forgotten: Callable[[str, str], bool]


# For tables without people: nothing is masked.
AS_IT_IS = Keeping("as it is", _same, _same, _never)
