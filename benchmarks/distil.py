"""Make a corpus whose training targets are a trained model's own translations.

    python benchmarks/distil.py --run runs/multi30k_transformer --corpus data/multi30k_de_en \
        --out data/multi30k_de_en_distilled
    seq2see train --config configs/multi30k_distilled.yaml

A smaller model that learns from it gives with greedy search what its teacher needs a beam for (sequence-level
knowledge distillation, Kim & Rush 2016, section 3.2). Validation and test texts stay as they are.
"""

import argparse
from dataclasses import replace

from translate.corpora import check_unused, load_corpus, to_dataset, write_corpus
from translate.platforms import keep_freed_memory
from translate.translator import Translator


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--run", required=True, help="the teacher's run directory")
    parser.add_argument("--corpus", required=True, help="corpus folder whose training sources it translates")
    parser.add_argument("--out", required=True, help="corpus folder to make")
    parser.add_argument("--beam-size", type=int, default=5, help="of the teacher (default: 5)")
    parser.add_argument("--threads", type=int, default=0, help="of the processor (default: one per core)")
    options = parser.parse_args()
    keep_freed_memory()
    check_unused(options.out)
    corpus = load_corpus(options.corpus)
    translator = Translator(options.run, engine="auto", threads=options.threads)
    search = replace(translator.config.search, beam_size=options.beam_size, n_best=1)
    sources = list(corpus.splits["train"]["src"])
    translations = [found.text for found in translator.translate(sources, search)]
    # An empty translation teaches nothing.
    pairs = [pair for pair in zip(sources, translations, strict=True) if pair[1].strip()]
    distilled = corpus._replace(
        splits=corpus.splits | {"train": to_dataset(pairs)},
        links={name: lines for name, lines in corpus.links.items() if name != "train"},
    )
    write_corpus(distilled, options.out, {"source": "distil", "beam_size": options.beam_size})


if __name__ == "__main__":
    main()
