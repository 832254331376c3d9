"""Translate with CTranslate2 itself, from what `seq2see export` has made."""

import json
from pathlib import Path

import ctranslate2
import sentencepiece
from job import read_job, write_result
from stopwatch import in_batches, time_translating

EOS = 2  # as in the tokenizer


def main() -> None:
    job = read_job()
    folder = Path(job["run"], "ctranslate2")
    # The target's pieces are the first of the source's, or all.
    own = folder / "source_vocabulary.json"
    vocabulary = own if own.is_file() else folder / "shared_vocabulary.json"
    names = json.loads(vocabulary.read_text(encoding="utf-8"))
    numbers = {name: number for number, name in enumerate(names)}
    processor = sentencepiece.SentencePieceProcessor(model_file=job["tokenizer"])
    translator = ctranslate2.Translator(
        str(folder), device="cpu", compute_type=job["precision"], inter_threads=1, intra_threads=1
    )

    def translate(lines: list[str]) -> list[str]:
        rows = [[names[number] for number in [*ids, EOS]] for ids in processor.encode(lines)]
        found = translator.translate_batch(
            rows,
            beam_size=job["beam"],
            max_batch_size=job["batch"],
            length_penalty=job["length_penalty"],
            max_decoding_length=2 * max(map(len, rows)) + 10,
        )
        return [processor.decode([numbers[name] for name in each.hypotheses[0]]) for each in found]

    # It makes batches of like lengths by itself; one line at a time is a call each, as for everybody.
    timed = in_batches(job, translate) if job["batch"] == 1 else translate
    write_result(time_translating(job, timed), "ctranslate2")


if __name__ == "__main__":
    main()
