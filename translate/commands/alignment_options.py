"""Flags of `align`: the texts, the attention that is read, links of it, and gold links."""

from typing import Literal

from jsonargparse import ArgumentParser

from translate.commands.alignment_input import PAIRS_FORMAT
from translate.commands.pairs_input import PAIRS_HELP, add_pairs_options


def add_texts(parser: ArgumentParser) -> None:
    """Declare the model, the texts, and what comes out."""
    parser.add_argument(
        "run", type=str, nargs="?", help="Run directory of the model, or user/name of the Hugging Face hub."
    )
    parser.add_argument("texts", type=str, nargs="*", help="Sentences to align.")
    parser.add_argument(
        "--src",
        type=str,
        help="Sentences to align, one a line (.gz is read as is). Default: standard input, -.",
    )
    parser.add_argument("--tgt", type=str, help="Their translations. Default: what the model translates.")
    parser.add_argument(
        "--pairs", type=str, nargs="+", metavar="FILE", help=f"Instead of --src and --tgt: {PAIRS_HELP}"
    )
    add_pairs_options(parser, format_flag=PAIRS_FORMAT)
    parser.add_argument("--limit", type=int, help="Only the first so many pairs.")
    parser.add_argument(
        "--format",
        type=Literal["pharaoh", "json", "npz", "png", "svg", "pdf", "html"],
        default="pharaoh",
        help="pharaoh: links; json: all there is, one object a line; npz: the same as arrays of numpy; png, "
        "svg, pdf: a heatmap of each pair; html: a page to look at them all.",
    )
    parser.add_argument(
        "--out",
        type=str,
        help="File for links and json (default: standard output), npz or html; for pictures a new folder, "
        "the file of a single one, or NAME.pdf for all on its pages.",
    )


def add_reading(parser: ArgumentParser) -> None:
    """Declare of what and by which attention weights are read, and how that is chosen and judged."""
    parser.add_argument(
        "--level",
        type=Literal["word", "token", "subword"],
        help="word (default): split at white space, in scripts without it by piece; token (default with "
        "--gold): split at white space, always; subword: the pieces of the model.",
    )
    parser.add_argument(
        "--layer",
        type=int,
        help="Layer of a transformer to read, from 1. Default: what was chosen (--choose), or the last but "
        "one.",
    )
    parser.add_argument(
        "--head",
        type=int | Literal["mean"],
        help="Attention head to read, from 1, or mean. Default: what was chosen, or mean.",
    )
    parser.add_argument(
        "--shifted",
        action="store_true",
        help="Read what a word attended to when it was the decoder's input (Chen et al. 2020), not when it "
        "was about to be emitted.",
    )
    parser.add_argument(
        "--plain",
        action="store_true",
        help="Read it when the word was about to be emitted, whatever was chosen.",
    )
    parser.add_argument(
        "--choose",
        action="store_true",
        help="Try all layers, heads and shifts on the pairs, and save the best in the run directory, for all "
        "that align there later. The best one has the fewest errors on --gold, or agrees most with the "
        "other direction: the --reverse run, or the run itself if it translates both ways.",
    )
    parser.add_argument(
        "--report",
        action="store_true",
        help="Say with numbers how far the picture can be trusted (--format json: as an object).",
    )


def add_linking(parser: ArgumentParser) -> None:
    """Declare which links come of weights, of one direction or two."""
    parser.add_argument("--reverse", type=str, help="Run directory of a model that translates the other way.")
    parser.add_argument(
        "--symmetrize",
        type=Literal[
            "intersection",
            "union",
            "grow-diag",
            "grow-diag-final",
            "grow-diag-final-and",
            "average",
            "geometric",
        ],
        help="With two directions, of --reverse or of a run trained with data.directions both: which links "
        "are kept; average, geometric: links of their mean weights. Default with --reverse: grow-diag.",
    )
    parser.add_argument(
        "--extract",
        type=Literal["argmax", "threshold", "margin", "one-to-one"],
        help="argmax (default): link each target word to the word it attends to most; threshold (default "
        "with --threshold): to all with enough weight; margin: with so much more than the end of sentence; "
        "one-to-one: no word has two links.",
    )
    parser.add_argument("--threshold", type=float, help="Link no words with less weight than this.")
    parser.add_argument(
        "--relative",
        type=float,
        default=0.0,
        help="Nor with less than this share of the strongest link of the source word (1: only that one). "
        "Default: 0.",
    )
    parser.add_argument(
        "--one_based", action="store_true", help="Count words in pharaoh links, written or read, from 1."
    )


def add_scoring(parser: ArgumentParser) -> None:
    """Declare what links are compared with."""
    parser.add_argument(
        "--gold",
        type=str,
        help="Compare with these links (i-j sure, ipj or i?j possible; or lines of `pair source target S|P`, "
        "HLT-NAACL 2003) and print the alignment error rate.",
    )
    parser.add_argument("--gold_one_based", action="store_true", help="Words in --gold count from 1.")
    parser.add_argument(
        "--links", type=str, help="Score these pharaoh links with --gold; RUN and a text are not needed."
    )
    parser.add_argument(
        "--against", type=str, help="Score these pharaoh links with --gold, too, and test the difference."
    )
