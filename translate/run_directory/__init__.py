"""A run directory: all that translating, aligning and resuming need; only this package touches it."""

import csv
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from translate.config import Config
from translate.config_files import dump_config, load_config
from translate.errors import InputError
from translate.whole_files import aside, sha256_of, sync, write_whole

if TYPE_CHECKING:
    import torch

    from translate.model import Seq2Seq
    from translate.tokenizer import Tokenizers

MADE_BY = "a run directory is made by `seq2see train --out DIR`"
# Of weights: another number when the same ones come to mean something else to the model. Those without
# any are older than the present rotary positions, which turn pairs of neighbouring units.
FORMAT = "2"


class RunDirectory:
    """One run's folder.

    Args:
        path: where it is; `create` makes a new one, `open` checks an old one.
    """

    # What translating needs, by name, and what may lie beside it: all that is passed on.
    NEEDED = ("config.yaml", "model.safetensors", "tokenizer.model", "src.model", "tgt.model")
    PORTABLE = (
        *NEEDED,
        "alignment.json",
        "alignment_backwards.json",
        "summary.json",
        "README.md",
        "files.json",
    )

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config_path = path / "config.yaml"
        self.weights_path = path / "model.safetensors"
        self.initial_path = path / "initial.safetensors"
        self.alignment_path = path / "alignment.json"
        self.backwards_alignment_path = path / "alignment_backwards.json"
        self.export_path = path / "ctranslate2"
        self.onnx_path = path / "onnx"
        self.hub_path = path / "hub"
        self.files_path = path / "files.json"
        self.checkpoint_path = path / "last.ckpt"
        self.previous_checkpoint_path = path / "previous.ckpt"
        self.checksums_path = path / "checksums.json"
        self.metrics_path = path / "metrics.csv"
        self.summary_path = path / "summary.json"
        self.evaluation_path = path / "evaluation.json"
        self.tuning_path = path / "tuning.json"
        self.card_path = path / "README.md"
        self.data_path = path / "data.json"
        self.bad_batch_path = path / "bad_batch.safetensors"
        self.ids_path = path / "ids"
        self.links_path = path / "ids" / "links.arrow"
        self.text_path = path / "ids" / "text.arrow"
        self.windows_path = path / "windows"
        self.windows_file = path / "windows.json"
        self.snapshots_path = path / "snapshots"
        self.valid_src_path = path / "valid.src"
        self.valid_tgt_path = path / "valid.tgt"
        self.back_translated_src_path = path / "back_translated.src"
        self.back_translated_tgt_path = path / "back_translated.tgt"
        self.old_valid_src_path = path / "old_valid.src"
        self.old_valid_tgt_path = path / "old_valid.tgt"

    @classmethod
    def create(cls, path: str | Path, prepare: Callable[["RunDirectory"], None]) -> "RunDirectory":
        """Make a run directory whole or not at all: `prepare` fills it under another name.

        Raises:
            InputError: there is something at `path` already.
        """
        path = Path(path)
        if path.name in ("", ".."):  # such as "."
            path = path.resolve()
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise InputError(
                f"{path} exists and is not empty: nothing is overwritten. Give another --out, or go on with "
                f"`seq2see train --resume {path}`"
            )
        unfinished = path.with_name(path.name + ".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        try:
            prepare(cls(unfinished))
            if path.exists():
                path.rmdir()
            unfinished.rename(path)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        return cls(path)

    @classmethod
    def open(cls, path: str | Path) -> "RunDirectory":
        """Open an existing one.

        Raises:
            InputError: there is none at `path`.
        """
        run = cls(Path(path))
        if not run.path.is_dir():
            raise InputError(f"{path}: no such run directory; {MADE_BY}")
        if not run.config_path.is_file():
            raise InputError(f"{path} has no config.yaml, so it is no run directory; {MADE_BY}")
        return run

    # Settings and tokenizers

    @cached_property
    def config(self) -> Config:
        """The settings of the run, read once."""
        return load_config(self.config_path)

    def save_config(self, config: Config, note: str = "") -> None:
        """Write the settings, below a note for people."""
        write_whole(self.config_path, ((f"# {note}\n" if note else "") + dump_config(config)).encode())
        self.config = config

    def tokenizers(self) -> "Tokenizers":
        """Load the tokenizer of both sides, or each side's."""
        from translate.tokenizer import Tokenizer, Tokenizers

        both = self.path / "tokenizer.model"
        if both.is_file():
            tokenizer = Tokenizer.load(both)
            return Tokenizers(tokenizer, tokenizer)
        if not (self.path / "src.model").is_file():
            raise InputError(f"{self.path} has no tokenizer.model: the run directory is incomplete")
        return Tokenizers(Tokenizer.load(self.path / "src.model"), Tokenizer.load(self.path / "tgt.model"))

    def save_tokenizers(self, tokenizers: "Tokenizers") -> None:
        """Write the tokenizer of both sides, or each side's."""
        if tokenizers.src is tokenizers.tgt:
            tokenizers.src.save(self.path / "tokenizer.model")
        else:
            tokenizers.src.save(self.path / "src.model")
            tokenizers.tgt.save(self.path / "tgt.model")

    # Weights to translate with

    def build_model(self, tokenizers: "Tokenizers") -> "Seq2Seq":
        """Build the run's model with fresh weights."""
        from translate.model import build_model

        sizes = len(tokenizers.src), len(tokenizers.tgt)
        return build_model(self.config.model, *sizes, joint=tokenizers.joint)

    def save_weights(self, model: "Seq2Seq", tokenizers: "Tokenizers") -> None:
        """Write the weights, with the hash of the tokenizers that they were trained with."""
        from safetensors import SafetensorError
        from safetensors.torch import save_model

        with aside(self.weights_path) as new:
            try:
                # save_model, not save_file: tied weights share memory.
                metadata = {"tokenizers": fingerprint(tokenizers), "format": FORMAT}
                save_model(model, str(new), metadata=metadata)
            except SafetensorError as error:
                raise OSError(None, str(error), str(self.weights_path)) from error
            shutil.copymode(self.config_path, new)  # safetensors lets nobody else read it

    def load_model(self, device: "str | torch.device" = "cpu") -> "Seq2Seq":
        """Load the trained model, ready to translate.

        Raises:
            InputError: no weights yet, damaged weights, weights of another model, tokenizer or format.
        """
        self.need_weights()
        tokenizers = self.tokenizers()
        model = self.build_model(tokenizers)
        self._load(self.weights_path, model, tokenizers)
        return model.to(device).eval()

    def save_initial(self, other: "RunDirectory") -> None:
        """Keep another run's weights to begin with; its tokenizers are here already."""
        shutil.copyfile(other.weights_path, self.initial_path)
        sync(self.initial_path)

    def load_initial(self, model: "Seq2Seq", tokenizers: "Tokenizers") -> None:
        """Give a model the weights that training begins with.

        Raises:
            InputError: they are damaged, or of another model, tokenizer or format.
        """
        self._load(self.initial_path, model, tokenizers)

    def _load(self, path: Path, model: "Seq2Seq", tokenizers: "Tokenizers") -> None:
        from safetensors import SafetensorError
        from safetensors.torch import load_model

        try:
            metadata = _read_metadata(path)
            if metadata.get("tokenizers") != fingerprint(tokenizers):
                raise InputError(
                    f"{path} was trained with another tokenizer than the one in {self.path}: "
                    "the two belong together; restore both from the same run"
                )
            self._check_format(path, metadata)
            load_model(model, str(path))
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path} is damaged ({error}): restore it or train again") from None
        except RuntimeError:
            raise InputError(
                f"{path} does not fit the model in {self.config_path}: the two belong together"
            ) from None

    @staticmethod
    def _check_format(path: Path, about: Mapping[str, Any]) -> None:
        if about.get("format") != FORMAT:
            raise InputError(
                f"{path} is of format {about.get('format', 1)}, but this version of seq2see computes with "
                f"format {FORMAT}: train again, or use the version that the run was trained with"
            )

    def weights_written(self) -> int:
        """When the weights were written, in nanoseconds; InputError if there are none yet."""
        self.need_weights()
        return self.weights_path.stat().st_mtime_ns

    def written(self) -> tuple[int | None, ...]:
        """When each file that translating and aligning read was written, in nanoseconds, or None."""
        needed = [self.path / name for name in self.NEEDED]
        chosen = [self.alignment_path, self.backwards_alignment_path]
        paths = [*needed, *chosen, self.export_path]  # a folder, but always made anew
        return tuple(path.stat().st_mtime_ns if path.exists() else None for path in paths)

    def weights_sha256(self) -> str:
        """The hash of the weights, to know them by; InputError if there are none yet."""
        self.need_weights()
        return sha256_of(self.weights_path)

    def need_weights(self) -> None:
        """Raise InputError if there are no weights to translate with yet."""
        if not self.weights_path.is_file():
            raise InputError(
                f"{self.path} has no model.safetensors: training has not come to its first validation; go on "
                f"with `seq2see train --resume {self.path}`"
            )

    # Checksums of a run that is passed on

    def save_checksums(self) -> None:
        """Write down the checksums of the files that translating needs."""
        there = [name for name in self.NEEDED if (self.path / name).is_file()]
        self.save_json(self.files_path, {"sha256": {name: sha256_of(self.path / name) for name in there}})

    def check_files(self) -> None:
        """Compare the files with their checksums, if these were written down.

        Raises:
            InputError: a file is missing or another one, or the list names what is no file of a model.
        """
        if not self.files_path.is_file():
            return
        try:
            known = {
                str(name): str(checksum)
                for name, checksum in self.read_json(self.files_path)["sha256"].items()
            }
        except (ValueError, TypeError, KeyError, AttributeError):
            raise InputError(f"{self.files_path} is damaged: get the model anew") from None
        for name, checksum in known.items():
            if name not in self.NEEDED:  # such as ../../secret
                raise InputError(
                    f"{self.files_path} names {name!r}, which is no file of a model: do not use it"
                )
            if not (self.path / name).is_file():
                raise InputError(f"{self.path / name} is missing: get the model anew")
            if sha256_of(self.path / name) != checksum:
                raise InputError(
                    f"{self.path / name} is damaged (not as {self.files_path.name} says): get the model anew"
                )

    # Links of the training pairs

    def save_links(self, write: Callable[[Path], None]) -> None:
        """Make the links what `write` writes to its argument: the whole file at any moment, or none."""
        with aside(self.links_path) as new:
            write(new)

    def window_path(self, number: int) -> Path:
        """Where a window's folder is, if it is there."""
        return self.windows_path / str(number)

    # Text of the training pairs

    def text_sha256(self) -> str:
        """The hash of the training text that is kept for drawing pieces."""
        return sha256_of(self.text_path)

    def check_text(self) -> None:
        """Raise InputError if the training text is not the one that training began with."""
        if (
            not self.text_path.is_file()
            or self.text_sha256() != self.read_json(self.data_path)["text_sha256"]
        ):
            raise InputError(
                f"{self.text_path} is missing or damaged (not as {self.data_path.name} says), but pieces are "
                "drawn from it; restore it, or train again"
            )

    # Logs and results

    def append_metrics(self, row: Mapping[str, object]) -> None:
        """Add a row to metrics.csv; every row has the same keys, `step` first."""
        new = not self.metrics_path.is_file()
        with self.metrics_path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(row), lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerow(row)
            file.flush()
            os.fsync(file.fileno())  # before the checkpoint of this step is

    def read_metrics(self) -> list[dict[str, str]]:
        """The rows of metrics.csv."""
        if not self.metrics_path.is_file():
            return []
        with self.metrics_path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def truncate_metrics(self, step: int) -> None:
        """Drop the rows after `step`: the resumed run will write them again."""
        if self.metrics_path.is_file():
            head, *rows = self.metrics_path.read_bytes().split(b"\n")[:-1]  # without a half-written last one
            kept = [row for row in rows if int(row.partition(b",")[0]) <= step]
            write_whole(self.metrics_path, b"".join(row + b"\n" for row in [head, *kept]))

    def save_batch(self, tensors: "Mapping[str, torch.Tensor]") -> None:
        """Keep the batch that training stopped at."""
        from safetensors.torch import save

        write_whole(self.bad_batch_path, save(dict(tensors)))

    def save_valid(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Keep the validation text, so that a resumed run needs nothing else."""
        write_whole(self.valid_src_path, "".join(f"{src}\n" for src, _ in pairs).encode())
        write_whole(self.valid_tgt_path, "".join(f"{tgt}\n" for _, tgt in pairs).encode())

    def save_back_translated(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Keep the pairs that were made of monolingual text, to look at: training has their ids."""
        src, tgt = zip(*pairs, strict=True)
        write_whole(self.back_translated_src_path, "".join(f"{line}\n" for line in src).encode())
        write_whole(self.back_translated_tgt_path, "".join(f"{line}\n" for line in tgt).encode())

    def save_old_valid(self, other: "RunDirectory") -> None:
        """Keep another run's validation text, if it has some, to see what is forgotten of it."""
        if other.valid_src_path.is_file() and other.valid_tgt_path.is_file():
            shutil.copyfile(other.valid_src_path, self.old_valid_src_path)
            shutil.copyfile(other.valid_tgt_path, self.old_valid_tgt_path)

    def read_old_valid(self) -> tuple[list[str], list[str]] | None:
        """What `save_old_valid` kept, source and target."""
        if not self.old_valid_src_path.is_file():
            return None
        return _read_lines(self.old_valid_src_path), _read_lines(self.old_valid_tgt_path)

    def read_valid(self) -> tuple[list[str], list[str]]:
        """The validation text, source and target."""
        return _read_lines(self.valid_src_path), _read_lines(self.valid_tgt_path)

    def check_resumable(self) -> None:
        """Raise InputError when what training needs besides a checkpoint is missing, or of another format."""
        pairs = self.windows_file if self.config.data.window else self.ids_path
        for path in (pairs, self.valid_src_path, self.valid_tgt_path, self.data_path):
            if not path.exists():
                raise InputError(
                    f"{path} is missing: training cannot go on without it; restore it, or train again"
                )
        self._check_format(self.data_path, self.read_json(self.data_path))

    def save_json(self, path: Path, value: object) -> None:
        """Write summary.json, evaluation.json or the like."""
        write_whole(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())

    def read_json(self, path: Path) -> Any:
        """Read what `save_json` wrote; None when there is nothing yet, InputError when it is damaged."""
        try:
            return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path} is damaged ({error}): restore it, or remove it") from None

    def save_card(self, text: str) -> None:
        """Write the model card."""
        write_whole(self.card_path, text.encode())


def fingerprint(tokenizers: "Tokenizers") -> str:
    """What weights and exports know their tokenizers by."""
    return f"{tokenizers.src.sha256} {tokenizers.tgt.sha256}"


def _read_metadata(path: Path) -> dict[str, str]:
    from safetensors import safe_open

    with safe_open(str(path), framework="pt") as file:
        return file.metadata() or {}


def _read_lines(path: Path) -> list[str]:
    # As bytes: reading text would take a carriage return inside a line for a line break.
    return path.read_bytes().decode().split("\n")[:-1]
