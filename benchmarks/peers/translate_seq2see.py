"""Translate with seq2see."""

from dataclasses import replace

from job import read_job, write_result
from stopwatch import in_batches, time_translating

from translate.platforms import keep_freed_memory
from translate.translator import Translator

ENOUGH = 10**9  # slots: a batch is as large as it is asked to be here


def main() -> None:
    job = read_job()
    keep_freed_memory()
    translator = Translator(job["run"], engine=job["engine"], threads=1)
    search = replace(
        translator.config.search, beam_size=job["beam"], length_penalty=job["length_penalty"], n_best=1
    )

    def translate(lines: list[str]) -> list[str]:
        # Without scores, as the command does unless it is asked for them, and as the others do.
        found = translator.translate(lines, search, batch_tokens=ENOUGH, scored=False)
        return [each.text for each in found]

    write_result(time_translating(job, in_batches(job, translate)), job["engine"])


if __name__ == "__main__":
    main()
