"""Cells that a spreadsheet would evaluate as a formula, and how they are written as text."""

import re

# As OWASP lists them for CSV injection. One character alone is evaluated by no spreadsheet, a number is no
# formula, and one quote is added to quotes before a formula too, so that the first quote can be taken away.
FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠].", re.DOTALL)
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def inert(cell: str) -> str:
    """Return a cell with a quote before it where a spreadsheet would evaluate it, else unchanged."""
    return f"'{cell}" if FORMULA.match(cell) and not NUMBER.fullmatch(cell) else cell
