"""Files with codes in clear: readable by their owner only, and under their name only when all is done."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO
from typing import Any

MODE = 0o600


class PrivateFiles:
    """Files being written as `NAME.part`; `publish` gives all of them their names, anything else removes them."""

    def __init__(self) -> None:
        self._parts: dict[Path, Path] = {}

    def __enter__(self) -> "PrivateFiles":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for part in self._parts.values():
            part.unlink(missing_ok=True)

    def claim(self, path: Path) -> Path:
        """Make an empty file nobody else can read and return where to write it."""
        part = path.with_name(f"{path.name}.part")
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, MODE))
        self._parts[path] = part
        return part

    @contextmanager
    def open(self, path: Path, **options: Any) -> Iterator[IO[str]]:
        """A text file to write to."""
        with self.claim(path).open("w", **options) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())

    def publish(self) -> tuple[Path, ...]:
        """Give every file its name."""
        for path, part in self._parts.items():
            part.replace(path)
        published = tuple(self._parts)
        self._parts.clear()
        return published
