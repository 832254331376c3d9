"""The syntax of the synthetic corpus: English and German phrases, built side by side.

A German word knows the English words that it translates, so that links survive any reordering.
What counts as a source of a German word:

- its translation, word by word (an article by an article, whatever the gender comes from);
- every English word that it puts in one: Gartentür (garden, door), zum (to, the), kein (not, a),
  abholen (pick, up), anzurufen (to, call), sucht (looks, for), des (of, the), Annas (Anna, 's);
- the auxiliary that carries its tense: liest (is, reading), kaufte (did, buy).

One English word is the source of two German words where it takes two: ruft ... an (calls), heute Abend
(tonight). No source: commas around clauses, sich and its like, the an of "sich erinnern an". No German
word: do and does, the to of "wants to".

The German is a function of the English sentence, so nothing on the target side is drawn: time and
frequency stand before full objects and after pronouns, nicht after the objects and before the rest.
Both languages are truecased: capitals only where the word always has one.
"""

from dataclasses import dataclass
from typing import NamedTuple

from translate.corpora.synthetic.forms import PLURAL, Adjective, Case, Determiner, Noun, Slot, Verb, ending
from translate.corpora.synthetic.lexicon import COMPOUNDS, CONTRACTIONS, ENGLISH, GERMAN


@dataclass(frozen=True, eq=False)  # compared by identity: two "the" of a sentence are two words
class Src:
    """An English word."""

    text: str


class Tgt(NamedTuple):
    """A German word and the English words it translates."""

    text: str
    of: tuple[Src, ...] = ()


@dataclass(frozen=True)
class Phrase:
    """The same content in both languages, each in its own order."""

    src: tuple[Src, ...] = ()
    tgt: tuple[Tgt, ...] = ()

    def __add__(self, other: "Phrase") -> "Phrase":
        return Phrase(self.src + other.src, self.tgt + other.tgt)

    def pharaoh(self) -> str:
        """Return the links as 0-based "source-target" word numbers."""
        positions = {word: i for i, word in enumerate(self.src)}
        links = sorted((positions[src], j) for j, word in enumerate(self.tgt) for src in word.of)
        return " ".join(f"{i}-{j}" for i, j in links)


def _words(text: str) -> tuple[Src, ...]:
    return tuple(map(Src, text.split()))


def unit(en: str, de: str) -> Phrase:
    """Link each German word to all English words."""
    src = _words(en)
    return Phrase(src, tuple(Tgt(word, src) for word in de.split()))


def units(text: str) -> Phrase:
    """Read `in_the=am morning=Morgen`."""
    phrase = Phrase()
    for group in text.split():
        phrase += unit(*group.replace("_", " ").split("="))
    return phrase


NOTHING = Phrase()
SHIFTING = ("up", "away")  # particles that an English pronoun pushes behind it; for and to stay
COMMA = Phrase(tgt=(Tgt(","),))  # German separates clauses, English does not


class Nominal(NamedTuple):
    """A subject or an object."""

    phrase: Phrase
    person: int
    column: int = PLURAL
    kind: str = ""  # of its noun; "" for pronouns, names and lists
    pronoun: bool = False
    preposition: bool = False
    negated: bool = False  # "not a" became "kein"


class Group(NamedTuple):
    """A verb with its auxiliaries, where English and German put them."""

    auxiliary: tuple[Src, ...]  # before the subject in a question
    words: tuple[Src, ...]  # the rest of the English verb
    finite: Tgt  # second in a German main clause
    end: tuple[Tgt, ...]  # and last in it
    last: tuple[Tgt, ...]  # all of it, at the end of a subordinate clause


class Clause(NamedTuple):
    """The parts of a clause before they are put in order."""

    subject: Nominal
    group: Group
    negation: tuple[Src, ...] = ()
    reflexive: tuple[Tgt, ...] = ()
    early: Phrase = NOTHING  # often: before the English verb
    objects: tuple[Nominal, ...] = ()
    manner: Phrase = NOTHING
    place: Phrase = NOTHING
    time: Phrase = NOTHING

    def _english(self) -> tuple[Src, ...]:
        """Return all after the subject and the auxiliary."""
        words = self.negation + self.early.src + self.group.words
        objects = [nominal.phrase.src for nominal in self.objects]
        if objects and self.objects[0].pronoun and words[-1].text in SHIFTING:  # picks him up
            objects[0] += words[-1:]
            words = words[:-1]
        return (
            words
            + tuple(word for phrase in objects for word in phrase)
            + self.manner.src
            + self.place.src
            + self.time.src
        )

    def _german(self) -> tuple[Tgt, ...]:
        """Return all between the finite verb or the subject, and the verb at the end."""
        words = self.reflexive
        for nominal in self.objects:
            words += nominal.phrase.tgt if nominal.pronoun else ()
        words += self.early.tgt + self.time.tgt
        for nominal in self.objects:
            words += () if nominal.pronoun or nominal.preposition else nominal.phrase.tgt
        if self.negation and not any(nominal.negated for nominal in self.objects):
            words += (Tgt("nicht", self.negation),)
        words += self.manner.tgt
        for nominal in self.objects:
            words += nominal.phrase.tgt if nominal.preposition else ()
        return words + self.place.tgt

    def main(self, front: Phrase = NOTHING) -> Phrase:
        """Put the German verb second: after what stands in front, or else after the subject."""
        subject, group = self.subject.phrase, self.group
        before, after = (front.tgt, subject.tgt) if front.tgt else (subject.tgt, ())
        return Phrase(
            front.src + subject.src + group.auxiliary + self._english(),
            (*before, group.finite, *after, *self._german(), *group.end),
        )

    def question(self, front: Phrase = NOTHING) -> Phrase:
        """Put the verb first, after an interrogative if there is one."""
        subject, group = self.subject.phrase, self.group
        return Phrase(
            front.src + group.auxiliary + subject.src + self._english(),
            (*front.tgt, group.finite, *subject.tgt, *self._german(), *group.end),
        )

    def subordinate(self, lead: Phrase) -> Phrase:
        """Put the German verb last, after a conjunction or a relative pronoun that leads."""
        subject, group = self.subject.phrase, self.group
        return lead + Phrase(
            subject.src + group.auxiliary + self._english(), (*subject.tgt, *self._german(), *group.last)
        )


class NounPhrase(NamedTuple):
    """What is said of a noun, before it has a case."""

    noun: Noun
    determiner: Determiner
    plural: bool = False
    adjective: Adjective | None = None
    modifier: str = ""  # first part of a compound, in English
    name: str = ""  # the owner: Anna 's

    def decline(self, case: Case, kind: str, negation: tuple[Src, ...] = ()) -> Nominal:
        """Return the phrase in a case; `negation` is the "not" that becomes kein."""
        column = PLURAL if self.plural else self.noun.column
        article, german = self._article(case, column, negation)
        adjective: tuple[Src, ...] = ()
        if self.adjective:
            adjective = (Src(self.adjective.en),)
            suffix = ending(self.determiner.adjective, case, column)
            german += (Tgt(self.adjective.de.removesuffix("e") + suffix, adjective),)
        words = (*_words(self.modifier), Src(self.noun.en_plural if self.plural else self.noun.en))
        text = self.noun.german(case, column)
        if self.modifier:
            text = COMPOUNDS[self.modifier] + text.lower()
        phrase = Phrase((*article, *adjective, *words), (*german, Tgt(text, words)))
        person = 4 if self.plural else 2
        return Nominal(phrase, person, column, kind, negated=bool(negation))

    def _article(
        self, case: Case, column: int, negation: tuple[Src, ...]
    ) -> tuple[tuple[Src, ...], tuple[Tgt, ...]]:
        """Return the English words and the German word before adjective and noun, if any."""
        if self.name:
            owner = (Src(self.name), Src("'s"))
            return owner, (Tgt(self.name + "s", owner),)
        determiner = self.determiner
        text = (determiner.en_plural if self.plural else determiner.en).removeprefix("-")
        if (
            text == "a"
            and (self.adjective.en if self.adjective else self.modifier or self.noun.en)[0] in "aeiou"
        ):
            text = "an"
        words = _words(text)
        german = determiner.de.removeprefix("-") + ending(determiner.declension, case, column)
        return words, (Tgt(german, negation + words),) if german else ()


def prepositional(slot: Slot, nominal: Nominal) -> Nominal:
    """Put the prepositions of a slot before its object; "in the" becomes im."""
    prepositions, phrase = _words(slot.en), nominal.phrase
    src, first = prepositions + phrase.src, phrase.tgt[0]
    fused = CONTRACTIONS.get(f"{slot.de} {first.text}")
    if fused and [word.text for word in first.of] == ["the"]:
        tgt = (Tgt(fused, prepositions + first.of), *phrase.tgt[1:])
    else:
        tgt = (Tgt(slot.de, prepositions), *phrase.tgt)
    return nominal._replace(phrase=Phrase(src, tgt), pronoun=False, preposition=True)


def owned(thing: Nominal, owner: Nominal) -> Nominal:
    """Return the car of the teacher, das Auto des Lehrers; `owner` is a genitive."""
    of, article, rest = Src("of"), owner.phrase.tgt[0], owner.phrase.tgt[1:]
    genitive = Phrase((of, *owner.phrase.src), (Tgt(article.text, (of, *article.of)), *rest))
    return thing._replace(phrase=thing.phrase + genitive)


def both(one: Nominal, other: Nominal) -> Nominal:
    """Return the man and the woman."""
    return Nominal(one.phrase + unit("and", "und") + other.phrase, person=4)


def relative_pronoun(nominal: Nominal, case: Case) -> Phrase:
    """Return who, whom or that: it has the gender of the noun, and the case of its own clause."""
    people = "who" if case == "nom" else "whom"
    return unit(people if nominal.kind == "person" else "that", ending("relative", case, nominal.column))


def verb_group(verb: Verb, tense: str, person: int, support: bool = False) -> Group:
    """Inflect a verb.

    Args:
        verb: Its auxiliaries come from `tense`.
        tense: present, progressive, past, perfect, want, a modal, or to: the infinitive, whose `finite` has
            no use.
        person: Of the subject.
        support: Questions and negations need do in the simple tenses.
    """
    base, third, past, participle, ing = verb.en
    particle = _words(" ".join(verb.particle))
    infinitive = verb.prefix + verb.infinitive
    do = (Src("did" if tense == "past" else ENGLISH["do"][person]),) if support else ()
    match tense:
        case "present":
            words = (Src(third if person == 2 and not support else base), *particle)
            return _simple(verb, verb.present(person), do, words, carried=())
        case "past":
            words = (Src(base if support else past), *particle)
            return _simple(verb, verb.preterite(person), do, words, carried=do)
        case "progressive":
            be = (Src(ENGLISH["be"][person]),)
            return _simple(verb, verb.present(person), be, (Src(ing), *particle), carried=be)
        case "perfect":
            have = (Src(ENGLISH["have"][person]),)
            words = (Src(participle), *particle)
            return _compound(Tgt(GERMAN[verb.perfect][person], have), have, words, verb.participle)
        case "want":
            want = Src("want" if support else ENGLISH["want"][person])
            content = (Src(base), *particle)
            group = _compound(Tgt(GERMAN["want"][person], (want,)), do, content, infinitive)
            return group._replace(words=(want, Src("to"), *content))
        case "to":
            to, content = (Src("to"),), (Src(base), *particle)
            if verb.prefix:
                last: tuple[Tgt, ...] = (Tgt(f"{verb.prefix}zu{verb.infinitive}", to + content),)
            else:
                last = (Tgt("zu", to), Tgt(infinitive, content))
            return Group((), to + content, last[0], (), last)
        case modal:
            auxiliary = (Src(modal),)
            return _compound(
                Tgt(GERMAN[modal][person], auxiliary), auxiliary, (Src(base), *particle), infinitive
            )


def _simple(
    verb: Verb, form: str, auxiliary: tuple[Src, ...], words: tuple[Src, ...], carried: tuple[Src, ...]
) -> Group:
    """Return one German verb form; its prefix splits off, from the English particle if there is one."""
    whole = Tgt(verb.prefix + form, carried + words)
    if not verb.prefix:
        return Group(auxiliary, words, whole, (), (whole,))
    stem, prefix = (words[:1], words[1:]) if verb.particle else (words, words)
    return Group(auxiliary, words, Tgt(form, carried + stem), (Tgt(verb.prefix, prefix),), (whole,))


def _compound(finite: Tgt, auxiliary: tuple[Src, ...], words: tuple[Src, ...], infinite: str) -> Group:
    """Return an auxiliary and, at the end, a participle or an infinitive."""
    end = (Tgt(infinite, words),)
    return Group(auxiliary, words, finite, end, (*end, finite))


def to_be(person: int, past: bool) -> Group:
    """Inflect to be."""
    be = (Src(ENGLISH["was" if past else "be"][person]),)
    finite = Tgt(GERMAN["war" if past else "sein"][person], be)
    return Group(be, (), finite, (), (finite,))


def passive(verb: Verb, person: int, past: bool) -> Group:
    """Return is/was bought: wird/wurde ... gekauft."""
    be = (Src(ENGLISH["was" if past else "be"][person]),)
    words = (Src(verb.en[3]), *_words(" ".join(verb.particle)))
    return _compound(Tgt(GERMAN["wurde" if past else "werden"][person], be), be, words, verb.participle)


def there_is(nominal: Nominal, place: Phrase) -> Clause:
    """Return there is or are: es gibt."""
    be = (Src(ENGLISH["be"][nominal.person]),)
    finite = Tgt("gibt", be)
    return Clause(
        Nominal(unit("there", "es"), 2), Group(be, (), finite, (), (finite,)), objects=(nominal,), place=place
    )
