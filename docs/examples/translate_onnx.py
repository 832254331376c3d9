"""Translate lines with onnxruntime, sentencepiece and numpy alone: greedy search over an ONNX export.

seq2see export runs/mine --format onnx
python docs/examples/translate_onnx.py runs/mine/onnx < in.txt
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from onnxruntime import InferenceSession
from sentencepiece import SentencePieceProcessor

folder = Path(sys.argv[1])
config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
src, tgt = (SentencePieceProcessor(str(folder / config["tokenizers"][side])) for side in ("src", "tgt"))
encoder, step = (InferenceSession(folder / name) for name in ("encoder.onnx", "step.onnx"))
never = [config[name] for name in ("pad_id", "bos_id", "unk_id")]


def run(graph: InferenceSession, inputs: dict[str, Any]) -> dict[str, Any]:
    """Return a graph's outputs by name."""
    return dict(zip((output.name for output in graph.get_outputs()), graph.run(None, inputs), strict=True))


def translate(text: str) -> str:
    """Return the translation that takes the likeliest piece at every step."""
    pieces = src.encode(text.replace("▁", "\n"))[: config["max_source_length"]]  # a space is written as ▁
    source = np.array([[*pieces, config["eos_id"]]])
    state = run(encoder, {"src": source, "src_mask": np.ones_like(source, dtype=bool)})
    tokens = [config["bos_id"]]
    for _ in range(max(1, int(len(pieces) * config["max_length_ratio"]) + config["max_length_offset"])):
        found = run(step, {"tokens": np.array(tokens[-1:]), **state})
        log_probs = found.pop("log_probs")[0]
        log_probs[never] = -np.inf
        tokens.append(int(log_probs.argmax()))
        if tokens[-1] == config["eos_id"]:
            break
        state |= {name.removeprefix("next_"): tensor for name, tensor in found.items()}
    text = str(tgt.decode([token for token in tokens[1:] if token != config["eos_id"]]))
    return text.replace("\r", " ").replace("\n", "▁")  # a translation is one line


for line in sys.stdin:
    print(translate(line.rstrip("\n")) if line.strip() else "", flush=True)
