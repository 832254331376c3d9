"""The model card: what a stranger must know of a run, in its README.md."""

from collections.abc import Mapping
from typing import Any

from translate import __version__
from translate.config_files import dump_config
from translate.run_directory import RunDirectory


def model_card(run: RunDirectory) -> str:
    """Write what the run's own files say: data, scores, settings, versions, how to use it."""
    data, summary = run.read_json(run.data_path), run.read_json(run.summary_path)
    both = run.config.data.directions == "both"
    back = f'\n    seq2see translate {run.path} --backwards "..."' if both else ""
    directions = ",\nin both directions" if both else ""
    return f"""# {run.path.name}

A translation model trained by seq2see {__version__} (torch {summary["torch"]}).

## Use

    seq2see translate {run.path} "..."{back}
    seq2see align {run.path} --format png "..."

## Data

Trained {_windows(data)}on {data["train_pairs_used"]:,} of {data["train_pairs"]:,} sentence pairs from
{data["from"]}
(sha256 {data["train_sha256"]}){directions}; validated
on {data["valid_pairs"]:,} (sha256 {data["valid_sha256"]}).
{_origins(data)}
The model may hold what its training text holds: the text's licence and its privacy are yours to mind.

## Scores

Best validation BLEU {summary["best_bleu"]} at step {summary["best_step"]} of {summary["steps"]}.
These are the weights kept. Test scores, with their sacreBLEU signatures, are in evaluation.json after
`seq2see evaluate`.{_before(summary)}

{summary["parameters"]:,} parameters; {summary["minutes"]} minutes on {summary["device"]},
processes {summary["processes"]}, threads of each {summary["threads"]}, {summary["precision"]}.

## Settings

```yaml
{dump_config(run.config)}```
"""


def _windows(data: Mapping[str, Any]) -> str:
    """What the counts are of, if the text was too large to be counted."""
    return f"in windows of {data['window']:,} pairs, in the first of them " if "window" in data else ""


def _origins(data: Mapping[str, Any]) -> str:
    """What else the run was made of: pairs that are drawn for each epoch, and another run."""
    lines = [
        f"\nMixed in, drawn anew for each epoch: {part['each_epoch']:,} of {part['pairs_used']:,} "
        f"{part['what']} pairs, from {part['from']}\n(sha256 {part['sha256']})."
        for part in data.get("parts", [])[1:]
    ]
    if "initial" in data:
        run, sha256 = data["initial"]["run"], data["initial"]["weights_sha256"]
        lines.append(f"\nFine-tuned from {run}, with its tokenizer (weights' sha256 {sha256}).")
    return "".join(lines)


def _before(summary: Mapping[str, Any]) -> str:
    """What fine-tuning changed, if the run was fine-tuned."""
    text = ""
    if "initial_bleu" in summary:
        text += f"\nBefore fine-tuning: {summary['initial_bleu']}."
    if "old_bleu" in summary:
        text += (
            f" On the validation text of the run before: {summary['old_bleu_before']}, "
            f"after fine-tuning {summary['old_bleu']}."
        )
    return text
