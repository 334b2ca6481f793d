"""Tables for people: drawn on a terminal, plain aligned text elsewhere."""

import sys


def show(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Prints a table on stdout; columns headed ">..." are set to the right."""
    if sys.stdout.isatty():
        _draw(title, columns, rows)
    else:
        print(plain(title, columns, rows))


def plain(title: str, columns: list[str], rows: list[list[str]]) -> str:
    """The table as text, one line a row, two spaces between columns."""
    lines = [[column.lstrip(">") for column in columns], *rows]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    right = [column.startswith(">") for column in columns]

    def line(cells: list[str]) -> str:
        places = zip(cells, widths, right, strict=True)
        return "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width) for cell, width, to_right in places
        ).rstrip()

    head = [title] if title else []
    return "\n".join([*head, *map(line, lines)])


def _draw(title: str, columns: list[str], rows: list[list[str]]) -> None:
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
