"""Write a run's model for another engine, into the run directory: CTranslate2, which is fast on CPUs.

`seq2see translate` uses the export as long as it is of exactly the run's weights. CTranslate2 runs
transformer encoders and decoders with scaled_dot attention and softmax. `seq2see doctor` says whether it is
installed.
"""

from typing import Literal

from jsonargparse import ArgumentParser, Namespace

from translate.export import Quantization


def add_arguments(parser: ArgumentParser) -> None:
    """Declare which run, for which engine, and how exactly."""
    parser.add_argument("run", type=str, help="Run directory of the model.")
    parser.add_argument(
        "--format", type=Literal["ctranslate2"], default="ctranslate2", help="Engine to export for."
    )
    parser.add_argument(
        "--quantization",
        type=Quantization,
        default="float32",
        help="Type of the weights. float32 translates as torch does; int8 is smaller and faster, and now and "
        "then chooses another word: score it with `seq2see evaluate --engine ctranslate2`.",
    )


def run(options: Namespace) -> None:
    """Export, and say where to."""
    from translate.export.ctranslate2_model import export_ctranslate2
    from translate.run_directory import RunDirectory

    export = export_ctranslate2(RunDirectory.open(options.run), options.quantization)
    size = sum(file.stat().st_size for file in export.path.iterdir()) / 1e6
    print(f"{export.path}: {export.quantization}, {size:.1f} MB, up to {export.positions - 1} pieces")
