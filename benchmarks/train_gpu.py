"""Measure training on a GPU: tokens a second, share of its bf16 peak, minutes to a BLEU; one JSON.

    seq2see corpus multi30k --path FOLDER --src-lang de --tgt-lang en --out data/multi30k_de_en
    python benchmarks/train_gpu.py --corpus data/multi30k_de_en

The peak is measured, too: that of one large product of bfloat16 matrices. Operations are those of matrix
products, padding included; tokens are real ones.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from quality import check_corpus, describe_machine, seq2see
from quality_table import ROOT
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.flop_counter import FlopCounterMode

from translate.batches import Batch, Indices
from translate.config_files import load_config
from translate.model import Seq2Seq
from translate.run_directory import RunDirectory
from translate.training.loss import Objective, padded_batch_loss
from translate.training.resident import ResidentPairs, Rows
from translate.training.trainer import train

RESULTS = ROOT / "benchmarks" / "results" / "train_gpu.json"
CONFIGS = ("multi30k_transformer", "multi30k_bahdanau")
NEVER = 1_000_000  # steps
MATRIX = 8192  # rows and columns of the product that shows the peak

Shape = tuple[int, int, int]  # rows, source width, target width


class Measured(BaseException):
    """There is enough to tell the speed from; not an Exception, so that nothing keeps on training."""


class Meter:
    """Counts batches from the end of the warm-up until the time is over, then raises Measured.

    Steps end here when they are given to the GPU; before the clock is read, it has finished them.
    """

    def __init__(self, warm_up_steps: int, seconds: float) -> None:
        self.warm_up_steps, self.limit = warm_up_steps, seconds
        self.steps = self.tokens = 0
        self.seconds = 0.0
        self.shapes: Counter[Shape] = Counter()
        self._hook = register_optimizer_step_post_hook(self._end_step)

    def count(self, rows: Rows) -> None:
        """Note a batch before its step."""
        self.tokens += rows.tokens
        self.shapes[len(rows.pairs), rows.src_width, rows.tgt_width] += 1

    def _end_step(self, *_: Any) -> None:
        self.steps += 1
        if self.steps == self.warm_up_steps:
            torch.cuda.synchronize()
            self.tokens, self.shapes = 0, Counter()
            self._started = time.perf_counter()
        elif self.steps > self.warm_up_steps and time.perf_counter() - self._started >= self.limit:
            torch.cuda.synchronize()
            self.seconds = time.perf_counter() - self._started
            self._hook.remove()
            raise Measured


def count_operations(model: Seq2Seq, shapes: Mapping[Shape, int]) -> int:
    """Floating-point operations of the matrix products in steps on so many batches of each shape.

    Computed without the kernels whose products torch does not count.
    """
    device = model.device
    total = 0
    for (rows, src_width, tgt_width), times in shapes.items():
        src, tgt = (
            torch.ones(rows, width, dtype=torch.long, device=device) for width in (src_width, tgt_width)
        )
        batch = Batch(src, src.bool(), tgt, tgt, tgt.bool())
        counter = FlopCounterMode(display=False, custom_mapping={torch.ops.aten.addmm_: _product})
        with torch.backends.cudnn.flags(enabled=False), sdpa_kernel(SDPBackend.MATH), counter:
            torch.autograd.backward(padded_batch_loss(model, batch, Objective(0.1))[0])
        total += times * counter.get_total_flops()
    return total


def _product(total: Sequence[int], left: Sequence[int], right: Sequence[int], **_: Any) -> int:
    """Operations of a product that is added in place, which torch does not count; arguments are shapes."""
    return 2 * left[0] * left[1] * right[1]


def measure_peak() -> float:
    """Operations a second of a large product of random bfloat16 matrices: the median of 20."""
    one, other = (torch.randn(MATRIX, MATRIX, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    times = []
    for _ in range(25):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        start.record()
        one @ other
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end) / 1000)
    return float(2 * MATRIX**3 / sorted(times[5:])[10])


def measure_speed(name: str, batch_tokens: int, graphs: bool, options: argparse.Namespace) -> dict[str, Any]:
    """Train a config until its speed is known, in a folder that is thrown away."""
    config = load_config(ROOT / "configs" / f"{name}.yaml")
    data = replace(config.data, corpus=options.corpus, batch_tokens=batch_tokens)
    training = replace(
        config.training, max_steps=NEVER, validate_every=NEVER, device="cuda", cuda_graphs=graphs
    )
    meter = Meter(options.warm_up_steps, options.seconds)
    plain = ResidentPairs.batch

    def batch(self: ResidentPairs, rows: Indices, seed: int = 0) -> Rows:
        described = plain(self, rows, seed)
        meter.count(described)
        return described

    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        ResidentPairs.batch = batch  # type: ignore[method-assign]
        torch.cuda.reset_peak_memory_stats()
        try:
            train(replace(config, data=data, training=training), run)
        except Measured:
            pass
        finally:
            ResidentPairs.batch = plain  # type: ignore[method-assign]
        directory = RunDirectory.open(run)
        model = directory.build_model(directory.tokenizers()).to("cuda")
        operations = count_operations(model, meter.shapes)
        precision = directory.config.training.precision
    slots = sum(times * rows * (src + tgt) for (rows, src, tgt), times in meter.shapes.items())
    return {
        "config": name,
        "batch_tokens": batch_tokens,
        "cuda_graphs": graphs,
        "precision": precision,
        "steps": meter.steps - options.warm_up_steps,
        "seconds": round(meter.seconds, 3),
        "tokens_per_second": round(meter.tokens / meter.seconds),
        "padding": round(1 - meter.tokens / slots, 4),
        "shapes": len(meter.shapes),
        "operations_per_second": operations / meter.seconds,
        "peak_memory_bytes": torch.cuda.max_memory_allocated(),
    }


def measure_quality(options: argparse.Namespace) -> dict[str, Any]:
    """Train the transformer from nothing by the command line, and score it on test2016."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = ["train", "--config", f"configs/{CONFIGS[0]}.yaml", "--corpus", options.corpus]
        command += ["--out", str(run), "--device", "cuda", *options.flags]
        started = time.perf_counter()
        seq2see(command, stdout=sys.stderr)
        minutes = (time.perf_counter() - started) / 60
        evaluate = ["evaluate", str(run), "--corpus", options.corpus, "--split", "test", "--beam-size", "1"]
        evaluation = json.loads(seq2see([*evaluate, "--json"], stdout=subprocess.PIPE))
        with (run / "metrics.csv").open(encoding="utf-8") as file:
            metrics = list(csv.DictReader(file))
        return {
            "flags": options.flags,
            "minutes": round(minutes, 2),  # of the whole process
            f"minutes_to_{options.bleu:g}": minutes_to(options.bleu, metrics),
            "metrics": metrics,
            "summary": json.loads((run / "summary.json").read_text(encoding="utf-8")),
            "evaluation": evaluation,
        }


def minutes_to(bleu: float, metrics: list[dict[str, str]]) -> float | None:
    """Minutes of training until the first validation with so high a BLEU; None if there was none."""
    return next((float(row["minutes"]) for row in metrics if float(row["valid_bleu"]) >= bleu), None)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--corpus", required=True, help="folder made by `seq2see corpus multi30k`, de to en")
    parser.add_argument("--batch-tokens", type=int, nargs="+", default=[4096, 16384, 65536], metavar="N")
    parser.add_argument("--seconds", type=float, default=30, help="of each measurement (default: 30)")
    parser.add_argument(
        "--warm-up-steps", type=int, default=600, help="in which most shapes are recorded (default: 600)"
    )
    parser.add_argument("--bleu", type=float, default=40, help="validation BLEU to reach (default: 40)")
    parser.add_argument(
        "--flags", nargs=argparse.REMAINDER, default=[], help="for the training that is scored; comes last"
    )
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("train_gpu.py needs a CUDA device", file=sys.stderr)
        return 3
    options.corpus = str(Path(options.corpus).absolute())
    os.chdir(ROOT)
    check_corpus(Path(options.corpus))
    peak = measure_peak()
    rows = []
    for name in CONFIGS:
        for batch_tokens in options.batch_tokens:
            for graphs in (True, False):
                row = measure_speed(name, batch_tokens, graphs, options)
                row["share_of_peak"] = round(row["operations_per_second"] / peak, 4)
                print(json.dumps(row), file=sys.stderr, flush=True)
                rows.append(row)
    machine = {**describe_machine(), "gpu": torch.cuda.get_device_name(), "cuda": torch.version.cuda}
    result = {
        "machine": machine,
        "bf16_peak_operations_per_second": peak,
        "speed": rows,
        "quality": measure_quality(options),
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
