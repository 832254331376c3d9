"""A long output in parts, which several processes write, and which are joined when all are there.

A part is whole or not there, so a job that is begun again goes on where it was stopped, with as many
processes as it has then.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from translate.errors import InputError


class Parts:
    """The parts of an output, in a folder beside it.

    Args:
        out: the whole.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.folder = out.with_name(f"{out.name}.parts")

    def begin(self, job: Mapping[str, Any]) -> None:
        """Make the folder, unless it is there for the same job.

        Args:
            job: all that the output depends on, as JSON has it.

        Raises:
            InputError: it is there for another one.
        """
        about = self.folder / "job.json"
        text = json.dumps(job, indent=2) + "\n"
        self.folder.mkdir(exist_ok=True)
        if not about.is_file():
            aside = about.with_suffix(".new")
            aside.write_text(text, encoding="utf-8")
            aside.replace(about)
        elif about.read_text(encoding="utf-8") != text:
            raise InputError(
                f"{self.folder} has parts of another text, model or settings (see {about.name} in it): "
                "remove it, or give another --out"
            )

    def has(self, number: int) -> bool:
        """Whether this part is there."""
        return self._path(number).is_file()

    @contextmanager
    def open(self, number: int) -> Iterator[TextIO]:
        """Open a part to be written; it is there when the block ends without an error."""
        aside = self._path(number).with_suffix(".new")
        with aside.open("w", encoding="utf-8", newline="\n") as stream:
            yield stream
        aside.replace(self._path(number))

    def join(self, count: int) -> None:
        """Make the output of so many parts, and remove them."""
        whole = self.folder / "whole.new"
        with whole.open("wb") as out:
            for number in range(count):
                with self._path(number).open("rb") as part:
                    shutil.copyfileobj(part, out)
        whole.replace(self.out)
        shutil.rmtree(self.folder)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:08d}"
