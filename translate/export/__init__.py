"""Runs for other engines and for other people: what is exported into a run directory, and read from there."""

from importlib.util import find_spec
from typing import Literal

from translate.errors import InputError

# As the extra of the same name in pyproject.toml. Earlier releases import torch whenever they are imported.
CTRANSLATE2 = "ctranslate2>=4.8.5,<5"

# As the extra of the same name; torch's exporter imports onnx and onnxscript.
ONNX = ("onnx>=1.18", "onnxruntime>=1.22", "onnxscript>=0.5")

# Of the weights; what CTranslate2 runs on processors.
Quantization = Literal["float32", "int16", "int8"]


def need_ctranslate2() -> None:
    """Raise InputError, saying how to get it, when CTranslate2 is not installed."""
    if find_spec("ctranslate2") is None:
        raise InputError(f"CTranslate2 is not installed: pip install '{CTRANSLATE2}'")


def need_onnx() -> None:
    """Raise InputError, saying how to get it, when what exports to ONNX is not installed."""
    missing = [name for name in ("onnx", "onnxscript") if find_spec(name) is None]
    if missing:
        raise InputError(f"{' and '.join(missing)} missing: pip install {' '.join(map(repr, ONNX))}")
