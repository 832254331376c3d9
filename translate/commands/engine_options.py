"""Flags of what translates and where, for verbs that only translate."""

from typing import Literal

from jsonargparse import ArgumentParser


def add_engine(parser: ArgumentParser) -> None:
    """Declare the engine and its device."""
    parser.add_argument(
        "--engine",
        type=Literal["auto", "torch", "ctranslate2"],
        default="auto",
        help="What translates. auto: ctranslate2 if `seq2see export` was run with exactly these weights, "
        "else torch.",
    )
    parser.add_argument(
        "--device", type=Literal["auto", "cpu", "cuda", "mps"], default="auto", help="Where to translate."
    )
