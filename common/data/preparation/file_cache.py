"""Answers that took long, noted beside the work for a command run again."""

import hashlib
import json
import pathlib
from collections.abc import Callable
from typing import Any

from common.files import write_atomically


class FileCache:
    """JSON-able answers about files, in a folder, until the files change."""

    def __init__(self, folder: pathlib.Path):
        self._folder = folder

    def get(self, question: str, file: pathlib.Path) -> Any:
        """The answer; None if there is none for the file as it is now."""
        try:
            return json.loads(self._place(question, file).read_bytes())
        except (FileNotFoundError, ValueError):
            return None

    def put(self, question: str, file: pathlib.Path, answer: Any) -> None:
        """Notes an answer."""
        data = json.dumps(answer).encode()
        place = self._place(question, file)
        write_atomically(place, lambda opened: opened.write(data))

    def _place(self, question: str, file: pathlib.Path) -> pathlib.Path:
        state = file.stat()
        key = [question, str(file), state.st_size, state.st_mtime_ns]
        digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()
        return self._folder / f"kept-{digest[:32]}.json"


def md5(path: pathlib.Path, progress: Callable[[int, int], None]) -> str:
    """The md5 sum of a file; `progress(MB done, MB in all)`."""
    digest, done, total = hashlib.md5(), 0, path.stat().st_size
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(2**24):
            digest.update(piece)
            done += len(piece)
            progress(done // 10**6, total // 10**6)
    return digest.hexdigest()
