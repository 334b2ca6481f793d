"""Tables for people: drawn on a terminal, plain aligned text elsewhere."""

import itertools
import sys
import textwrap


def show(title: str, columns: list[str], rows: list[list[str]], width: int | None = None) -> None:
    """Prints a table on stdout; columns headed ">..." are set to the right.

    Args:
        width: Of the text that is no terminal's, where long cells are to be wrapped.
    """
    if not sys.stdout.isatty():
        print(plain(title, columns, rows, width))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left")
    for column in columns:
        side = "right" if column.startswith(">") else "left"
        table.add_column(column.lstrip(">"), justify=side)
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)


def plain(title: str, columns: list[str], rows: list[list[str]], width: int | None = None) -> str:
    """The table as text, two spaces between columns; one line a row, if `width` is None.

    Else the widest columns are narrowed, and what a cell has no room for stands below, indented.
    """
    lines = [[column.lstrip(">") for column in columns], *rows]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    if width:
        while sum(widths) > width - 2 * (len(widths) - 1):
            widths[widths.index(max(widths))] -= 1
        lines = [line for cells in lines for line in _wrap(cells, widths)]
    sides = [str.rjust if column.startswith(">") else str.ljust for column in columns]
    text = [title] if title else []
    for cells in lines:
        places = [side(cell, n) for side, cell, n in zip(sides, cells, widths, strict=True)]
        text.append("  ".join(places).rstrip())
    return "\n".join(text)


def _wrap(cells: list[str], widths: list[int]) -> list[tuple[str, ...]]:
    how = {"subsequent_indent": "  ", "break_on_hyphens": False}
    parts = [textwrap.wrap(cell, room, **how) for cell, room in zip(cells, widths, strict=True)]
    return list(itertools.zip_longest(*parts, fillvalue="")) or [("",) * len(widths)]
