"""A model to pass on: a run directory without what only training needs, with a card for the hub."""

import shutil
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from translate import __version__
from translate.config import Config
from translate.config.data import DataConfig, InitialConfig
from translate.config_files import dump_config
from translate.errors import InputError
from translate.run_directory import RunDirectory
from translate.run_directory.exports import write_export

METRICS = {"BLEU": "bleu", "chrF2": "chrf", "TER": "ter"}  # as the hub calls them


class About(NamedTuple):
    """What the card says and the run does not know."""

    languages: tuple[str, ...] = ()  # source first; empty: as the run's config says
    licence: str = "unknown"  # of the model; an identifier of the hub, such as apache-2.0


def export_hub(run: RunDirectory, about: About) -> Path:
    """Write the folder into the run directory, in place of an earlier one.

    Raises:
        InputError: there are no good weights.
    """

    def write(_model: object, _tokenizers: object, folder: Path) -> None:
        made = RunDirectory(folder)
        made.save_config(without_paths(run.config))
        for name in RunDirectory.PORTABLE:
            if (run.path / name).is_file() and not (folder / name).exists() and name != run.card_path.name:
                shutil.copyfile(run.path / name, folder / name)
        made.save_card(hub_card(run, about))
        made.save_checksums()

    write_export(run, run.hub_path, write, {"seq2see": __version__})
    return run.hub_path


def without_paths(config: Config) -> Config:
    """Leave out where text and runs were: it says much of a machine and nothing to others."""
    data = config.data
    links = PurePath(config.training.alignment_links).name
    return replace(
        config,
        data=DataConfig(
            directions=data.directions,
            src_lang=data.src_lang,
            tgt_lang=data.tgt_lang,
            max_length=data.max_length,
            batch_tokens=data.batch_tokens,
        ),
        tokenizer=replace(config.tokenizer, path=None),
        initial=InitialConfig(),
        training=replace(config.training, alignment_links=links),
    )


def hub_card(run: RunDirectory, about: About) -> str:
    """Write the card: metadata that the hub reads, then what people read."""
    from huggingface_hub import ModelCardData

    corpus = _corpus(run)
    known = (run.config.data.src_lang, run.config.data.tgt_lang)
    languages = about.languages or tuple(language for language in known if language is not None)
    evaluations = run.read_json(run.evaluation_path) or []
    metadata = ModelCardData(
        language=list(dict.fromkeys(languages)) or None,
        license=about.licence,
        library_name="seq2see",
        pipeline_tag="translation",
        tags=["seq2see", "translation"],
        datasets=[corpus["name"]] if corpus else None,
        metrics=list(METRICS.values()) if evaluations else None,
        model_name=run.path.resolve().name,
        eval_results=_results(evaluations) or None,
    )
    return f"---\n{metadata.to_yaml()}\n---\n\n{_text(run, corpus, languages, evaluations)}"


def _corpus(run: RunDirectory) -> dict[str, Any]:
    """What the corpus folder says of itself, if there is one and it is still there."""
    from translate.corpora.corpus import read_about

    try:
        return dict(read_about(Path(run.config.data.corpus))) if run.config.data.corpus else {}
    except InputError:
        return {}


def _results(evaluations: list[dict[str, Any]]) -> list[Any]:
    from huggingface_hub import EvalResult

    return [
        EvalResult(
            task_type="translation",
            dataset_type="text",
            dataset_name=_test_set(entry),
            metric_type=METRICS[score["name"]],
            metric_name=score["name"],
            metric_value=round(score["value"], 2),
            metric_args={"signature": score["signature"]},
        )
        for entry in evaluations
        for score in entry["scores"]
        if score["name"] in METRICS
    ]


def _test_set(entry: dict[str, Any]) -> str:
    """A test set without the folders that it lies in."""
    return "/".join(PurePath(entry["test_set"]).parts[-2:])


def _text(
    run: RunDirectory,
    corpus: dict[str, Any],
    languages: tuple[str, ...],
    evaluations: list[dict[str, Any]],
) -> str:
    model, summary = run.config.model, run.read_json(run.summary_path) or {}
    kind = f"{model.encoder.type} encoder, {model.decoder.type} decoder, {model.attention.score} attention"
    size = f", {summary['parameters']:,} parameters" if summary else ""
    direction = f", {' to '.join(languages)}" if languages else ""
    if len(languages) == 2 and run.config.data.directions == "both":
        direction += " and back"
    data = "Trained on text that its maker has not described."
    if corpus:
        data = f"Trained on {corpus['name']} ({corpus['url']}). Licence of the text: {corpus['licence']}."
    rows = [
        f"| {_test_set(entry)} | {score['name']} | {score['value']:.1f} | `{score['signature']}` |"
        for entry in evaluations
        for score in entry["scores"]
    ]
    table = "\n".join(["| test set | metric | score | signature |", "| --- | --- | ---: | --- |", *rows])
    return f"""# {run.path.resolve().name}

A translation model{direction}: {kind}{size}. Made with seq2see {__version__}.

## Use

```python
from translate import Translator  # seq2see

Translator("USER/NAME").translate(["..."])  # its name on the hub, or a folder
```

    seq2see translate USER/NAME "..."
    seq2see align USER/NAME --format png --out heatmap.png "..."

## Data

{data}
The model may hold what its training text holds: the text's licence and its privacy are to be minded.

## Scores

{table if rows else "It has not been scored on a test set."}

## Settings

```yaml
{dump_config(without_paths(run.config))}```
"""
