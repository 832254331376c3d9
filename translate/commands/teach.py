"""Let a trained model make training text: distilled, self-trained or back-translated, as a new corpus.

Without --monolingual or --monolingual-src, RUN translates the training sources of the corpus, and its
translations become the targets: sequence-level knowledge distillation (Kim & Rush 2016). With --best-of N it
is the one of its N best that is most like the target in the corpus.

--monolingual-src FILE: RUN translates further text of the source language (self-training).
--monolingual FILE: RUN, which goes the other way or both, translates further text of the target language back
(back-translation, Sennrich et al. 2016). Either makes pairs that are added to those of the corpus.

With --ensemble, several runs translate together.

Validation and test parts stay as they are, and sentences of theirs are left out of monolingual text. What was
translated before an interruption is not translated again when the same command is given again.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from jsonargparse import ArgumentParser, Namespace

from translate.commands.evaluate import add_ensemble
from translate.errors import UsageError

if TYPE_CHECKING:
    from translate.corpora.corpus import Corpus, Pair
    from translate.translator import Translator


class Taught(NamedTuple):
    """The training pairs that a teacher has made."""

    pairs: list["Pair"]
    blank: int  # that were left out, because the translation is empty


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the teacher, what it translates, and where the corpus goes."""
    parser.add_argument("run", type=str, help="Run directory of the teacher.")
    parser.add_argument("--corpus", type=str, required=True, help="Folder made by `seq2see corpus`.")
    parser.add_argument("--out", type=str, required=True, help="Folder to make.")
    parser.add_argument(
        "--monolingual", type=str, metavar="FILE", help="Text of the target language, to translate back."
    )
    parser.add_argument(
        "--monolingual_src", type=str, metavar="FILE", help="Text of the source language, to translate."
    )
    parser.add_argument(
        "--best_of", type=int, default=1, help="Choose among so many translations, by chrF with the target."
    )
    parser.add_argument(
        "--keep", action="store_true", help="Add the teacher's translations to the targets, replacing none."
    )
    parser.add_argument(
        "--upsample", type=int, default=1, help="How many times each pair of the corpus is in the new one."
    )
    parser.add_argument(
        "--tag", type=str, default="", help="Begin each back-translated source with this, such as <BT>."
    )
    add_ensemble(parser)
    parser.add_argument("--beam_size", type=int, help="Of the teacher. Default: as in its config.")
    parser.add_argument("--device", type=Literal["auto", "cpu", "cuda", "mps"], default="auto", help="Where.")
    parser.add_argument(
        "--engine", type=Literal["auto", "torch", "ctranslate2"], default="auto", help="What translates."
    )
    parser.add_argument("--threads", type=int, default=0, help="Processor threads; 0: one per core.")
    parser.add_argument(
        "--processes", type=int, default=0, help="Processes that share the text; 0: as many as pays."
    )


def run(options: Namespace) -> None:
    """Translate, and write the corpus."""
    _check_usage(options)
    from translate.commands.corpus import report
    from translate.corpora.corpus import check_unused, load_corpus, to_dataset, write_corpus
    from translate.platforms import keep_freed_memory
    from translate.teaching import Device, kept_beside, open_teacher

    keep_freed_memory()
    check_unused(options.out)
    corpus = load_corpus(options.corpus)
    back = options.monolingual is not None
    translator = open_teacher(
        options.run,
        corpus.tgt_lang if back else corpus.src_lang,
        Device(options.device, options.engine, options.threads, options.processes),
        reverse=back,
        ensemble=options.ensemble,
    )
    translations = kept_beside(options.out)
    translations.parent.mkdir(parents=True, exist_ok=True)
    taught = _taught(options, corpus, translator, translations)
    genuine = list(zip(corpus.splits["train"]["src"], corpus.splits["train"]["tgt"], strict=True))
    replaced = not (back or options.monolingual_src or options.keep)
    train = taught.pairs if replaced else genuine * options.upsample + taught.pairs
    made = corpus._replace(
        name=f"{corpus.name}, taught",
        splits=corpus.splits | {"train": to_dataset(train)},
        links={name: lines for name, lines in corpus.links.items() if name != "train"},
        dropped={"empty translation": taught.blank},
    )
    write_corpus(made, options.out, _settings(options, translator))
    translations.unlink()
    print(f"made {options.out}")
    print(report(load_corpus(options.out)))


def _check_usage(options: Namespace) -> None:
    """Refuse options that contradict one another or make no sense, before anything is read."""
    for name, least in (("best_of", 1), ("upsample", 1), ("beam_size", 1), ("threads", 0), ("processes", 0)):
        value = getattr(options, name)
        if value is not None and value < least:
            raise UsageError(f"--{name.replace('_', '-')} is {value}: it must be at least {least}")
    both = options.monolingual is not None and options.monolingual_src is not None
    if both:
        raise UsageError("--monolingual and --monolingual-src are both given: make one corpus of the other's")
    monolingual = options.monolingual is not None or options.monolingual_src is not None
    for flag, given in (("--best-of", options.best_of > 1), ("--keep", options.keep)):
        if monolingual and given:
            raise UsageError(
                f"{flag} is for the corpus's own pairs: monolingual text has no other translation"
            )
    if options.upsample > 1 and not (monolingual or options.keep):
        raise UsageError("--upsample is for pairs that are kept: give --keep, or monolingual text")
    if options.tag and options.monolingual is None:
        raise UsageError("--tag marks what was translated back: give --monolingual FILE")


def _taught(options: Namespace, corpus: "Corpus", translator: "Translator", translations: Path) -> Taught:
    """Let the teacher translate, and pair what it was given with what it made of it."""
    from dataclasses import replace

    from translate.teaching import Lesson, read_monolingual, teach

    references = None
    held_out = [split for name, split in corpus.splits.items() if name != "train"]
    if options.monolingual is not None:
        texts = read_monolingual(options.monolingual, (tgt for split in held_out for tgt in split["tgt"]))
    elif options.monolingual_src is not None:
        texts = read_monolingual(options.monolingual_src, (src for split in held_out for src in split["src"]))
    else:
        texts = list(corpus.splits["train"]["src"])
        references = list(corpus.splits["train"]["tgt"]) if options.best_of > 1 else None
    beam_size = max(options.beam_size or translator.config.search.beam_size, options.best_of)
    search = translator.config.search
    mbr = 0 if options.best_of > 1 else search.mbr  # the target chooses, not the other translations
    search = replace(search, beam_size=beam_size, n_best=options.best_of, mbr=mbr)
    made = teach(translator, Lesson(texts, references), search, translations, options.processes)
    pairs = [(text, own) for text, own in zip(texts, made, strict=True) if own.strip()]
    blank = len(texts) - len(pairs)
    if options.monolingual is not None:
        pairs = [(f"{options.tag} {own}".lstrip(), text) for text, own in pairs]
    return Taught(pairs, blank)


def _settings(options: Namespace, translator: "Translator") -> dict[str, Any]:
    """What the corpus was made from: the options, and which weights they meant."""
    names = ("run", "corpus", "monolingual", "monolingual_src", "best_of", "keep", "upsample", "tag")
    return {
        "source": "teach",
        **{name: getattr(options, name) for name in (*names, "beam_size")},
        "ensemble": options.ensemble,
        "weights_sha256": [member.weights_sha256() for member in translator.members],
    }
