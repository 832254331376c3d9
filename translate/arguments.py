"""How the command line is read: flags in either spelling, aliases, config files, suggestions and help.

jsonargparse does the typing. It knows neither hyphens nor "did you mean", so arguments are put in order
before it sees them: settings from config files, flags (which win over files wherever they stand), texts.
"""

import argparse
import copy
import json
import re
import sys
import typing
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import jsonargparse
from jsonargparse import Namespace

from translate.config import ALIASES
from translate.config_files import (
    add_settings,
    did_you_mean,
    dump_config,
    load_settings,
    read_config,
    readable,
    setting_helps,
    setting_names,
)
from translate.errors import UsageError

# Not "-", nor "-5", nor a sentence that begins with a dash.
_FLAG = re.compile(r"--?[A-Za-z][\w.+-]*(=|\Z)")


class Parser(jsonargparse.ArgumentParser):
    """Reads the flags of one verb; whatever is wrong with them is a UsageError."""

    def __init__(self, prog: str, description: str = "") -> None:
        super().__init__(
            prog=prog,
            description=description,
            formatter_class=_HelpFormatter,
            allow_abbrev=False,
            print_config=None,  # jsonargparse's own would print every flag, and not only settings
        )
        self.aliases: dict[str, str] = {}
        self.has_settings = False
        self.complete: Callable[[Namespace], None] | None = None

    def add_config(self, complete: Callable[[Namespace], None] | None = None) -> None:
        """Add every setting, the everyday flags, `--config` and `--print-config`.

        `read_config` makes a Config of what is parsed. The namespace's `given` names the settings that flags
        or files gave; the others have their defaults.

        Args:
            complete: sets settings that were not given, before all are printed.
        """
        self.has_settings, self.complete = True, complete
        everyday = self.add_argument_group("everyday flags")
        config_files = self.add_argument_group("config files")
        config_files.add_argument(
            "--config",
            type=str,
            action="append",
            metavar="FILE",
            help="Read settings from a YAML file; flags win over files, later files over earlier ones.",
        )
        config_files.add_argument(
            "--print_config", action="store_true", help="Print all settings as YAML, and do nothing else."
        )
        add_settings(self)
        helps = setting_helps()
        for action in self._actions:
            action.help = helps.get(action.dest, action.help)
            if action.metavar == "CONFIG":  # jsonargparse's own: a whole group from a file, unchecked
                self._option_string_actions.pop(action.option_strings[0])
                action.help = argparse.SUPPRESS
        for name, setting in ALIASES.items():
            self.aliases[f"--{name}"] = f"--{setting}"
            shown = copy.copy(self._option_string_actions[f"--{setting}"])
            shown.option_strings = [f"--{name}"]
            everyday._group_actions.append(shown)  # for the help only: the alias is replaced before parsing

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Namespace | None = None, **kwargs: Any
    ) -> Namespace:
        """Read the arguments.

        Raises:
            UsageError: they are no good.
            InputError: a config file is missing, or is none.
        """
        flags, texts = self._split(sys.argv[1:] if args is None else args)
        files = [
            load_settings(Path(value))
            for flag, values in flags
            if self.has_settings and flag == "--config"
            for value in values
        ]
        settings = {name: value for file in files for name, value in file.items()}  # later files win
        flags = [(f"--{name}", [_as_text(value)]) for name, value in settings.items()] + flags
        in_order = [word for flag, values in flags for word in _as_words(flag, values)]
        options: Namespace = super().parse_args(
            [*in_order, *(["--", *texts] if texts else [])], namespace, **kwargs
        )
        if "print_config" in options:
            known = set(setting_names())
            options.given = tuple(dict.fromkeys(flag[2:] for flag, _ in flags if flag[2:] in known))
            if options.print_config:
                if self.complete is not None:
                    self.complete(options)
                sys.stdout.write(dump_config(read_config(options)))
                self.exit()
        return options

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Say it as a UsageError; the command line turns that into exit code 2."""
        what, colon, rest = readable(message).removeprefix("argument ").partition(": ")
        rest = re.sub("^ignored explicit argument", "takes no value, got", rest)
        if what == "the following arguments are required":
            optional = {action.dest for action in self._actions if action.nargs == "*"}  # argparse thinks not
            names = [self._shown(name) for name in rest.split(", ") if name not in optional]
            what, rest = "needed, but not given", ", ".join(names)
        elif what == "unrecognized arguments":
            what, rest = "unexpected", rest.removeprefix("-- ")
        else:
            what = self._shown(what)
        raise UsageError(f"{what}{colon}{rest}") from ex

    def _shown(self, name: str) -> str:
        """A flag as people know it: hyphens, and the everyday one if there is one; anything else as it is."""
        flag = name if name.startswith("--") else f"--{name}"
        if flag not in self._option_string_actions:
            return name
        return _hyphens(next((alias for alias, other in self.aliases.items() if other == flag), flag))

    def _split(self, args: Iterable[str]) -> tuple[list[tuple[str, list[str]]], list[str]]:
        """Return the flags, each with its values, and the other arguments."""
        flags: list[tuple[str, list[str]]] = []
        texts: list[str] = []
        waiting = deque(args)
        while waiting:
            argument = waiting.popleft()
            if argument == "--":
                texts.extend(waiting)
                break
            if not _FLAG.match(argument):
                texts.append(argument)
                continue
            name, equals, value = argument.partition("=")
            action, flag = self._find(name)
            values = [value] if equals else []
            while waiting and len(values) < _most_values(action) and not _ends_values(waiting[0]):
                values.append(waiting.popleft())
            flags.append((flag, _as_one(action, values)))
        return flags, texts

    def _find(self, name: str) -> tuple[argparse.Action, str]:
        """The action of a flag in either spelling, and the flag as it was declared."""
        spellings = {_hyphens(flag): flag for flag in self._option_string_actions}
        aliases = {_hyphens(alias): flag for alias, flag in self.aliases.items()}
        flag = spellings.get(_hyphens(name)) or aliases.get(_hyphens(name))
        if flag is None:
            hint = did_you_mean(_hyphens(name), [*aliases, *spellings])
            if not hint and any(not action.option_strings for action in self._actions):
                hint = "; a text that begins with a dash goes after --"
            raise UsageError(f"unknown flag {name}{hint}")
        return self._option_string_actions[flag], flag


class _HelpFormatter(jsonargparse.DefaultHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Hyphens in flags, a usage line that fits a line, and no talk of types where a value says enough."""

    def add_usage(
        self, usage: str | None, actions: Iterable[argparse.Action], *args: Any, **kwargs: Any
    ) -> None:
        actions = [action for action in actions if action.required or not action.option_strings]
        parts = [
            " ".join([*action.option_strings[:1], self._format_args(action, self._metavar(action))])
            for action in sorted(actions, key=lambda action: not action.option_strings)
        ]
        super().add_usage(usage or " ".join(["%(prog)s", "[options]", *parts]), [], *args, **kwargs)

    def _metavar(self, action: argparse.Action) -> str:
        return (action.metavar if isinstance(action.metavar, str) else action.dest).upper()

    def _get_default_metavar_for_positional(self, action: argparse.Action) -> str:
        return action.dest.upper()

    def _get_default_metavar_for_optional(self, action: argparse.Action) -> str:
        kind = _kind(action)
        return {int: "N", float: "X"}.get(kind) or action.dest.rpartition(".")[2].upper()

    def _format_action_invocation(self, action: argparse.Action) -> str:
        shown = copy.copy(action)
        shown.option_strings = [_hyphens(flag) for flag in action.option_strings]
        return super()._format_action_invocation(shown)

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ""
        if action.option_strings and action.required:
            return f"{text} (needed)"
        if not action.option_strings or action.default in (None, False, (), [], "", argparse.SUPPRESS):
            return text
        default = str(action.default).lower() if isinstance(action.default, bool) else "%(default)s"
        return f"{text} (default: {default})"


def _hyphens(flag: str) -> str:
    return flag.replace("_", "-")


def _most_values(action: argparse.Action) -> int:
    """How many values may follow a flag."""
    match action.nargs:
        case None if typing.get_origin(_kind(action)) is tuple:
            return sys.maxsize
        case None | "?":
            return 1
        case int(number):
            return number
        case _:
            return sys.maxsize


def _as_one(action: argparse.Action, values: list[str]) -> list[str]:
    """Return a setting's values as the one value that it is read from: `--pairs a b` as `["a", "b"]`."""
    kind = _kind(action)
    if kind is bool and not values:
        return ["true"]
    if typing.get_origin(kind) is tuple and values and not (len(values) == 1 and values[0].startswith("[")):
        texts = map(json.dumps, values) if str in typing.get_args(kind) else values
        return [f"[{', '.join(texts)}]"]
    return values


def _kind(action: argparse.Action) -> Any:
    return getattr(action, "_typehint", action.type)


def _ends_values(argument: str) -> bool:
    return argument == "--" or _FLAG.match(argument) is not None


def _as_text(value: Any) -> str:
    """A setting's value as one would type it after its flag."""
    return value if isinstance(value, str) else json.dumps(value)


def _as_words(flag: str, values: list[str]) -> list[str]:
    # With "=", so that a value may begin with a dash.
    return [f"{flag}={values[0]}"] if len(values) == 1 else [flag, *values]
