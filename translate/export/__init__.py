"""Runs for other engines: what is exported into a run directory, and how it is run from there."""

from importlib.util import find_spec
from typing import Literal

from translate.errors import InputError

# As the extra of the same name in pyproject.toml. Earlier releases import torch whenever they are imported.
CTRANSLATE2 = "ctranslate2>=4.8.5,<5"

# Of the weights; what CTranslate2 runs on processors.
Quantization = Literal["float32", "int16", "int8"]


def need_ctranslate2() -> None:
    """Raise InputError, saying how to get it, when CTranslate2 is not installed."""
    if find_spec("ctranslate2") is None:
        raise InputError(f"CTranslate2 is not installed: pip install '{CTRANSLATE2}'")
