"""Tables of the command line: fitted to a terminal; plain, unwrapped and without colour elsewhere."""

import sys
from collections.abc import Sequence

WIDE = 10_000  # no cell wraps in a file or a pipe


def table(rows: Sequence[Sequence[str]], *, header: Sequence[str] = (), indent: int = 0) -> str:
    """Align rows in columns two spaces apart, below the header if there is one."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else WIDE, color_system="auto" if terminal else None)
    grid = Table(box=None, show_header=bool(header), pad_edge=False, padding=(0, 2, 0, 0))
    for name in header or [""] * max(map(len, rows), default=0):
        grid.add_column(name, overflow="fold")
    for row in rows:
        # As text, so that brackets are no markup; without control characters, which could drive a terminal.
        grid.add_row(*(Text("".join(filter(str.isprintable, cell))) for cell in row))
    with console.capture() as capture:
        console.print(grid)
    lines = (" " * indent + line.rstrip() for line in capture.get().splitlines())
    return "\n".join(lines)
