"""A model as two ONNX graphs: the encoder, and one step of the decoder.

Both are functions of tensors with names. The encoder turns sources into the state that a translation
starts with; a step turns the last pieces and the state into log-probabilities of the next piece, and what has
changed of the state, `next_x` for each `x` of its inputs. Greedy search is then a loop of a few lines in any
language (docs/examples/translate_onnx.py).

What has loops is a recurrent encoder, whose length torch.export would fix: it is traced by the older
exporter, which turns a layer into one ONNX operator, for one sentence at a time. All else goes through
torch.export, with any number of rows.
"""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.export import Dim

from translate import __version__
from translate.attention import Memory
from translate.config import Config
from translate.decoders.recurrent import RecurrentState
from translate.decoders.transformer import TransformerState
from translate.export import need_onnx
from translate.model import DecoderState, Seq2Seq
from translate.run_directory import RunDirectory
from translate.run_directory.exports import write_export
from translate.tokenizer import BACKWARDS_ID, BOS_ID, EOS_ID, PAD_ID, UNK_ID, Tokenizers
from translate.transformer import KeyValueCache

Named = dict[str, Tensor]

# Dimensions that may have any size.
ROWS, SOURCE, WRITTEN = "rows", "source_length", "written_length"
# Of the sentences that are traced. All differ, and none is 0 or 1, which torch.export would fix.
TRACED_ROWS, TRACED_SOURCE, TRACED_WRITTEN = 2, 5, 3


class Parts(NamedTuple):
    """A decoder's state as tensors with names."""

    changing: Named  # a step gives them anew
    constant: Named  # what the encoder made of the source


class GrownCache(KeyValueCache):
    """A cache without room to spare: a graph has no memory to write into."""

    def append(self, key: Tensor, value: Tensor) -> "GrownCache":
        """Put the next position behind the others."""
        keys, values = torch.cat([self.keys, key], dim=2), torch.cat([self.values, value], dim=2)
        return GrownCache(keys, values, self.length + 1)


def take_apart(state: DecoderState) -> Parts:
    """Give the tensors of a state their names."""
    match state:
        case RecurrentState(hidden, cell, coverage, memory):
            optional = {"cell": cell, "coverage": coverage}
            constant = {"keys": memory.keys, "values": memory.values, "mask": memory.mask}
            present = {name: x for name, x in optional.items() if x is not None}
            return Parts({"hidden": hidden, **present}, constant)
        case TransformerState(caches, memories):
            changing: Named = {}
            constant = {}
            for number, (cache, memory) in enumerate(zip(caches, memories, strict=True)):
                changing |= {f"written_keys_{number}": cache.keys, f"written_values_{number}": cache.values}
                constant |= {f"keys_{number}": memory.keys, f"values_{number}": memory.values}
            return Parts(changing, {**constant, "mask": memories[0].mask})


def put_together(named: Named) -> DecoderState:
    """Undo `take_apart`."""
    mask = named["mask"]
    if "hidden" in named:
        memory = Memory(named["values"], named["keys"], mask)
        return RecurrentState(named["hidden"], named.get("cell"), named.get("coverage"), memory)
    layers = range(sum(name.startswith("keys_") for name in named))
    written = [(named[f"written_keys_{number}"], named[f"written_values_{number}"]) for number in layers]
    return TransformerState(
        tuple(GrownCache(keys, values, keys.shape[2]) for keys, values in written),
        tuple(Memory(named[f"values_{number}"], named[f"keys_{number}"], mask) for number in layers),
    )


def export_onnx(run: RunDirectory) -> Path:
    """Write the run's model as ONNX graphs into the run directory, in place of an earlier export.

    Raises:
        InputError: ONNX is not installed, or there are no good weights.
    """
    need_onnx()

    def write(model: Seq2Seq, tokenizers: Tokenizers, folder: Path) -> None:
        write_graphs(model, run.config, folder)
        names = save_tokenizers(tokenizers, folder)
        run.save_json(folder / "config.json", describe_search(run.config, names))

    write_export(run, run.onnx_path, write, {"seq2see": __version__, "torch": torch.__version__})
    return run.onnx_path


def save_tokenizers(tokenizers: Tokenizers, folder: Path) -> dict[str, str]:
    """Write the SentencePiece models; return the file of each language."""
    joint = tokenizers.src is tokenizers.tgt
    names = (
        {"src": "tokenizer.model", "tgt": "tokenizer.model"}
        if joint
        else {"src": "src.model", "tgt": "tgt.model"}
    )
    for side, tokenizer in zip(names, tokenizers, strict=True):
        tokenizer.save(folder / names[side])
    return names


def describe_search(config: Config, tokenizer_files: dict[str, str]) -> dict[str, object]:
    """What a program must know besides the graphs."""
    return {
        "tokenizers": tokenizer_files,
        "pad_id": PAD_ID,
        "bos_id": BOS_ID,  # the first token
        "eos_id": EOS_ID,  # ends a source, and a translation
        "unk_id": UNK_ID,
        "backwards_id": BACKWARDS_ID if config.data.directions == "both" else None,
        "max_source_length": config.data.max_length,
        "max_length_ratio": config.search.max_length_ratio,
        "max_length_offset": config.search.max_length_offset,
        "encoder_rows": 1 if config.model.encoder.type == "recurrent" else None,  # None: any number
    }


@torch.no_grad()
def write_graphs(model: Seq2Seq, config: Config, folder: Path) -> None:
    """Write encoder.onnx and step.onnx.

    Args:
        model: on the CPU, in eval mode.
    """
    loops = config.model.encoder.type == "recurrent"
    rows = 1 if loops else TRACED_ROWS
    src = torch.full((rows, TRACED_SOURCE), EOS_ID)
    mask = torch.ones_like(src, dtype=torch.bool)
    tokens = torch.full((TRACED_ROWS,), BOS_ID)
    encoder = Encoder(model).eval()
    parts = take_apart(model.start(src, mask))
    names = [*parts.changing, *parts.constant]
    with known_warnings():
        (trace if loops else export)(encoder, {"src": src, "src_mask": mask}, names, folder / "encoder.onnx")
        state = {name: grown(name, x) for name, x in (parts.changing | parts.constant).items()}
        export(
            Step(model, names).eval(),
            {"tokens": tokens, **state},
            ["log_probs", *(f"next_{name}" for name in parts.changing)],
            folder / "step.onnx",
        )


def grown(name: str, x: Tensor) -> Tensor:
    """Of a state's first tensor, one with as many rows and positions as a step is traced with."""
    x = x[:1].repeat(TRACED_ROWS, *[1] * (x.dim() - 1))
    return x.new_zeros(*x.shape[:2], TRACED_WRITTEN, x.shape[3]) if name.startswith("written_") else x


def dims(name: str) -> dict[int, str]:
    """Which dimensions of a tensor may have any size."""
    match name.split("_")[0]:
        case "tokens" | "hidden" | "cell":
            return {0: ROWS}
        case "src" | "mask":
            return {0: ROWS, 1: SOURCE}
        case "written":
            return {0: ROWS, 2: WRITTEN}
        case "keys" | "values" | "coverage":
            return {0: ROWS, 2: SOURCE}
    raise ValueError(f"no tensor of a graph is called {name}")


def export(graph: nn.Module, inputs: Named, outputs: Sequence[str], path: Path) -> None:
    """Write a graph by torch.export, with any number of rows."""
    sizes = {name: Dim(name) for name in (ROWS, SOURCE, WRITTEN)}
    shapes = tuple({number: sizes[size] for number, size in dims(name).items()} for name in inputs)
    program = torch.onnx.export(
        graph,
        tuple(inputs.values()),
        dynamo=True,
        dynamic_shapes=(shapes,),  # of the arguments, of which there are any number
        input_names=[*inputs],
        output_names=outputs,
        verbose=False,
    )
    assert program is not None  # without a path
    program.save(path, external_data=False)


def trace(graph: nn.Module, inputs: Named, outputs: Sequence[str], path: Path) -> None:
    """Write a graph with recurrent layers by the older exporter, for one row."""
    torch.onnx.export(
        graph,
        tuple(inputs.values()),
        path,
        dynamo=False,
        input_names=[*inputs],
        output_names=outputs,
        dynamic_axes={name: {n: size for n, size in dims(name).items() if n} for name in [*inputs, *outputs]},
    )


@contextmanager
def known_warnings() -> Iterator[None]:
    """Keep from the user what the exporters say of themselves."""
    log = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = log.level
    log.setLevel(logging.ERROR)  # it misses torchvision
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*LeafSpec.*", FutureWarning)  # torch about torch
            # A dimension of several tensors: the second time its name is taken, by itself.
            warnings.filterwarnings("ignore", r".*axis name: (\w+) will not be used.* axis: \1", UserWarning)
            # The older exporter calls itself deprecated, does not see that there is one row, and tells what
            # it leaves to the engine.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.filterwarnings("ignore", ".*batch_size other than 1.*", UserWarning)
            warnings.filterwarnings("ignore", ".*Constant folding not applied.*", UserWarning)
            # Of torch's own code, as torch itself ignores them.
            torch.jit.TracerWarning.ignore_lib_warnings()  # type: ignore[attr-defined, no-untyped-call]
            yield
    finally:
        log.setLevel(level)


class Encoder(nn.Module):
    """From sources to the state that a translation starts with."""

    def __init__(self, model: Seq2Seq) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the tensors of the state, from the source ids and their mask."""
        src, src_mask = inputs
        changing, constant = take_apart(self.model.start(src, src_mask))
        return *changing.values(), *constant.values()


class Step(nn.Module):
    """From the last pieces and the state to the log-probabilities of the next ones.

    Args:
        names: of the tensors of the state.
    """

    def __init__(self, model: Seq2Seq, names: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.names = names

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return log-probabilities and what has changed of the state, from the tokens and the state."""
        tokens, *state = inputs
        old = put_together(dict(zip(self.names, state, strict=True)))
        log_probs, new = self.model.step(tokens, old)
        return log_probs, *take_apart(new).changing.values()
