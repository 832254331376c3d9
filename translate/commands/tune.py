"""Choose beam size and length penalty on a run's validation text, for it to translate with from then on.

Translates the run's validation text or other pairs (never a test set) once for each beam size, scores it with
each length penalty, prints BLEU of all, and writes the best into the run's config.yaml, with a note;
tuning.json there keeps the table. The run's present search is always among those tried. `seq2see translate`
and `evaluate` then search so, unless told otherwise. A model of both directions is tuned forward.
"""

import json
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from jsonargparse import ArgumentParser, Namespace

from translate.commands.evaluate import add_ensemble
from translate.commands.pairs_input import (
    PAIRS_HELP,
    add_pairs_options,
    check_pairs_options,
    pair_sources,
)
from translate.errors import UsageError

if TYPE_CHECKING:
    from translate.tuning import Pairs, Trial

log = logging.getLogger(__name__)

BEAM_SIZES = [1, 3, 5, 8, 12]
LENGTH_PENALTIES = [round(0.2 * step, 1) for step in range(11)]  # to 2


def add_arguments(parser: ArgumentParser) -> None:
    """Declare which run, and what is tried."""
    parser.add_argument("run", type=str, help="Run directory of the model.")
    parser.add_argument(
        "--pairs",
        type=str,
        nargs="+",
        metavar="FILE",
        help=f"Validation text instead of the run's own: {PAIRS_HELP}",
    )
    add_pairs_options(parser)
    parser.add_argument(
        "--beam_sizes", type=int, nargs="+", default=BEAM_SIZES, metavar="N", help="Beam sizes to try."
    )
    parser.add_argument(
        "--length_penalties",
        type=float,
        nargs="+",
        default=LENGTH_PENALTIES,
        metavar="X",
        help="Length penalties to try with each.",
    )
    add_ensemble(parser)
    parser.add_argument("--dry_run", action="store_true", help="Print what would be chosen, write nothing.")
    parser.add_argument(
        "--device", type=Literal["auto", "cpu", "cuda", "mps"], default="auto", help="Where to translate."
    )
    parser.add_argument("--threads", type=int, default=0, help="Processor threads; 0: one per core.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object instead of a table.")


def run(options: Namespace) -> None:
    """Try all, print them, and keep the best."""
    _check_usage(options)

    from translate.platforms import keep_freed_memory
    from translate.translator import Translator
    from translate.tuning import choose, grid, save, try_searches

    given = _read_pairs(options)
    keep_freed_memory()
    translator = Translator(options.run, options.device, threads=options.threads, ensemble=options.ensemble)
    config = translator.config.search
    searches = grid(config, options.beam_sizes, options.length_penalties)
    log.info("translating the validation text with %s", translator.describe())
    trials = list(try_searches(translator, searches, given))
    chosen = choose(trials, config)
    before = next(one for one in trials if one[:2] == (config.beam_size, config.length_penalty))
    record = {
        **({"ensemble": [str(member.path) for member in translator.members]} if options.ensemble else {}),
        **({"pairs": options.pairs} if given else {}),
        "signature": chosen.bleu.signature,
        "trials": [_as_json(trial) for trial in trials],
        "before": _as_json(before),
        "chosen": _as_json(chosen),
    }
    if not options.dry_run:
        save(translator.directory, chosen, record)
    print(json.dumps(record) if options.json else _table(trials, before, chosen))


def _check_usage(options: Namespace) -> None:
    """Refuse options that contradict one another or make no sense, before anything is read."""
    check_pairs_options(options)
    if options.threads < 0:
        raise UsageError(f"--threads is {options.threads}: it must be at least 0")
    if options.ensemble and not options.dry_run:
        raise UsageError(
            f"what is chosen for an ensemble is not for {options.run} alone: give --dry-run, and what it "
            "says to `seq2see translate --ensemble`"
        )


def _read_pairs(options: Namespace) -> "Pairs | None":
    """Return the sources and references of --pairs, if it is given."""
    if options.pairs is None:
        return None
    from translate.corpora.pairs import stream_pairs

    pairs = list(stream_pairs(pair_sources(options, options.pairs)))
    return [src for src, _ in pairs], [tgt for _, tgt in pairs]


def _as_json(trial: "Trial") -> dict[str, Any]:
    return {
        "beam_size": trial.beam_size,
        "length_penalty": trial.length_penalty,
        "bleu": round(trial.bleu.value, 4),
    }


def _table(trials: Sequence["Trial"], before: "Trial", chosen: "Trial") -> str:
    """Show a row for each length penalty and a column for each beam size."""
    beam_sizes = sorted({trial.beam_size for trial in trials})
    cells = {trial[:2]: f"{trial.bleu.value:.2f}{'*' if trial == chosen else ' '}" for trial in trials}
    lines = ["".join(["length penalty", *(f"{f'beam {size}':>9}" for size in beam_sizes)]).rstrip()]
    for penalty in sorted({trial.length_penalty for trial in trials}):
        lines.append(
            "".join([f"{penalty:<14}", *(f"{cells[size, penalty]:>9}" for size in beam_sizes)]).rstrip()
        )
    return "\n".join(
        [
            *lines,
            f"* chosen: {_shown(chosen)} (before: {_shown(before)})",
            f"BLEU of the validation text: {chosen.bleu.signature}",
        ]
    )


def _shown(trial: "Trial") -> str:
    return f"beam {trial.beam_size}, length penalty {trial.length_penalty}, BLEU {trial.bleu.value:.2f}"
