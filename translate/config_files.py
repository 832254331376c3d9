"""Config <-> YAML: what is read, what is refused and why.

jsonargparse does the typing; the keys are checked here first, so that a wrong one is answered by a right one.
"""

import ast
import dataclasses
import difflib
import inspect
import itertools
import json
import re
import typing
from argparse import ArgumentError
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, reduce
from pathlib import Path
from typing import Any

import jsonargparse
import yaml

from translate.config import Config
from translate.errors import InputError, UsageError


def load_config(path: Path) -> Config:
    """Read a YAML file; what it leaves out has its default.

    Raises:
        InputError: the file is missing, or no YAML.
        UsageError: an unknown key, a value of the wrong type, or settings that do not go together.
    """
    namespace, _ = _load(path)
    try:
        return read_config(namespace)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def load_settings(path: Path) -> dict[str, Any]:
    """Read only what a YAML file says, as {"model.attention.score": "general"}; errors as in `load_config`.

    Whether settings go together is not asked: a flag may still change one of them.
    """
    namespace, keys = _load(path)
    return {key: namespace[key] for key in keys}


def dump_config(config: Config) -> str:
    """Every setting as YAML, in the order of the dataclasses; `load_config` reads it back."""
    # By way of JSON: YAML has no tuples, and would mark them as Python's.
    plain = json.loads(json.dumps(dataclasses.asdict(config)))
    return yaml.safe_dump(plain, allow_unicode=True, sort_keys=False)


def add_settings(parser: jsonargparse.ArgumentParser) -> None:
    """Give a parser one flag for each setting, such as `--model.attention.score`, yet without its help."""
    for name, group in typing.get_type_hints(Config).items():
        parser.add_class_arguments(group, name)


def setting_helps() -> dict[str, str]:
    """The docstring of every setting, by its whole name.

    jsonargparse would find them too, but parses the file anew for each class, which is a third of the time
    that `seq2see train --help` takes.
    """
    settings = list(_settings(Config))
    docstrings: dict[str, dict[str, str]] = {}  # of the fields of each class
    for module in {inspect.getfile(group) for _, group, _ in settings}:
        for group in ast.parse(Path(module).read_text(encoding="utf-8")).body:
            if isinstance(group, ast.ClassDef):
                docstrings[group.name] = _field_docstrings(group)
    return {name: docstrings[group.__name__][key] for name, group, key in settings}


def _field_docstrings(group: ast.ClassDef) -> dict[str, str]:
    return {
        field.target.id: inspect.cleandoc(str(below.value.value))
        for field, below in itertools.pairwise(group.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
    }


def read_config(namespace: jsonargparse.Namespace) -> Config:
    """Turn what a parser with `add_settings` has read into a Config.

    Raises:
        UsageError: settings that do not go together, or an empty one that needs a value.
    """
    config: Config = _build(Config, namespace)
    return config


def setting_names() -> Iterator[str]:
    """Yield every setting's whole name, such as model.attention.score."""
    return (name for name, _, _ in _settings(Config))


def setting_values(config: Config) -> dict[str, Any]:
    """Every setting's value by its whole name."""
    return {name: reduce(getattr, name.split("."), config) for name in setting_names()}


def _settings(cls: type, prefix: str = "") -> Iterator[tuple[str, type, str]]:
    """Yield every setting's whole name, its group and its name there."""
    for key, kind in typing.get_type_hints(cls).items():
        if dataclasses.is_dataclass(kind):
            yield from _settings(typing.cast("type", kind), f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", cls, key


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean ...?" to end a message with, or nothing when no known word is near.

    Dotted names are compared by their last part first: `--score` is nearly `--model.attention.score`.
    """
    names = list(dict.fromkeys(known))
    wanted = _last_part(word)
    near = [name for name in names if _last_part(name) == wanted]
    if not near:
        close = difflib.get_close_matches(wanted, map(_last_part, names))
        near = [name for name in names if _last_part(name) in close]
    likeness = {name: difflib.SequenceMatcher(None, word, name).ratio() for name in near}
    near.sort(key=lambda name: -likeness[name])
    best = [name for name in near[:3] if likeness[name] > likeness[near[0]] - 0.05]
    return f"; did you mean {' or '.join(best)}?" if best else ""


def _last_part(name: str) -> str:
    return name.rpartition(".")[2].lstrip("-")


def readable(message: str) -> str:
    """Say what jsonargparse's type errors say, in words of the command line."""
    message = re.sub(r"\s*\n\s*", " ", message)
    message = re.sub(r'^Parser key "([^"]+)": ?', r"\1: ", message)
    message = re.sub(r"Expected an? <class '(\w+)'>\. Got value: ", r"expected \1, got ", message)
    message = re.sub(
        r"Does not validate .* Expected a <class '(\w+)'> .*NoneType.* Given value: ",
        r"expected \1, got ",
        message,
    )
    return re.sub(r"Expected an? typing\.Literal\[([^\]]*)\]\. Got value: (.*)", _choices, message)


def _choices(match: re.Match[str]) -> str:
    choices = match[1].replace("'", "")
    return f"expected one of {choices}, got {match[2]}{did_you_mean(match[2], choices.split(', '))}"


def _load(path: Path) -> tuple[jsonargparse.Namespace, list[str]]:
    """All settings as typed values, and the names of those that the file gives."""
    values = _read_yaml(path)
    try:
        keys = list(_flat(values, Config))
        return _typed(values), keys
    except (UsageError, ArgumentError) as error:
        raise UsageError(f"{path}: {readable(str(error))}") from error


# Of files that were read before, by what they say: an ensemble's runs often have the same settings.
_KNOWN: dict[str, jsonargparse.Namespace] = {}
_MOST_KNOWN = 64


def _typed(values: dict[Any, Any]) -> jsonargparse.Namespace:
    """What jsonargparse makes of a file's values, which takes 50 ms."""
    written = repr(values)
    if written not in _KNOWN:
        if len(_KNOWN) == _MOST_KNOWN:
            _KNOWN.clear()
        _KNOWN[written] = _parser().parse_object(values)
    return _KNOWN[written]


@cache
def _parser() -> jsonargparse.ArgumentParser:
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    add_settings(parser)
    return parser


def _read_yaml(path: Path) -> dict[Any, Any]:
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"{path}, line {line}: not a config file: {error.problem}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not a config file: {readable(str(error))}") from error
    except _ODD_VALUES as error:
        raise InputError(f"{path}: not a config file: a value makes no sense ({error})") from error
    except RecursionError:
        raise InputError(f"{path}: not a config file: its values are nested too deeply") from None
    if values is None:  # an empty file, or only comments
        return {}
    if not isinstance(values, dict):
        groups = ", ".join(typing.get_type_hints(Config))
        raise UsageError(f"{path}: expected groups of settings ({groups}), got {values!r}")
    return values


# What PyYAML raises for a day such as 2001-13-45, for "!!bool x", or for a number of 5,000 digits.
_ODD_VALUES = (ValueError, KeyError, AttributeError, TypeError)
_MOST_VALUES = 10_000


class _Loader(yaml.SafeLoader):
    """YAML without objects of Python, and without a key written twice, of which one would be lost.

    Nor with aliases of aliases of aliases: nine lines can stand for a thousand million values.
    """

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None and _count_values(node, {}) > _MOST_VALUES:
            problem = f"it has more than {_MOST_VALUES:,} values, those of its aliases counted"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return node

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict[Any, Any]:
        if not isinstance(node, yaml.MappingNode):  # as in "!!map x"
            raise yaml.constructor.ConstructorError(None, None, "expected a mapping", node.start_mark)
        seen = set()
        for key_node, _ in node.value:
            if isinstance(key_node, yaml.ScalarNode):
                if key_node.value in seen:
                    problem = f"{key_node.value} is set twice"
                    raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
                seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def _count_values(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node stands for: too many for one that holds itself."""
    if id(node) not in known:
        known[id(node)] = _MOST_VALUES + 1
        inside = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else []
        if isinstance(node, yaml.SequenceNode):
            inside = node.value
        known[id(node)] = 1 + sum(_count_values(part, known) for part in inside)
    return known[id(node)]


def _flat(values: Mapping[Any, Any], cls: type, prefix: str = "") -> Iterator[str]:
    """Yield the whole names of the settings, in the file's order, refusing those that do not exist."""
    types = typing.get_type_hints(cls)
    for key, value in values.items():
        name = f"{prefix}{key}"
        if key not in types:
            known = [f"{prefix}{other}" for other in types]
            known += [] if prefix else setting_names()
            raise UsageError(f"unknown key {name}{did_you_mean(name, known)}")
        if not dataclasses.is_dataclass(types[key]):
            yield name
        elif isinstance(value, Mapping):
            yield from _flat(value, types[key], f"{name}.")
        else:
            raise UsageError(f"{name}: expected a group of settings, got {value!r}")


def _build(cls: type, values: Any, prefix: str = "") -> Any:
    arguments = {}
    for key, kind in typing.get_type_hints(cls).items():
        value = values[key]
        if dataclasses.is_dataclass(kind):
            value = _build(typing.cast("type", kind), value, f"{prefix}{key}.")
        elif value is None and type(None) not in typing.get_args(kind):
            raise UsageError(f"{prefix}{key} is null: it needs a value")
        arguments[key] = value
    return cls(**arguments)
