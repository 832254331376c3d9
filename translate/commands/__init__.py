"""The verbs of `seq2see`, one module each: its docstring is its help, then `add_arguments` and `run`."""

import importlib
import inspect
from collections.abc import Sequence


def run_verb(verb: str, arguments: Sequence[str]) -> int:
    """Run one verb with the words that follow it; return its exit code. Errors are the verb's own."""
    from translate.arguments import Parser

    module = importlib.import_module(f"translate.commands.{verb}")
    parser = Parser(f"seq2see {verb}", inspect.cleandoc(module.__doc__ or ""))
    module.add_arguments(parser)
    return module.run(parser.parse_args(list(arguments))) or 0
