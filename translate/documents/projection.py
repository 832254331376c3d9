"""From a text to its translation: where the inline elements of the one belong in the other, by word links.

An element goes around those words of the translation that came from its own words rather than from others,
by the weights that link the words. Each element of the source is there once, inside and beside the same ones.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

Span = tuple[int, int]

# What ends or begins a phrase, and is part of an element only if it is so in the source.
_CLOSING = ".,;:!?…)]}\"'»«”’“‘›‹。，、！？；：）】」』"
_OPENING = "([{\"'«„“‘»›‹¿¡（【「『"
# The least weight by which an element claims a word; with less, it has none.
LEAST = 0.1


class Mark(NamedTuple):
    """An inline element's place in a text: characters, begin and end, which are one where it is empty."""

    begin: int
    end: int
    tag: int  # which element it is; counted in the order of the document
    inner: tuple["Mark", ...] = ()


class WordLinks(NamedTuple):
    """The words of a text and of its translation, as characters, begin and end, and how they are linked."""

    src: Sequence[Span]
    tgt: Sequence[Span]
    weights: Sequence[Sequence[float]]  # of each target word, how much of it came from each source word


def spread_evenly(src: str, tgt: str) -> WordLinks:
    """Link the words of two texts by their places alone, where nobody knows more."""
    words, others = _words(src), _words(tgt)
    nearest = [int((n + 0.5) * len(words) / len(others)) for n in range(len(others))]
    return WordLinks(words, others, [[float(n == near) for n in range(len(words))] for near in nearest])


def merge(pieces: Sequence[tuple[int, int, WordLinks]]) -> WordLinks:
    """Return the links of texts that are parts of one.

    Args:
        pieces: of each part, where it begins in the source and in the translation, and its own links.
    """
    src: list[Span] = []
    tgt: list[Span] = []
    rows: list[list[float]] = []
    total = sum(len(links.src) for _, _, links in pieces)
    for src_begin, tgt_begin, links in pieces:
        after = total - len(src) - len(links.src)
        rows += [[0.0] * len(src) + list(row) + [0.0] * after for row in links.weights]
        src += [(begin + src_begin, end + src_begin) for begin, end in links.src]
        tgt += [(begin + tgt_begin, end + tgt_begin) for begin, end in links.tgt]
    return WordLinks(src, tgt, rows)


def project(marks: Sequence[Mark], src: str, tgt: str, links: WordLinks) -> tuple[Mark, ...]:
    """Place the elements of a text in its translation: each once, and inside the same ones as in the source.

    An element goes around the stretch of words in which the weights that come from its own words exceed
    those from others the most; two never share a word. Around a whole text, it is around the whole
    translation. One that is left without a word is empty.

    An empty element goes before the word that came from the one behind it; where it touches only the word
    before it, or none is behind it, it goes behind what came from that.

    Marks of one element come in the order of the translation.
    """
    everything = _Projection(src, tgt, links)
    whole = everything.region((0, len(src)), (0, len(tgt)), range(len(links.src)), (0, len(links.tgt)))
    return everything.place(marks, whole)


class _Region(NamedTuple):
    """The inside of an element: in the source and in the translation, as characters and as words."""

    src_begin: int
    src_end: int
    begin: int
    end: int
    src_words: Sequence[int]
    words: tuple[int, int]  # the first, and the one behind the last
    totals: Sequence[float]  # how much of each of these came from the source's


class _Projection:
    """A pair of texts, whose elements are placed from the outer ones to the inner ones."""

    def __init__(self, src: str, tgt: str, links: WordLinks) -> None:
        self.src, self.tgt, self.links = src, tgt, links
        self.src_cores = [_core(src, span) for span in links.src]
        self.tgt_cores = [_core(tgt, span) for span in links.tgt]

    def region(self, src: Span, tgt: Span, src_words: Sequence[int], words: Span) -> _Region:
        """Return the inside of an element, as characters and as words of either text."""
        totals = [sum(row[n] for n in src_words) for row in self.links.weights[slice(*words)]]
        return _Region(*src, *tgt, src_words, words, totals)

    def place(self, marks: Sequence[Mark], region: _Region) -> tuple[Mark, ...]:
        """Return the marks that are inside a region, in their places."""
        wide = [mark for mark in marks if mark.end > mark.begin]
        own = {mark.tag: self._words_of(mark, region) for mark in wide}
        found = self._stretches(own, region)
        placed: list[Mark] = []
        for mark in wide:
            if words := found.get(mark.tag):
                begin, end = self._characters(mark, words, region)
                inside = self.region((mark.begin, mark.end), (begin, end), own[mark.tag], words)
                placed.append(Mark(begin, end, mark.tag, self.place(mark.inner, inside)))
        empty: list[Mark] = []
        for mark in marks:
            if mark.tag not in found:
                place = self._point(mark.begin, region, placed)
                inside = self.region((mark.begin, mark.end), (place, place), (), (0, 0))
                empty.append(Mark(place, place, mark.tag, self.place(mark.inner, inside)))
        return tuple(sorted([*placed, *empty]))

    def _words_of(self, mark: Mark, region: _Region) -> list[int]:
        """Return the source words of which a mark has a part, if it can be one that is no punctuation."""
        for spans in (self.src_cores, self.links.src):
            words = [n for n in region.src_words if spans[n][0] < mark.end and mark.begin < spans[n][1]]
            if words:
                return words
        return []

    def _stretches(self, own: dict[int, list[int]], region: _Region) -> dict[int, Span]:
        """Give each mark a stretch of target words: in turn the one whose stretch is the clearest."""
        free = [region.words] if region.words[0] < region.words[1] else []
        if len(own) == 1:
            [(tag, words)] = own.items()
            if len(words) == len(region.src_words) and free:
                return {tag: region.words}
        gains = {tag: self._gains(words, region) for tag, words in own.items()}

        def best(tag: int) -> tuple[float, Span] | None:
            ways = (_best_stretch(gains[tag], stretch) for stretch in free)
            return max(
                (way for way in ways if self._share(own[tag], way[1]) >= LEAST),
                key=lambda way: way[0],
                default=None,
            )

        found: dict[int, Span] = {}
        waiting = {tag: way for tag in own if (way := best(tag)) is not None}
        while waiting:
            clearest = max(waiting, key=lambda tag: waiting[tag][0])
            _, (begin, end) = waiting.pop(clearest)
            found[clearest] = begin, end
            [of] = [stretch for stretch in free if stretch[0] <= begin < stretch[1]]
            free.remove(of)
            free += [rest for rest in ((of[0], begin), (end, of[1])) if rest[0] < rest[1]]
            for tag, (_, (other_begin, other_end)) in list(waiting.items()):
                if other_begin < end and begin < other_end:
                    way = best(tag)
                    if way is None:
                        del waiting[tag]
                    else:
                        waiting[tag] = way
        return found

    def _share(self, src_words: Sequence[int], words: Span) -> float:
        """How much of a word in a stretch came from some source words; of the word of which it is most."""
        return max(sum(row[n] for n in src_words) for row in self.links.weights[slice(*words)])

    def _gains(self, words: Sequence[int], region: _Region) -> list[float]:
        """How much more of each target word came from some source words than from the others around them."""
        first, end = region.words
        rows = self.links.weights
        gains = [0.0] * len(rows)
        for place in range(first, end):
            inside = sum(rows[place][n] for n in words)
            gains[place] = 2 * inside - region.totals[place - first]
        return gains

    def _characters(self, mark: Mark, words: Span, region: _Region) -> Span:
        """Return where a stretch of words begins and ends, without punctuation that is not the mark's."""
        first, last = words[0], words[1] - 1
        begin, end = self.links.tgt[first][0], self.links.tgt[last][1]
        text = self.src[mark.begin : mark.end].strip()
        if text and text[0] not in _OPENING:
            begin = self.tgt_cores[first][0]
        if text and text[-1] not in _CLOSING:
            end = self.tgt_cores[last][1]
        if words == region.words and mark.begin <= region.src_begin:
            begin = region.begin
        if words == region.words and mark.end >= region.src_end:
            end = region.end
        return min(max(begin, region.begin), region.end), max(min(end, region.end), region.begin)

    def _point(self, at: int, region: _Region, placed: Sequence[Mark]) -> int:
        """Return where an empty element belongs that is at a place of the source."""
        before = [n for n in region.src_words if self.src_cores[n][0] < at]
        after = [n for n in region.src_words if self.src_cores[n][0] >= at]
        if not before:
            return region.begin
        if not after and not self.src[at : region.src_end].strip():
            return region.end
        touching = self.links.src[before[-1]][1] >= at
        ways = [self._before(after, region), self._behind(reversed(before), region)]
        for place, is_before in reversed(ways) if touching else ways:
            if place is None:
                continue
            for each in placed:
                if each.begin < place < each.end:
                    place = each.begin if is_before else each.end
            return min(max(place, region.begin), region.end)
        return region.end

    def _before(self, src_words: Sequence[int], region: _Region) -> tuple[int | None, bool]:
        """Return where begins what came from the first of some words that anything came from."""
        stretch = next(filter(None, (self._from(n, region) for n in src_words)), None)
        return (self.links.tgt[stretch[0]][0] if stretch else None), True

    def _behind(self, src_words: Iterator[int], region: _Region) -> tuple[int | None, bool]:
        """Return where ends what came from the first of some words that anything came from."""
        stretch = next(filter(None, (self._from(n, region) for n in src_words)), None)
        return (self.tgt_cores[stretch[1] - 1][1] if stretch else None), False

    def _from(self, src_word: int, region: _Region) -> Span | None:
        """Return the target words that came from a source word most: the surest, and those beside it."""
        rows = self.links.weights
        came = [n for n in range(*region.words) if 0 < rows[n][src_word] == max(rows[n])]
        if not came:
            return None
        begin = max(came, key=lambda n: (rows[n][src_word], -n))
        end = begin + 1
        while begin - 1 in came:
            begin -= 1
        while end in came:
            end += 1
        return begin, end


def _best_stretch(gains: Sequence[float], within: Span) -> tuple[float, Span]:
    """Return the smallest stretch of words, one at least, with the greatest sum (Kadane's algorithm)."""
    best, found = float("-inf"), within
    total, begin = 0.0, within[0]
    for place in range(*within):
        if total <= 0:
            total, begin = 0.0, place
        total += gains[place]
        if total > best:
            best, found = total, (begin, place + 1)
    return best, found


def _words(text: str) -> list[Span]:
    return [found.span() for found in re.finditer(r"\S+", text)]


def _core(text: str, span: Span) -> Span:
    """Return a word without the punctuation around it; all of it if there is nothing else."""
    begin, end = span
    while begin < end and text[begin] in _OPENING:
        begin += 1
    while begin < end and text[end - 1] in _CLOSING:
        end -= 1
    return (begin, end) if begin < end else span
