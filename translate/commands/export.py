"""Write a run's model in another form, into the run directory: for other engines, or to pass it on.

--format ctranslate2 is for translating fast on CPUs: `seq2see translate` uses the export as long as it is of
exactly the run's weights. It is for transformer encoders and decoders with scaled_dot attention and softmax.

--format onnx is for other programs and languages: the encoder and one step of the decoder as ONNX graphs of
any model, its tokenizer and its settings. docs/examples/translate_onnx.py translates with them.

--format hub is for other people: a folder with the weights, the tokenizer, the settings and a model card,
which every command reads like a run. --upload puts it on the Hugging Face hub, from where
`seq2see translate user/name` reads it.

`seq2see doctor` says what is installed.
"""

from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser, Namespace

from translate.errors import UsageError
from translate.export import Quantization
from translate.run_directory import RunDirectory


def add_arguments(parser: ArgumentParser) -> None:
    """Declare which run, in what form, and how."""
    parser.add_argument("run", type=str, help="Run directory of the model.")
    parser.add_argument(
        "--format",
        type=Literal["ctranslate2", "onnx", "hub"],
        default="ctranslate2",
        help="ctranslate2: to translate fast on a CPU; onnx: for other programs; hub: a folder to pass on.",
    )
    parser.add_argument(
        "--quantization",
        type=Quantization | None,
        help="ctranslate2 only: type of the weights. float32 (the default) translates as torch does; int8 is "
        "smaller and faster, and now and then chooses another word: score it with `seq2see evaluate --engine "
        "ctranslate2`.",
    )
    parser.add_argument(
        "--languages",
        nargs=2,
        type=str,
        metavar=("SRC", "TGT"),
        help="hub only: languages for the model card, such as de en. Default: the run's.",
    )
    parser.add_argument(
        "--licence",
        type=str,
        help="hub only: licence of the model for its card, as the hub calls it, such as apache-2.0 (default: "
        "unknown). The text it was trained on may set terms.",
    )
    parser.add_argument(
        "--upload",
        type=str,
        metavar="USER/NAME",
        help="hub only: put the folder on the Hugging Face hub under this name, which needs a login.",
    )
    parser.add_argument("--private", action="store_true", help="With --upload: only you can see it.")


def run(options: Namespace) -> None:
    """Export, and say where to."""
    _check_usage(options)
    directory = RunDirectory.open(options.run)
    match options.format:
        case "ctranslate2":
            from translate.export.ctranslate2_model import export_ctranslate2

            export = export_ctranslate2(directory, options.quantization or "float32")
            print(f"{_made(export.path)}, {export.quantization}, up to {export.positions - 1} pieces")
        case "onnx":
            from translate.export.onnx_model import export_onnx

            print(_made(export_onnx(directory)))
        case "hub":
            _export_hub(directory, options)


def _check_usage(options: Namespace) -> None:
    """Refuse options that the format has no use for."""
    of_format = {"quantization": "ctranslate2", "languages": "hub", "licence": "hub", "upload": "hub"}
    for name, needed in of_format.items():
        if getattr(options, name) is not None and options.format != needed:
            raise UsageError(f"--{name} is for --format {needed}, not for {options.format}")
    if options.private and options.upload is None:
        raise UsageError("--private is for --upload")
    if options.upload is not None:
        from translate.export.hub import check_repository

        check_repository(options.upload)


def _export_hub(directory: RunDirectory, options: Namespace) -> None:
    from translate.export.hub import upload
    from translate.export.hub_folder import About, export_hub

    folder = export_hub(directory, About(tuple(options.languages or ()), options.licence or "unknown"))
    print(_made(folder))
    if options.upload is not None:
        print(upload(folder, options.upload, private=options.private))


def _made(folder: Path) -> str:
    return f"{folder}: {sum(file.stat().st_size for file in folder.iterdir()) / 1e6:.1f} MB"
