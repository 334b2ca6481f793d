"""The TOML files of rows that the program writes and people read."""

import dataclasses
import json
import pathlib
from typing import Any

import tomli

from common.errors import RunError
from common.files import update_text


@dataclasses.dataclass(frozen=True, kw_only=True)
class RowFile:
    """A file of `[[kind]]` tables, in the order of their keys.

    Attributes:
        key: Fields. Rows that agree in them are one measurement: the later
            one stays.
        header: Comments, at the beginning of the file.
    """

    path: pathlib.Path
    kind: str
    key: tuple[str, ...]
    header: str

    def read(self) -> list[dict[str, Any]]:
        """The rows; none if there is no file.

        Raises:
            RunError: if the file is damaged.
        """
        if not self.path.exists():
            return []
        try:
            return tomli.loads(self.path.read_text(encoding="utf-8")).get(self.kind, [])
        except (OSError, ValueError) as error:
            raise RunError(f"{self.path} cannot be read: {error}.") from error

    def add(self, rows: list[dict[str, Any]]) -> bool:
        """Writes rows, each in place of its older self; whether that changed the file."""
        kept = {self.key_of(row): row for row in (*self.read(), *rows)}
        parts = [self.header]
        for key in sorted(kept):
            # JSON's strings, finite numbers and lists of them are TOML's too. tomli_w would
            # give each of a curve's numbers a line of its own: three times as many lines.
            lines = (
                f"{name} = {json.dumps(value, ensure_ascii=False, allow_nan=False)}\n"
                for name, value in kept[key].items()
            )
            parts.append(f"[[{self.kind}]]\n{''.join(lines)}")
        return update_text(self.path, "\n".join(parts))

    def key_of(self, row: dict[str, Any]) -> tuple:
        """What tells the row from others."""
        values = (row[name] for name in self.key)
        return tuple(tuple(value) if isinstance(value, list) else value for value in values)
