"""The productions of the synthetic corpus: which sentences are drawn, and how often.

All that is random is here, and only the English sentence is: its German is a function of it (syntax.py).
"""

from collections.abc import Callable, Mapping, Sequence
from random import Random

from translate.corpora.synthetic import lexicon
from translate.corpora.synthetic.forms import Case, Determiner, Noun, Slot, Verb
from translate.corpora.synthetic.lexicon import BARE, DETERMINERS, NOUNS, VERBS
from translate.corpora.synthetic.syntax import (
    COMMA,
    NOTHING,
    Clause,
    Nominal,
    NounPhrase,
    Phrase,
    Src,
    Tgt,
    both,
    owned,
    passive,
    prepositional,
    relative_pronoun,
    there_is,
    to_be,
    unit,
    units,
    verb_group,
)

MAX_WORDS = 14  # of an English sentence

SIMPLE = ["present", "past"]
TENSES = [*SIMPLE * 3, "progressive", "progressive", "progressive", "perfect", "perfect"]
TENSES += ["can", "must", "should", "may", "will", "will", "want"]
CONJUNCTIONS = {  # and the tenses of the clause behind them
    "because=weil": TENSES,
    "although=obwohl": TENSES,
    "if=wenn": ["present", "progressive", "perfect", "can", "must", "want"],
    "while=während": ["present", "progressive", "past"],
    "before=bevor": SIMPLE,
}
DEFINITE = [row for row in DETERMINERS if row.en in ("the", "this", "my", "your", "his", "her", "our")]
POSSESSIVE = [row for row in DEFINITE if row.declension == "ein"]
INDEFINITE = [row for row in DETERMINERS if row.en == "a" or row.declension == "number"]
NEGATABLE = [*DEFINITE, *(row for row in DETERMINERS if row.en == "a"), BARE]
# Verbs with one object, which has no preposition; those where it is an accusative; those with a place.
DIRECT = [verb for verb in VERBS if len(verb.slots) == 1 and not verb.slots[0].de]
TRANSITIVE = [verb for verb in DIRECT if verb.slots[0].case == "acc"]
LOCAL = [verb for verb in VERBS if any({"place", "city"} & {*slot.kinds} for slot in verb.slots)]
THINGS = ("thing", "furniture", "text", "animal")
AGENT = lexicon.parse_slot("by>von+dat:person")


class Grammar:
    """Draws sentences; each method is a production.

    Args:
        rng: Draws.
        nouns: Of each kind of the lexicon; one that is listed twice is drawn twice as often.
    """

    def __init__(self, rng: Random, nouns: Mapping[str, Sequence[Noun]] = NOUNS) -> None:
        self.rng = rng
        self.nouns = nouns
        self._productions: dict[Callable[[], Phrase], int] = {
            self.statement: 22,
            self.time_first: 8,
            self.yes_no_question: 9,
            self.wh_question: 9,
            self.reported: 13,
            self.reason: 10,
            self.reason_first: 4,
            self.relative_person: 3,
            self.relative_thing: 3,
            self.relative_last: 6,
            self.infinitive: 8,
            self.existence: 4,
        }

    def sentence(self) -> Phrase:
        """Return a sentence that is not too long."""
        productions, weights = list(self._productions), list(self._productions.values())
        while True:
            phrase = self.rng.choices(productions, weights)[0]()
            if len(phrase.src) <= MAX_WORDS:
                return phrase

    def statement(self) -> Phrase:
        """Return a main clause."""
        return self._any_clause().main() + units(".=.")

    def time_first(self) -> Phrase:
        """Return today he buys a car: heute kauft er ein Auto."""
        while True:
            clause = self._clause()
            if clause.time.src:
                return clause._replace(time=NOTHING).main(front=clause.time) + units(".=.")

    def yes_no_question(self) -> Phrase:
        """Return does he buy a car: kauft er ein Auto."""
        return self._any_clause(question=True).question() + units("?=?")

    def wh_question(self) -> Phrase:
        """Ask for a place, a time, a reason, the subject or the object."""
        asked = self.rng.choice(["where=wo", "when=wann", "why=warum", "who=wer", "what=was", "who=wen"])
        if asked == "who=wer":
            return self._clause(subject=Nominal(units(asked), 2)).main() + units("?=?")
        if asked in ("what=was", "who=wen"):
            kinds = {"person"} if asked == "who=wen" else {*THINGS}
            verb = self.rng.choice([verb for verb in TRANSITIVE if kinds & {*verb.slots[0].kinds}])
        else:
            verb = self.rng.choice([verb for verb in VERBS if verb not in LOCAL])
        clause = self._clause(verb=verb, question=True, adjuncts=False)
        if asked in ("what=was", "who=wen"):
            clause = clause._replace(objects=())
        return clause.question(front=units(asked)) + units("?=?")

    def reported(self) -> Phrase:
        """Return a clause with that or whether: sie sagt , dass er schläft."""
        whether = self.rng.random() < 0.25
        verb = self.rng.choice(lexicon.WHETHER_VERBS if whether else lexicon.THAT_VERBS)
        matrix = self._clause([*SIMPLE, "perfect"], verb=verb, adjuncts=False)
        lead = COMMA + units("whether=ob" if whether else "that=dass")
        return matrix.main() + self._any_clause().subordinate(lead) + units(".=.")

    def reason(self) -> Phrase:
        """Return a main clause, and behind it a subordinate clause of reason, condition or time."""
        conjunction = self.rng.choice(list(CONJUNCTIONS))
        clause = self._any_clause(CONJUNCTIONS[conjunction])
        return self._clause().main() + clause.subordinate(COMMA + units(conjunction)) + units(".=.")

    def reason_first(self) -> Phrase:
        """Return if he sleeps , she works: the German verb of the main clause follows the comma."""
        conjunction = self.rng.choice(["if=wenn", "although=obwohl", "while=während"])
        clause = self._any_clause(CONJUNCTIONS[conjunction])
        front = clause.subordinate(units(conjunction)) + units(",=,")
        return self._clause(adjuncts=False).main(front) + units(".=.")

    def relative_person(self) -> Phrase:
        """Return a relative clause about the subject, as its subject: der Mann , der sie sieht , schläft."""
        head = self._noun_phrase("person", "nom", DEFINITE)
        relative = self._clause(subject=Nominal(relative_pronoun(head, "nom"), head.person), adjuncts=False)
        described = head.phrase + COMMA + relative.subordinate(NOTHING) + COMMA
        return self._clause(subject=head._replace(phrase=described)).main() + units(".=.")

    def relative_thing(self) -> Phrase:
        """Return a relative clause about the subject, as its object: das Auto , das sie kauft , ist alt."""
        head = self._noun_phrase(self.rng.choice(THINGS), "nom", DEFINITE)
        described = head.phrase + COMMA + self._relative(head) + COMMA
        return self._description(head._replace(phrase=described)).main() + units(".=.")

    def relative_last(self) -> Phrase:
        """Return a relative clause behind the German verb: er hat das Auto gekauft , das sie malt."""
        verb = self.rng.choice([verb for verb in VERBS if verb.slots and verb not in LOCAL])
        while True:
            clause = self._clause(verb=verb, adjuncts=False)
            head = clause.objects[-1]
            if head.kind in NOUNS:
                return clause.main() + COMMA + self._relative(head) + units(".=.")

    def infinitive(self) -> Phrase:
        """Return an infinitive with to: er versucht , das Auto zu kaufen."""
        matrix = self._clause(
            [*SIMPLE, "perfect", "will"], verb=self.rng.choice(lexicon.TO_VERBS), adjuncts=False
        )
        clause = self._clause(["to"], subject=Nominal(NOTHING, matrix.subject.person))
        return matrix.main() + clause.subordinate(COMMA) + units(".=.")

    def existence(self) -> Phrase:
        """Return there is a dog in the garden: es gibt einen Hund im Garten."""
        nominal = self._noun_phrase(self.rng.choice(("person", *THINGS)), "acc", INDEFINITE)
        clause = there_is(nominal, self._object(self.rng.choice(lexicon.POSITIONS)).phrase)
        return clause.question() + units("?=?") if self.rng.random() < 0.2 else clause.main() + units(".=.")

    def _any_clause(self, tenses: Sequence[str] = TENSES, question: bool = False) -> Clause:
        """Return a clause of any kind; `tenses` restricts those with a full active verb."""
        roll = self.rng.random()
        if roll < 0.14:
            kind = self.rng.choice(("person", "person", "place", *THINGS))
            negated = not question and self.rng.random() < 0.16
            rows = DEFINITE if negated else DETERMINERS
            person = kind == "person"
            subject = self._subject(rows) if person else self._noun_phrase(kind, "nom", rows)
            return self._description(subject, negated)
        return self._passive() if roll < 0.22 else self._clause(tenses, question=question)

    def _clause(
        self,
        tenses: Sequence[str] = TENSES,
        *,
        subject: Nominal | None = None,
        verb: Verb | None = None,
        question: bool = False,
        adjuncts: bool = True,
    ) -> Clause:
        """Return a clause with a full active verb."""
        negated = subject is None and not question and self.rng.random() < 0.16
        subject = subject or self._subject(DEFINITE if negated else DETERMINERS)
        verb = verb or self.rng.choice(VERBS)
        impossible = _impossible(verb, subject.person, negated)
        tense = self.rng.choice([tense for tense in tenses if tense not in impossible])
        negation = (Src("not"),) if negated else ()
        objects = []
        for slot in verb.slots:
            # Only the last object without preposition makes a "not" into kein.
            folds = negated and slot is verb.slots[-1] and not slot.de
            determiners = NEGATABLE if folds else DEFINITE if negated else DETERMINERS
            objects.append(self._object(slot, subject.person, determiners, negation if folds else ()))
        clause = Clause(
            subject=subject,
            group=verb_group(verb, tense, subject.person, support=question or negated),
            negation=negation,
            reflexive=(Tgt(lexicon.REFLEXIVES[subject.person]),) if verb.reflexive else (),
            objects=tuple(objects),
        )
        return self._adjuncts(clause, verb, tense, bare=negated or question) if adjuncts else clause

    def _adjuncts(self, clause: Clause, verb: Verb, tense: str, bare: bool) -> Clause:
        """Add adverbs, perhaps; to a bare clause none that stands before the English verb."""
        roll = self.rng.random()
        if roll < 0.15 and tense in lexicon.EARLY and not bare:
            clause = clause._replace(early=units(self.rng.choice(lexicon.EARLY[tense])))
        elif 0.15 <= roll < 0.45 and tense != "to":
            clause = clause._replace(
                time=units(self.rng.choice(lexicon.TIMES.get(tense, lexicon.TIMES["modal"])))
            )
        roll = self.rng.random()
        if verb.en[-1] != "-" and not any(slot.de for slot in verb.slots):
            if roll < 0.08:
                clause = clause._replace(manner=units(self.rng.choice(lexicon.MANNERS)))
            elif roll < 0.24:
                clause = clause._replace(place=self._object(self.rng.choice(lexicon.POSITIONS)).phrase)
        return clause

    def _description(self, subject: Nominal, negated: bool = False) -> Clause:
        """Return to be with an adjective or a comparison."""
        kind = subject.kind or "person"
        adjective = self.rng.choice(lexicon.ADJECTIVES[kind])
        if adjective.comparative != "-" and self.rng.random() < 0.4:
            named = kind == "person" and self.rng.random() < 0.4
            other = self._name() if named else self._noun_phrase(kind, "nom", DEFINITE)
            predicate = unit(adjective.en_comparative, adjective.comparative) + units("than=als")
            predicate += other.phrase
        else:
            degree = units(self.rng.choice(lexicon.DEGREES)) if self.rng.random() < 0.4 else NOTHING
            predicate = degree + unit(adjective.en, adjective.de)
        return Clause(
            subject=subject,
            group=to_be(subject.person, past=subject.person != 1 and self.rng.random() < 0.4),
            negation=(Src("not"),) if negated else (),
            objects=(Nominal(predicate, 2, preposition=True),),
        )

    def _passive(self) -> Clause:
        """Return the car was bought by Anna yesterday."""
        verb = self.rng.choice([verb for verb in TRANSITIVE if verb.en[-1] != "-"])
        subject = self._noun_phrase(self.rng.choice(verb.slots[0].kinds), "nom")
        past = self.rng.random() < 0.6
        return Clause(
            subject=subject,
            group=passive(verb, subject.person, past),
            objects=(self._object(AGENT),) if self.rng.random() < 0.6 else (),
            time=units(self.rng.choice(lexicon.TIMES["past"]))
            if past and self.rng.random() < 0.3
            else NOTHING,
        )

    def _relative(self, head: Nominal) -> Phrase:
        """Return a relative clause whose object is the head."""
        verb = self.rng.choice([verb for verb in DIRECT if head.kind in verb.slots[0].kinds])
        clause = self._clause(verb=verb, adjuncts=False)._replace(objects=())
        return clause.subordinate(relative_pronoun(head, verb.slots[0].case))

    def _subject(self, determiners: Sequence[Determiner] = DETERMINERS) -> Nominal:
        roll = self.rng.random()
        if roll < 0.4:
            pronoun = self.rng.choice(lexicon.PRONOUNS)
            return Nominal(unit(pronoun.en, pronoun.nom), pronoun.person, pronoun=True)
        if roll < 0.55:
            return self._name()
        if roll < 0.6:
            return both(self._name(), self._noun_phrase("person", "nom", POSSESSIVE))
        return self._noun_phrase("person", "nom", determiners)

    def _object(
        self,
        slot: Slot,
        subject: int = 2,
        determiners: Sequence[Determiner] = DETERMINERS,
        negation: tuple[Src, ...] = (),
    ) -> Nominal:
        """Return a noun phrase, name, city or pronoun for a slot; `subject` is the person of the clause."""
        kind, roll = self.rng.choice(slot.kinds), self.rng.random()
        if kind == "city":
            nominal = Nominal(units(self.rng.choice(lexicon.CITIES)), 2)
            slot = slot._replace(de="nach") if slot.de == "zu" else slot
        elif kind == "person" and roll < 0.25:
            # He sees him: somebody else. I see me, we see me: nobody says so.
            same = {0: (0, 3), 1: (1,), 3: (0, 3)}.get(subject, ())
            others = [row for row in lexicon.PRONOUNS if row.en_object != "-" and row.person not in same]
            pronoun = self.rng.choice(others)
            form = pronoun.acc if slot.case == "acc" else pronoun.dat
            nominal = Nominal(unit(pronoun.en_object, form), pronoun.person, pronoun=True)
        elif kind == "person" and roll < 0.4:
            nominal = self._name()
        else:
            places = DEFINITE if kind == "place" else determiners
            nominal = self._noun_phrase(kind, slot.case, places, negation)
        return prepositional(slot, nominal) if slot.de else nominal

    def _name(self) -> Nominal:
        name = self.rng.choice(lexicon.NAMES)
        return Nominal(unit(name, name), 2)

    def _noun_phrase(
        self,
        kind: str,
        case: Case,
        determiners: Sequence[Determiner] = DETERMINERS,
        negation: tuple[Src, ...] = (),
    ) -> Nominal:
        """Return a noun phrase; an indefinite one turns `negation` into kein."""
        noun = self.rng.choice(self.nouns[kind])
        mass = noun.en_plural == "-"
        if mass:  # neither two milk nor every milk
            determiners = [row for row in determiners if row in DEFINITE or row == BARE]
        determiner = self.rng.choices(determiners, [row.weight for row in determiners])[0]
        plural = not mass and (
            determiner.en == "-" or (determiner.en_plural != "-" and self.rng.random() < 0.3)
        )
        indefinite = determiner.en == "a" or determiner == BARE
        name = self.rng.choice(lexicon.NAMES) if determiner.en == "the" and self.rng.random() < 0.1 else ""
        if name:
            determiner = lexicon.NAMED
        elif negation and indefinite:
            determiner = determiner._replace(de="kein", declension="ein", adjective="mixed")
        compound = kind in ("furniture", "entrance") and self.rng.random() < 0.5
        nominal = NounPhrase(
            noun,
            determiner,
            plural,
            adjective=self.rng.choice(lexicon.ADJECTIVES[kind]) if self.rng.random() < 0.25 else None,
            modifier=self.rng.choice(list(lexicon.COMPOUNDS)) if compound else "",
            name=name,
        ).decline(case, kind, negation if indefinite else ())
        if determiner.en == "the" and kind in THINGS and self.rng.random() < 0.12:
            owner = NounPhrase(self.rng.choice(self.nouns["person"]), self.rng.choice(DEFINITE))
            return owned(nominal, owner.decline("gen", "person"))
        return nominal


def _impossible(verb: Verb, person: int, negated: bool) -> set[str]:
    """Return the tenses that nobody uses (is knowing; du kauftest), and must not, which is darf nicht."""
    tenses = {"progressive"} if verb.en[-1] == "-" else set()
    return tenses | ({"past"} if person == 1 else set()) | ({"must"} if negated else set())
