"""What coverage, sparsemax, entmax and a guide do for translations and for alignments; one JSON.

    python benchmarks/attention_variants.py

Each variant of Bahdanau's model learns the project's own grammar (`seq2see corpus synthetic`), which knows
where each word comes from. The reading (a shift, a threshold) is chosen on the validation part; BLEU and the
alignment error rate are of the test part. Variants that are in the results already are not trained again.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from measuring import seq2see
from quality import describe_machine
from quality_table import ROOT, insert_table

from translate.alignment.aer import error_rate, read_gold
from translate.alignment.choose import choose_by_gold
from translate.alignment.extract import align_pairs, read_maps
from translate.alignment.words import at_level, links
from translate.corpora.corpus import load_corpus
from translate.evaluation import score
from translate.translator import Translator

RESULTS = ROOT / "benchmarks" / "results" / "attention_variants.json"
PAGE = ROOT / "docs" / "alignment.md"
MARKERS = ("<!-- variants: begin -->", "<!-- variants: end -->")
STEPS, SIZE = 1000, 20_000
BASE = {
    "data.batch_tokens": 1024,
    "tokenizer.algorithm": "bpe",
    "tokenizer.vocab_size": 4000,
    "model.embedding_size": 128,
    "model.dropout": 0.05,
    "model.encoder.size": 128,
    "model.attention.size": 128,
    "model.decoder.size": 128,
    "training.max_steps": STEPS,
    "training.learning_rate": 4.0e-3,
    "training.warmup_steps": 100,
    "training.label_smoothing": 0.0,
    "training.ema_decay": 0.99,
    "training.validate_every": 500,
}
VARIANTS: dict[str, dict[str, object]] = {
    "softmax": {},
    "softmax, coverage": {"model.attention.coverage": True},
    "sparsemax": {"model.attention.normalizer": "sparsemax"},
    "entmax 1.5": {"model.attention.normalizer": "entmax15"},
    "softmax, guided by fast_align's links": {
        "training.alignment": "guided",
        "training.alignment_links": "fast_align",
    },
}


def measure(name: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Train a variant, and score its translations and its links."""
    corpus, run = folder / "corpus", folder / name.replace(" ", "_")
    if not run.exists():
        flags = [f"--{key}={value}" for key, value in {**BASE, **VARIANTS[name]}.items()]
        threads = ["--threads", str(options.threads)]
        seq2see(
            "train", "--corpus", str(corpus), "--out", str(run), "--precision", "float32", *threads, *flags
        )
    splits = load_corpus(corpus).splits
    translator = Translator(run, threads=options.threads)
    model, tokenizers = translator.model, translator.tokenizers
    pairs = {
        part: list(zip(splits[part]["src"], splits[part]["tgt"], strict=True)) for part in ("valid", "test")
    }
    gold = {part: read_gold(corpus / f"{part}.links") for part in pairs}
    chosen = choose_by_gold(
        read_maps(model, tokenizers, pairs["valid"]), gold["valid"], translator.config.model
    )[0]
    found = [
        links(at_level(alignment, "token"), chosen.threshold)
        for alignment in align_pairs(model, tokenizers, pairs["test"], chosen.reading)
    ]
    sources, references = ([pair[side] for pair in pairs["test"]] for side in (0, 1))
    translations = [found.text for found in translator.translate(sources)]
    return {
        "variant": name,
        "bleu": score(translations, references, tgt_lang="de")[0]._asdict(),
        "links": error_rate(found, gold["test"])._asdict(),
        "reading": chosen.reading.words,
        "threshold": chosen.threshold,
        "training": json.loads((run / "summary.json").read_text(encoding="utf-8")),
    }


def table(results: dict[str, Any]) -> str:
    """A row for each variant, as Markdown."""
    lines = [
        "| attention | BLEU | AER % | precision % | recall % | read |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for row in results["rows"]:
        rates = (f"{100 * row['links'][rate]:.1f}" for rate in ("aer", "precision", "recall"))
        rule = "the highest weight" if row["threshold"] is None else f"from {row['threshold']} on"
        reading = row["reading"].partition(", ")[2]
        lines.append(
            f"| {row['variant']} | {row['bleu']['value']:.1f} | {' | '.join(rates)} | "
            f"{', '.join(filter(None, (reading, rule)))} |"
        )
    signatures = {row["bleu"]["signature"] for row in results["rows"]}
    return "\n".join(
        [
            *lines,
            "",
            "A bidirectional GRU encoder and a GRU decoder with Bahdanau's attention, 128 units, "
            f"{results['steps']:,} steps on {results['pairs']:,} pairs of the grammar, one run each. BLEU: "
            f"`{', '.join(sorted(signatures))}`.",
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--work", type=Path, default=Path(".bench/variants"), help="where runs are kept")
    parser.add_argument("--threads", type=int, default=0, help="of a training (default: one per core)")
    options = parser.parse_args()
    folder = options.work.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "corpus").exists():
        seq2see("corpus", "synthetic", "--size", str(SIZE), "--out", str(folder / "corpus"))
    results: dict[str, Any] = {"steps": STEPS, "pairs": SIZE, "machine": describe_machine(), "rows": []}
    if RESULTS.is_file():
        results = json.loads(RESULTS.read_text(encoding="utf-8"))
    for name in VARIANTS:
        if not any(row["variant"] == name for row in results["rows"]):
            results["rows"].append(measure(name, folder, options))
            RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    page = insert_table(PAGE.read_text(encoding="utf-8"), table(results), MARKERS)
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
