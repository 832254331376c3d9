import copy
import logging
import math
from dataclasses import replace

import pytest
import torch
from small_models import PAIRS, small_config
from tiny import MODEL, SEARCH, tiny_run, tiny_tokenizers

from translate import Translator
from translate.config.search import SearchConfig
from translate.engine import max_length
from translate.errors import InputError, UsageError
from translate.model import build_model
from translate.padding import pad
from translate.parts import cut
from translate.tokenizer import BACKWARDS_ID, BOS_ID, EOS_ID
from translate.torch_engine import TorchEngine
from translate.translation import TextOptions, translate_texts

TEXTS = [
    "Ein Hund läuft.",
    "Zwei",
    "",
    "Guten Morgen! Wie geht es dir?",
    "  \t\u2028 ",
    "Hund läuft über die Wiese",
]
BEAM = SearchConfig(beam_size=3, n_best=3, max_length_ratio=1.0, max_length_offset=2)


@pytest.fixture(scope="module")
def tokenizers():
    return tiny_tokenizers()


@pytest.fixture(scope="module")
def model(tokenizers):
    torch.manual_seed(0)
    return build_model(MODEL, len(tokenizers.src), len(tokenizers.tgt), joint=True)


@pytest.fixture
def translate(model, tokenizers):
    def translate(texts, search=SEARCH, **settings):
        return translate_texts(TorchEngine(model), tokenizers, texts, search, TextOptions(**settings))

    return translate


def texts_of(translations):
    return [translation.text for translation in translations]


def test_as_many_translations_come_out_as_texts_go_in_and_in_their_order(translate):
    translations = translate(TEXTS)
    assert [translation.src for translation in translations] == TEXTS
    alone = [translate([text])[0].text for text in TEXTS]
    assert texts_of(translations) == alone
    assert len({*alone}) == len(TEXTS) - 1  # both blank ones are empty


def test_a_blank_text_becomes_the_empty_one(translate):
    for blank in ("", " ", "\t", "\u2028", "\u3000 \xa0"):
        assert translate([blank]) == [(blank, "", 0.0, [("", 0.0)], "")]


def test_nothing_becomes_nothing(translate):
    assert translate([]) == []


def test_a_single_str_is_refused(translate):
    with pytest.raises(TypeError, match=r"texts is one str: give a sequence of them, such as \[text\]"):
        translate("Hund")


@pytest.mark.parametrize(("encoder", "decoder"), PAIRS)
def test_batches_change_neither_texts_nor_scores(encoder, decoder, tokenizers):
    # Rounding depends on a batch's shape, so weights are drawn apart far enough for no near ties.
    model = build_model(small_config(encoder, decoder), len(tokenizers.src), len(tokenizers.tgt), joint=True)
    for parameter in model.output.parameters():
        torch.nn.init.normal_(parameter)
    engine, search = TorchEngine(model), replace(BEAM, max_length_ratio=0.3)
    together = translate_texts(engine, tokenizers, TEXTS, search)
    for texts, batch_tokens in ((TEXTS, 1), (TEXTS, 100), (TEXTS[::-1], 100)):
        others = translate_texts(engine, tokenizers, texts, search, TextOptions(batch_tokens))
        if texts != TEXTS:
            others = others[::-1]
        for one, other in zip(together, others, strict=True):
            assert [text for text, _ in one.alternatives] == [text for text, _ in other.alternatives]
            expected = [score for _, score in other.alternatives]
            assert [score for _, score in one.alternatives] == pytest.approx(expected, abs=1e-4)


def test_the_score_is_what_the_model_says_of_the_translation(translate, model, tokenizers):
    text = "Ein Hund läuft."
    search = SearchConfig(
        beam_size=4, n_best=4, length_penalty=0.7, max_length_ratio=0.0, max_length_offset=1
    )
    ids, mask = pad([[*tokenizers.src.encode(text), EOS_ID]])
    (translation,) = translate([text], search)
    first = model.eval()(ids, mask, torch.tensor([[BOS_ID]]))[0, 0].log_softmax(dim=0)
    # With at most one piece: the first piece, then the end or nothing.
    for words, score in translation.alternatives:
        pieces = [
            number for number in range(4, len(tokenizers.tgt)) if tokenizers.tgt.decode([number]) == words
        ]
        possible = [first[EOS_ID].item()] if words == "" else []
        for piece in pieces:
            second = model(ids, mask, torch.tensor([[BOS_ID, piece]]))[0, 1].log_softmax(dim=0)
            possible += [first[piece].item(), (first[piece] + second[EOS_ID]).item() / 2**0.7]
        assert any(score == pytest.approx(value, abs=1e-5) for value in possible)


def test_alternatives_come_best_first_and_the_first_is_the_translation(translate):
    for translation in translate(["Ein Hund", "Zwei Kinder spielen"], BEAM):
        assert translation.alternatives[0] == (translation.text, translation.score)
        assert 1 < len(translation.alternatives) <= 3


@pytest.fixture
def parrot(model, tokenizers):
    """Translates with a model that says the piece "a" until it is stopped."""
    (a,) = (number for number in range(4, len(tokenizers.tgt)) if tokenizers.tgt.pieces([number]) == ["a"])
    model = copy.deepcopy(model)
    with torch.no_grad():
        model.output.bias[a] = 50
        model.output.bias[EOS_ID] = 25

    def translate(text, ratio=1.0, offset=0, **settings):
        search = SearchConfig(beam_size=1, max_length_ratio=ratio, max_length_offset=offset)
        return translate_texts(TorchEngine(model), tokenizers, [text], search, TextOptions(**settings))[
            0
        ].text

    return translate


def test_a_translation_is_at_most_as_long_as_the_search_says(parrot, tokenizers):
    text = "Zwei Kinder spielen im Park."
    pieces = len(tokenizers.src.encode(text))
    assert parrot(text) == pieces * "a"
    assert parrot(text, 0.5, 3) == (pieces // 2 + 3) * "a"
    assert parrot(text, 0.0, 2) == "aa"
    assert parrot(text, 0.0, -9) == "a"


def test_the_model_is_translated_with_as_in_eval_mode_and_stays_in_its_own(translate, model):
    model.train()
    translate(["Hund"])
    assert model.training
    model.eval()
    translate(["Hund"])
    assert not model.training


# Texts that are too long


def characters(text):
    """Spans of a tokenizer that knows only characters; a space belongs to the one after it."""
    begins = [at for at in range(len(text)) if at == 0 or not text[at - 1].isspace()]
    return list(zip(begins, [*begins[1:], len(text)], strict=True))


def cuts(text, limit, spans=None):
    spans = spans or characters(text)
    parts = [text[spans[first][0] : spans[last - 1][1]] for first, last in cut(text, spans, limit)]
    assert "".join(parts) == text
    assert all(last - first <= limit for first, last in cut(text, spans, limit))
    return parts


def test_a_text_that_fits_is_not_cut():
    assert cuts("abc def", 6) == ["abc def"]


def test_a_long_text_is_cut_after_a_sentence_if_one_ends_late_enough():
    assert cuts("ab cd. ef gh", 7) == ["ab cd.", " ef gh"]
    assert cuts('ab "cd." ef gh', 9) == ['ab "cd."', " ef gh"]
    assert cuts("a. bcd ef gh", 7) == ["a. bcd ef", " gh"]


def test_a_full_stop_without_a_space_ends_no_sentence_but_an_ideographic_one_does():
    assert cuts("v1.2.3.4.5", 6) == ["v1.2.3", ".4.5"]
    assert cuts("今日は。明日も", 5) == ["今日は。", "明日も"]


def test_else_it_is_cut_at_white_space():
    assert cuts("abc de fgh", 6) == ["abc de", " fgh"]


def test_else_it_is_cut_anywhere_but_inside_a_character():
    assert cuts("abcdefgh", 3) == ["abc", "def", "gh"]
    emoji = [(0, 1), (1, 2), *[(2, 3)] * 4, (3, 4)]  # the third of four characters is spelled in bytes
    assert cut("ab🐕c", emoji, 5) == [(0, 2), (2, 7)]
    assert cut("ab🐕c", emoji, 3) == [(0, 2), (2, 5), (5, 7)]  # where it must be


def test_parts_are_translated_by_themselves(translate):
    (translation,) = translate(["Guten Morgen! Zwei Kinder."], max_src_length=14)
    parts = translate(["Guten Morgen!", "Zwei Kinder."], max_src_length=99)
    assert translation.text == " ".join(texts_of(parts))


def test_translated_parts_are_joined_with_a_space_where_the_source_has_one(parrot):
    assert set(parrot("Wiese" * 9, max_src_length=10)) == {"a"}
    words = parrot(" ".join(["Wiese"] * 9), max_src_length=10).split(" ")
    assert all(words)
    assert len(words) > 1


def test_the_score_of_a_text_in_parts_is_that_of_all_its_pieces(translate):
    search = SearchConfig(beam_size=2, length_penalty=0.0, max_length_ratio=1.0)
    (translation,) = translate(["Guten Morgen! Zwei Kinder."], search, max_src_length=14)
    parts = translate(["Guten Morgen!", "Zwei Kinder."], search)
    assert translation.score == pytest.approx(sum(part.score for part in parts), abs=1e-4)


def test_white_space_between_parts_is_not_translated(parrot):
    (first, last) = parrot("Guten" + 300 * " " + "Morgen", max_src_length=20).split(" ")
    assert len(first) <= 20
    assert len(last) <= 20


def test_splitting_is_logged_once_with_lines_and_lengths(translate, caplog):
    texts = ["Hund", "Guten Morgen! " * 9, "", "Zwei " * 40]
    with caplog.at_level(logging.WARNING):
        translate(texts, max_src_length=20, first_line=11)
    (record,) = caplog.records
    assert (
        "longer than the 20 pieces the model takes at once, translated in parts: line 12 (" in record.message
    )
    assert ", line 14 (" in record.message


def test_only_some_of_many_long_lines_are_named(translate, caplog):
    translate(["Zwei Kinder spielen."] * 15, max_src_length=4)
    assert "line 10 (" in caplog.text
    assert "line 11 (" not in caplog.text
    assert caplog.text.rstrip().endswith(") and 5 more")


def test_truncating_translates_the_beginning_and_says_so(translate, tokenizers, caplog):
    text = "Guten Morgen! Wie geht es dir?"
    start = tokenizers.src.decode(tokenizers.src.encode(text)[:6])
    (translation,) = translate([text], on_long="truncate", max_src_length=6)
    assert translation.text == translate([start])[0].text
    assert "only the first 6 pieces are translated: line 1 (" in caplog.text


def test_refusing_names_the_line(translate):
    with pytest.raises(
        InputError, match=r"line 8 has \d+ pieces, more than the 6 that the model takes at once: shorten"
    ):
        translate(["Zwei", "Guten Morgen! Wie geht es dir?"], on_long="error", max_src_length=6, first_line=7)


def test_a_text_of_exactly_the_greatest_length_is_not_long(translate, tokenizers, caplog):
    text = "Zwei Kinder spielen"
    pieces = len(tokenizers.src.encode(text))
    translate([text], on_long="error", max_src_length=pieces)
    assert not caplog.records


# Run directories


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("translator"), max_length=12)


def test_a_translator_searches_as_its_run_says_unless_told_otherwise(run):
    translator = Translator(run, "cpu")
    default = translator.translate(["Ein Hund"])
    assert default == translator.translate(["Ein Hund"], SEARCH)
    (wide,) = translator.translate(["Ein Hund"], BEAM)
    assert len(wide.alternatives) == 3
    assert math.isfinite(wide.score)


def test_a_translator_splits_what_its_model_was_not_trained_on(run, caplog):
    Translator(run, "cpu").translate(["Guten Morgen! Wie geht es dir?"])
    assert "longer than the 12 pieces" in caplog.text


def test_a_translator_needs_a_run_and_a_device(run, tmp_path):
    with pytest.raises(InputError, match="no such run directory"):
        Translator(tmp_path / "nothing")
    with pytest.raises(UsageError, match="device tpu is not there"):
        Translator(run, "tpu")


def test_backwards_the_source_begins_with_a_mark_that_no_text_can_spell(tmp_path):
    translator = Translator(tiny_run(tmp_path, directions="both"), "cpu", backwards=True)
    texts = ["Ein Hund läuft.", "", "Zwei Kinder <s>"]
    search = translator.config.search
    rows = translator.tokenizers.src.encode_batch(texts)
    assert all(BACKWARDS_ID not in row for row in rows)
    limits = [max_length(len(row), search) for row in rows]
    marked = [[BACKWARDS_ID, *rows[0]], [BACKWARDS_ID, *rows[2]]]
    found = translator.engine.search(marked, [limits[0], limits[2]], search)
    wanted = [translator.tokenizers.tgt.decode(hypotheses[0].tokens) for hypotheses in found]
    there = translator.translate(texts)
    assert [translation.text for translation in there] == [wanted[0], "", wanted[1]]
    assert there[0].score == pytest.approx(found[0][0].score)
    forward = Translator(tmp_path / "run", "cpu").translate(texts)
    assert abs(forward[0].score - there[0].score) > 1e-4


def test_backwards_needs_a_run_that_was_trained_so(tmp_path):
    run = tiny_run(tmp_path)
    with pytest.raises(UsageError, match="run was trained to translate forward only: going backwards needs"):
        Translator(run, backwards=True)
