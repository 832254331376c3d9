"""From text to the ids that a run is trained on: cut into pieces by several threads, or from the cache."""

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import accumulate, islice
from pathlib import Path

from translate.errors import InputError
from translate.stored_pairs import IdPairs, Rows
from translate.tokenizer import Tokenizers
from translate.training.ids_cache import find_cache, keep, key_of, take
from translate.training.mixture import Part
from translate.training.text import Pair

log = logging.getLogger(__name__)

CUT_TOGETHER = 10_000  # pairs


def write_ids(
    path: Path,
    parts: Sequence[Part],
    hashes: Sequence[str],
    tokenizers: Tokenizers,
    max_length: int,
    threads: int,
) -> list[bytes]:
    """Write the ids of the pairs that are not too long, in order: the same for any number of threads.

    Args:
        path: of the new folder of ids.
        hashes: of each part's text.
        max_length: most pieces of a side.

    Returns:
        For each part, 1 for each pair that is not too long, else 0.

    Raises:
        InputError: all pairs of a part are too long.
    """
    cache = find_cache()
    entry = cache and cache / key_of(hashes, tokenizers, max_length)
    kept = take(entry, path) if entry else None
    if kept is not None:
        log.info("the ids of this text were there already, in %s", entry)
        ends = list(accumulate(len(part.pairs) for part in parts))
        fits = [kept[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
    else:
        fits = write_fitting(path, parts, tokenizers, max_length, threads)
    for part, of_part in zip(parts, fits, strict=True):
        tell_too_long(part, of_part, max_length)
    if entry and kept is None:
        keep(entry, path, b"".join(fits))
    return fits


def write_fitting(
    path: Path, parts: Sequence[Part], tokenizers: Tokenizers, max_length: int, threads: int
) -> list[bytes]:
    """As `write_ids`, but never from the cache nor into it, and without a word of what is too long."""
    found = [bytearray() for _ in parts]
    IdPairs.write(path, _fitting(parts, tokenizers, max_length, threads, found))
    return [bytes(of_part) for of_part in found]


def _fitting(
    parts: Sequence[Part], tokenizers: Tokenizers, max_length: int, threads: int, fits: Sequence[bytearray]
) -> Iterator[tuple[Rows, Rows]]:
    """Yield the ids of the pairs that are not too long, some thousand at a time; note them in `fits`."""
    for part, of_part in zip(parts, fits, strict=True):
        for src, tgt in cut(part.pairs, tokenizers, threads):
            fitting = (src.lengths <= max_length) & (tgt.lengths <= max_length)
            of_part += fitting.tobytes()
            yield src.select(fitting), tgt.select(fitting)


def cut(pairs: Iterable[Pair], tokenizers: Tokenizers, threads: int) -> Iterator[tuple[Rows, Rows]]:
    """Yield the ids of pairs, source and target, in order and some thousand at a time.

    Most of the work is SentencePiece's, which lets other threads run meanwhile. No more than a piece for each
    thread and one are in memory, however long the text is.
    """
    pairs = iter(pairs)

    def of_piece(piece: list[Pair]) -> tuple[Rows, Rows]:
        src, tgt = zip(*piece, strict=True)
        return Rows.of(tokenizers.src.encode_batch(src)), Rows.of(tokenizers.tgt.encode_batch(tgt))

    waiting: deque[Future[tuple[Rows, Rows]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        while piece := list(islice(pairs, CUT_TOGETHER)):
            waiting.append(pool.submit(of_piece, piece))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def tell_too_long(part: Part, fits: bytes, max_length: int) -> None:
    """Say how many pairs are left out; raise InputError if it is all of them."""
    total, count = len(fits), sum(fits)
    if not count:
        raise InputError(
            f"all {total} {part.what} pairs have more than data.max_length = {max_length} pieces"
        )
    if count < total:
        log.warning(
            "left out %d of %d %s pairs with more than data.max_length = %d pieces",
            total - count, total, part.what, max_length,
        )  # fmt: skip
