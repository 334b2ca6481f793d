"""Tables for people: drawn on a terminal, plain aligned text elsewhere."""

import sys


def show(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Prints a table on stdout; columns headed ">..." are set to the right."""
    if not sys.stdout.isatty():
        print(plain(title, columns, rows))
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


def plain(title: str, columns: list[str], rows: list[list[str]]) -> str:
    """The table as text, one line a row, two spaces between columns."""
    lines = [[column.lstrip(">") for column in columns], *rows]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    sides = [str.rjust if column.startswith(">") else str.ljust for column in columns]
    text = [title] if title else []
    for cells in lines:
        places = [side(cell, n) for side, cell, n in zip(sides, cells, widths, strict=True)]
        text.append("  ".join(places).rstrip())
    return "\n".join(text)
