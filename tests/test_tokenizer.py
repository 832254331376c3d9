import logging
import pickle
import random
import re
import subprocess
import sys
import threading
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_tokenizers import (
    NASTY,
    NORMALIZING,
    TOKENIZERS,
    near_the_escapes,
    sentences,
    train,
    train_elsewhere,
)

from translate.config.tokenizer import TokenizerConfig
from translate.errors import InputError, UsageError
from translate.tokenizer import BOS_ID, EOS_ID, PAD_ID, UNK_ID, Tokenizer, _sample, train_tokenizers

lines = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r"))
UNIGRAM = TOKENIZERS["unigram"]


def bytes_of(*values: int) -> list[int]:
    return [UNIGRAM.pieces(range(len(UNIGRAM))).index(f"<0x{value:02X}>") for value in values]


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("tokenizer", TOKENIZERS.values(), ids=TOKENIZERS)
def test_nasty_text_survives_encoding_and_decoding(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.normalize(text) == text


@pytest.mark.parametrize("tokenizer", TOKENIZERS.values(), ids=TOKENIZERS)
@settings(deadline=None, database=None, max_examples=300)
@given(text=lines | near_the_escapes)
def test_any_line_survives_encoding_and_decoding(tokenizer, text):
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert not {PAD_ID, BOS_ID, EOS_ID, UNK_ID} & set(ids)


def test_every_character_survives_encoding_and_decoding():
    characters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    text = "".join(characters)
    assert UNIGRAM.decode(UNIGRAM.encode(text)) == text.replace("\n", " ").replace("\r", " ")


def test_line_breaks_are_read_as_spaces():
    assert UNIGRAM.encode("a\nb\r\nc") == UNIGRAM.encode("a b  c")


def test_a_lone_surrogate_is_read_as_the_replacement_character():
    assert UNIGRAM.encode("a\ud83db") == UNIGRAM.encode("a\ufffdb")


@settings(deadline=None, database=None, max_examples=300)
@given(
    ids=st.lists(st.integers(0, len(UNIGRAM) - 1) | st.sampled_from(bytes_of(0x0A, 0x0D, 0xE2, 0x96, 0x81)))
)
def test_no_ids_decode_to_a_line_break(ids):
    text = UNIGRAM.decode(ids)
    assert "\n" not in text
    assert "\r" not in text
    text.encode()  # and they decode to characters that a file can hold


def test_bytes_that_are_no_utf8_decode_to_replacement_characters():
    word = UNIGRAM.encode("Hund")
    assert UNIGRAM.decode([*word, *bytes_of(0xF0, 0x9F), *word]) == "Hund\ufffd\ufffd Hund"
    assert UNIGRAM.decode(bytes_of(0xED, 0xA0, 0x80)) == "\ufffd" * 3  # a surrogate


def test_special_ids_leave_no_trace_in_decoded_text():
    ids = UNIGRAM.encode("der Hund")
    assert UNIGRAM.decode([BOS_ID, UNK_ID, *ids[:1], PAD_ID, *ids[1:], EOS_ID, PAD_ID]) == "der Hund"


@pytest.mark.parametrize("name", NORMALIZING)
@settings(deadline=None, database=None)
@given(text=lines | near_the_escapes)
def test_with_another_normalisation_the_normalised_text_comes_back(name, text):
    tokenizer = NORMALIZING[name]
    assert tokenizer.decode(tokenizer.encode(text)) == tokenizer.normalize(text)


def test_the_nfkc_normalisation_is_unicodes():
    text = "ﬁ ㌔ e\u0301  Å ▁ ①"
    assert NORMALIZING["nfkc"].normalize(text) == unicodedata.normalize("NFKC", text)


@pytest.mark.parametrize("tokenizer", [*TOKENIZERS.values(), *NORMALIZING.values()])
@settings(deadline=None, database=None)
@given(text=st.text() | near_the_escapes | st.sampled_from(NASTY))
def test_offsets_are_monotone_and_cover_the_text(tokenizer, text):
    offsets = tokenizer.offsets(text)
    ids = tokenizer.encode(text)
    assert len(offsets) == len(ids)
    end = 0
    for i, (begin, next_end) in enumerate(offsets):
        assert begin == end or (i > 0 and (begin, next_end) == offsets[i - 1])  # adjacent, or shared
        assert begin < next_end or (i == 0 and tokenizer.pieces(ids[:1]) == ["▁"])
        end = next_end
    if ids:
        assert end == len(text)


@pytest.mark.parametrize("tokenizer", [TOKENIZERS["unigram"], TOKENIZERS["bpe"]])
@settings(deadline=None, database=None)
@given(text=lines | near_the_escapes)
def test_each_offset_is_the_text_of_its_piece(tokenizer, text):
    ids = tokenizer.encode(text)
    for i, ((begin, end), piece) in enumerate(
        zip(tokenizer.offsets(text), tokenizer.pieces(ids), strict=True)
    ):
        if not piece.startswith("<0x"):
            assert text[begin:end] == (piece[1:] if i == 0 else piece).replace("▁", " ")
        else:
            assert end - begin == 1


def test_the_bytes_of_a_character_share_its_span():
    assert UNIGRAM.pieces(UNIGRAM.encode("a☃")) == ["▁a", "<0xE2>", "<0x98>", "<0x83>"]
    assert UNIGRAM.offsets("a☃") == [(0, 1), (1, 2), (1, 2), (1, 2)]


def test_what_one_character_is_normalised_to_shares_its_span():
    tokenizer = NORMALIZING["nfkc"]  # it has seen neither f, l nor カ, キ, ロ
    assert tokenizer.pieces(tokenizer.encode("der㌔"))[1:] == [
        *("<0xE3>", "<0x82>", "<0xAD>"),
        *("<0xE3>", "<0x83>", "<0xAD>"),
    ]
    assert tokenizer.offsets("der㌔") == [(0, 3), *[(3, 4)] * 6]


def test_the_space_put_before_every_text_has_an_empty_span():
    assert UNIGRAM.pieces(UNIGRAM.encode("☃"))[0] == "▁"
    assert UNIGRAM.offsets("☃")[0] == (0, 0)


def test_pieces_show_word_starts_and_special_ids():
    tokenizer = TOKENIZERS["symbols"]
    ids = [BOS_ID, *tokenizer.encode("der Hund▁<ph>"), UNK_ID, EOS_ID, PAD_ID]
    assert tokenizer.pieces(ids) == ["<s>", "▁der", "▁Hund", "▁", "<ph>", "<unk>", "</s>", "<pad>"]


def test_the_names_of_a_vocabulary_differ_even_where_pieces_look_alike():
    config = TokenizerConfig(vocab_size=300, user_defined_symbols=("▁x", " x"))
    tokenizer = Tokenizer.train(sentences(), config)
    names = tokenizer.vocabulary()
    assert len({*names}) == len(names) == len(tokenizer)
    assert len({*tokenizer.pieces(range(len(names)))}) < len(names)
    assert names[:4] == ["<pad>", "<s>", "</s>", "<unk>"]


def test_a_word_has_the_same_pieces_at_the_beginning_and_inside():
    assert UNIGRAM.encode("Hund") * 2 == UNIGRAM.encode("Hund Hund")


@pytest.mark.parametrize("algorithm", ["unigram", "bpe"])
def test_a_user_defined_symbol_is_always_one_piece(algorithm):
    tokenizer = train(algorithm=algorithm, user_defined_symbols=("{name}", "ﬁ"), normalization="nfkc")
    for text in ("{name}", "x{name}x", "der {name}", "aﬁb"):
        pieces = tokenizer.pieces(tokenizer.encode(text))
        assert ("{name}" in pieces) or ("ﬁ" in pieces)
        assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("algorithm", ["unigram", "bpe"])
def test_the_special_ids_come_first_and_the_size_is_as_asked(algorithm):
    tokenizer = train(algorithm=algorithm, vocab_size=300)
    assert len(tokenizer) == 300
    assert tokenizer.pieces([PAD_ID, BOS_ID, EOS_ID, UNK_ID]) == ["<pad>", "<s>", "</s>", "<unk>"]


def test_encode_batch_is_encode_of_each():
    assert UNIGRAM.encode_batch(NASTY) == [UNIGRAM.encode(text) for text in NASTY]
    assert UNIGRAM.encode_batch([]) == []


@pytest.mark.parametrize("algorithm", ["unigram", "bpe"])
def test_the_vocabulary_is_lowered_when_the_text_has_no_more_pieces(algorithm, caplog):
    tokenizer = train(["der Hund", "die Katze"], vocab_size=8000, algorithm=algorithm)
    assert len(tokenizer) < 400
    assert len(tokenizer) == len(tokenizer.pieces(range(len(tokenizer))))
    assert caplog.messages == [
        f"vocabulary size lowered from 8000 to {len(tokenizer)}: "
        "the training text (2 lines) has no more pieces"
    ]
    assert caplog.records[0].levelno == logging.WARNING


@pytest.mark.parametrize("algorithm", ["unigram", "bpe"])
@pytest.mark.parametrize("vocab_size", [262, 300, 600])
def test_an_alphabet_too_large_for_the_vocabulary_is_lowered(algorithm, vocab_size, caplog):
    random.seed(3)
    texts = [" ".join(chr(0x4E00 + int(random.expovariate(0.01))) * 2 for _ in range(20)) for _ in range(200)]
    tokenizer = train(texts, vocab_size=vocab_size, algorithm=algorithm)
    assert len(tokenizer) <= vocab_size
    assert tokenizer.decode(tokenizer.encode(texts[0])) == texts[0]
    alphabet = len(set("".join(texts)))
    assert caplog.messages[0] == (
        f"alphabet lowered from {alphabet} to {(vocab_size - 260) // 2} characters, "
        "the rest is spelled in bytes: "
        f"a vocabulary of {vocab_size} pieces has no room for them all"
    )


def test_a_lower_coverage_spells_rare_characters_in_bytes():
    texts = [*sentences(), "q"]
    assert "q" in train(texts, vocab_size=300).pieces(range(300))
    tokenizer = train(texts, vocab_size=300, character_coverage=0.999)
    assert "q" not in tokenizer.pieces(range(300))
    assert tokenizer.decode(tokenizer.encode("q")) == "q"


@pytest.mark.parametrize("texts", [[], [""], ["", "  ", "\n"], ["\0", "▁ ▅"]])
def test_training_without_text_is_refused(texts):
    with pytest.raises(InputError, match="no text to train a tokenizer on; needed is at least one sentence"):
        train(texts)


def test_what_sentencepiece_cannot_train_on_is_refused_with_its_reason():
    with pytest.raises(InputError, match=r"SentencePiece cannot train on this text \(1 lines\): "):
        train(["x"], user_defined_symbols=(" ", "x"))  # which leave nothing of it


@pytest.mark.parametrize("algorithm", ["unigram", "bpe"])
@pytest.mark.parametrize("text", NASTY[3:])
def test_nasty_training_text_is_trained_on(algorithm, text):
    tokenizer = train([text, "ein Hund"], algorithm=algorithm)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert not [piece for piece in tokenizer.pieces(range(len(tokenizer))) if set(piece) & set("\n\r\0")]


def test_a_very_long_line_is_trained_on():
    tokenizer = train(["der Hund " * 3000 + "Wiesenfest " * 3000], vocab_size=285)
    assert "▁Wiesenfest" in tokenizer.pieces(range(len(tokenizer)))


def test_of_a_very_large_text_a_sample_is_used(monkeypatch):
    monkeypatch.setattr("translate.tokenizer._MAX_CHARACTERS", 500)
    texts = (f"{word} {word}" for word in ["Hund"] * 1000 + ["Katze"] * 1000)
    pieces = (tokenizer := train(texts)).pieces(range(len(tokenizer)))
    assert {"▁Hund", "▁Katze"} <= set(pieces)


def test_the_sample_is_fair_and_always_the_same():
    kept = _sample(map(str, range(1000, 6000)), 2000)
    assert len(set(kept)) == 500
    assert 3300 < sum(map(int, kept)) / 500 < 3700
    assert kept == sorted(kept) == _sample(map(str, range(1000, 6000)), 2000)


@given(lines=st.lists(st.text(min_size=1, max_size=9)), size=st.integers(9, 99))
def test_the_sample_is_as_large_as_may_be(lines, size):
    kept = _sample(lines, size)
    assert size - 9 < sum(map(len, kept)) <= size or kept == lines


@pytest.mark.parametrize("algorithm", ["unigram", "bpe"])
def test_the_same_text_gives_the_same_model(algorithm):
    first, second = train(algorithm=algorithm), train(iter(sentences()), algorithm=algorithm)
    assert first.sha256 == second.sha256
    assert first.sha256 != train(sentences(200), algorithm=algorithm).sha256


def test_training_and_failing_print_nothing():
    code = """if True:
        from translate.config.tokenizer import (TokenizerConfig)
        from translate.errors import InputError
        from translate.tokenizer import Tokenizer
        for texts in (["der Hund", "die Katze \\0 \\u2585"], ["\\0 x"]):
            try:
                Tokenizer.train(texts, TokenizerConfig(user_defined_symbols=(" ", "x"), vocab_size=266))
            except InputError:
                pass
        try:
            Tokenizer(b"damaged")
        except InputError:
            pass
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b""
    # our own notes, which the command line prints, and nothing of SentencePiece's
    assert re.fullmatch(rb"alphabet lowered from .*\nvocabulary size lowered from .*\n", done.stderr)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vocab_size": 261}, r"vocab_size is 261: it must be at least 262 \(4 special .* 0 user-defined"),
        ({"vocab_size": 262, "user_defined_symbols": ("a",)}, "vocab_size is 262: it must be at least 263"),
        ({"vocab_size": 2**31 - 1}, r"vocab_size is 2147483647: .* and at most 1000000"),
        ({"character_coverage": 0.5}, r"character_coverage is 0\.5: it must be from 0\.98 to 1"),
        ({"character_coverage": 1.5}, r"character_coverage is 1\.5: it must be from 0\.98 to 1"),
        *(
            ({"user_defined_symbols": symbols}, r"user_defined_symbols has .*: a symbol must have characters")
            for symbols in [("",), ("a", "a"), ("<s>",), ("<0x41>",), ("a\nb",), ("a\0",)]
        ),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    with pytest.raises(UsageError, match=f"tokenizer.{message}"):
        train(**changes)


def test_a_saved_model_is_loaded_as_it_was(tmp_path):
    path = tmp_path / "tokenizer.model"
    path.write_bytes(b"before")
    UNIGRAM.save(path)
    loaded = Tokenizer.load(path)
    assert loaded.sha256 == UNIGRAM.sha256
    assert loaded.encode("der Hund") == UNIGRAM.encode("der Hund")
    assert [file.name for file in tmp_path.iterdir()] == ["tokenizer.model"]


def test_saving_that_fails_leaves_nothing(tmp_path):
    (tmp_path / "tokenizer.model").mkdir()
    with pytest.raises(OSError, match=r"tokenizer\.model"):
        UNIGRAM.save(tmp_path / "tokenizer.model")
    assert [file.name for file in tmp_path.iterdir()] == ["tokenizer.model"]


def test_a_missing_model_is_refused_by_name(tmp_path):
    with pytest.raises(
        InputError, match=r"none\.model: no such file; needed is a \.model file made by `seq2see tok"
    ):
        Tokenizer.load(tmp_path / "none.model")


def test_a_model_that_cannot_be_read_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"cannot be read \(.+\); needed is a \.model file"):
        Tokenizer.load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"some text", b"\xff" * 99])
def test_a_file_that_is_no_model_is_refused_by_name(tmp_path, content):
    (tmp_path / "t.model").write_bytes(content)
    with pytest.raises(
        InputError, match=rf"t\.model: damaged, or no Sent.* \({len(content)} bytes\); needed is"
    ):
        Tokenizer.load(tmp_path / "t.model")


def test_a_cut_off_model_is_refused():
    model = UNIGRAM.__reduce__()[1][0]
    for size in range(len(model)):
        with pytest.raises(InputError, match=r"needed is a \.model file"):
            Tokenizer(model[:size])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"its ids of pad, bos, eos, unk are \(-1, 1, 2, 0\) instead of \(0, 1, 2, 3\)"),
        ({"ids": True}, "it has no pieces for bytes"),
        ({"ids": True, "byte_fallback": True, "vocab_size": 290}, "it does not keep white space"),
    ],
)
def test_models_made_elsewhere_are_refused(tmp_path, options, message):
    options = {"vocab_size": 40, **options}
    if options.pop("ids", False):
        options |= {"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3}
    (tmp_path / "other.model").write_bytes(train_elsewhere(**options))
    with pytest.raises(InputError, match=rf"other\.model: {message}.*; needed is a \.model file"):
        Tokenizer.load(tmp_path / "other.model")


def test_a_tokenizer_can_be_pickled():
    copy = pickle.loads(pickle.dumps(UNIGRAM))
    assert copy.sha256 == UNIGRAM.sha256
    assert copy.encode("der Hund") == UNIGRAM.encode("der Hund")


def test_threads_may_share_a_tokenizer():
    texts = sentences()
    expected = UNIGRAM.encode_batch(texts)
    results: list[list[list[int]]] = []
    threads = [
        threading.Thread(target=lambda: results.append([UNIGRAM.encode(x) for x in texts])) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 4


def test_a_joint_vocabulary_has_the_words_of_both_languages():
    src, tgt = train_tokenizers(["Hund Hund"] * 9, ["dog dog"] * 9, TokenizerConfig(vocab_size=270))
    assert src is tgt
    assert {"▁Hund", "▁dog"} <= set(src.pieces(range(len(src))))


def test_separate_vocabularies_have_the_words_of_one_language_each():
    config = TokenizerConfig(vocab_size=267, joint=False)
    src, tgt = train_tokenizers(["Hund Hund"] * 9, ["dog dog"] * 9, config)
    assert "▁dog" not in src.pieces(range(len(src)))
    assert "▁dog" in tgt.pieces(range(len(tgt)))
