"""Do everything once, on a real corpus: prepare it, train, score, translate, draw alignments.

Each step is a command that you can type yourself; it is shown before it runs. What an earlier demo has made
is used again, and training that was interrupted goes on where it stopped. The corpus: Home Assistant's
interface texts, from PyPI (Apache-2.0).
"""

import shlex
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from translate.commands import run_verb
from translate.errors import InputError
from translate.run_directory import RunDirectory
from translate.text_files import read_lines

# What a person might want to have translated in such an interface; none of them is in the corpus.
SENTENCES = (
    "Please enter the password of your account.",
    "The device could not be found on your network.",
    "Turn off all the lights in the kitchen.",
    "Do you really want to delete this automation?",
    "The battery of the door sensor is almost empty.",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the languages, and where things go."""
    parser.add_argument("--src_lang", type=str, default="en", help="Language to translate from.")
    parser.add_argument("--tgt_lang", type=str, default="de", help="Language to translate into.")
    parser.add_argument("--out", type=str, help="Run directory. Default: runs/demo_SRC_TGT.")
    parser.add_argument("--data_dir", type=str, default="data", help="Where downloads and corpora go.")
    parser.add_argument("--config", type=str, help="YAML file of settings. Default: train's.")


def run(options: Namespace) -> None:
    """Run the steps that are not done yet."""
    languages = f"{options.src_lang}_{options.tgt_lang}"
    corpus = Path(options.data_dir, f"home-assistant_{languages}")
    out = Path(options.out or f"runs/demo_{languages}")
    pictures = out / "alignments"

    _say(1, "the corpus")
    between = ["--src-lang", options.src_lang, "--tgt-lang", options.tgt_lang]
    _do("corpus", "home-assistant", *between, "--data-dir", options.data_dir)
    sentences = SENTENCES if options.src_lang == "en" else read_lines(corpus / f"test.{options.src_lang}")[:5]

    _say(2, "tokenizer and model")
    if RunDirectory(out).config_path.is_file():
        print(f"{out} is there: used again")
        _do("train", "--resume", str(out))
    else:
        config = ["--config", options.config] if options.config else []
        _do("train", *config, "--corpus", str(corpus), "--out", str(out))

    _say(3, "scores on text that the model has not seen")
    run_directory = RunDirectory.open(out)
    if _newer(run_directory.evaluation_path, run_directory.weights_path):
        print(f"{run_directory.evaluation_path} is there: used again")
        _print_scores(run_directory)
    else:
        _do("evaluate", str(out), "--corpus", str(corpus))

    _say(4, "a few sentences that a person typed")
    print("\n".join(f"  {sentence}" for sentence in sentences))
    _do("translate", str(out), *sentences)

    _say(5, "where each word came from")
    if pictures.is_dir() and any(pictures.iterdir()):
        print(f"{pictures} is there: used again")
    else:
        _do("align", str(out), "--format", "png", "--out", str(pictures), *sentences)
    _print_farewell(corpus, out, pictures)


def _say(number: int, what: str) -> None:
    print(f"\n── {number} of 5: {what}", flush=True)


def _do(verb: str, *arguments: str) -> None:
    print(f"$ seq2see {shlex.join([verb, *arguments])}", flush=True)
    code = run_verb(verb, arguments)
    if code:
        raise InputError(f"`seq2see {verb}` ended with exit code {code}")


def _newer(path: Path, other: Path) -> bool:
    return path.is_file() and path.stat().st_mtime >= other.stat().st_mtime


def _print_scores(run_directory: RunDirectory) -> None:
    for entry in run_directory.read_json(run_directory.evaluation_path):
        for score in entry["scores"]:
            print(f"  {score['name']:<6} {score['value']:6.2f}  {score['signature']}")


def _print_farewell(corpus: Path, out: Path, pictures: Path) -> None:
    print(f"""
── what is where
  {corpus}/  the corpus: plain text, and where it is from
  {out}/  the run: settings, tokenizer, weights, scores, logs
  {pictures}/  a heatmap for each sentence

── what to try next
  seq2see translate {out} "Your own sentence."
  seq2see align {out} --format png --out heatmap.png "Your own sentence."
  seq2see train --src YOUR.txt --tgt ITS_TRANSLATION.txt --out runs/mine
  seq2see train --config configs/multi30k_transformer.yaml --help
  tensorboard --logdir {out}""")
