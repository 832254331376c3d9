"""The target's part of a joint vocabulary: no text is spelled otherwise, and none is lost."""

import random
from dataclasses import replace

import pytest
import torch
from tiny_training import tiny_config, write_pairs

from translate.config.tokenizer import TokenizerConfig
from translate.model import LongerEmbedding
from translate.tokenizer import BOS_ID, EOS_ID, PAD_ID, UNK_ID, Tokenizer, Tokenizers
from translate.training.prepare import prepare_run
from translate.trimming import trim

SRC = ["der Hund läuft schnell", "die Katze schläft", "der schnelle Hund", "zwei Hunde schlafen"] * 10
TGT = ["the dog runs fast", "the cat sleeps", "the fast dog", "two dogs sleep"] * 10
SYMBOL = "{name}"


def joint(algorithm, **settings):
    settings = {"vocab_size": 330, "algorithm": algorithm, **settings}
    return Tokenizer.train([*SRC, *TGT], TokenizerConfig(**settings))


@pytest.fixture(params=["unigram", "bpe"])
def both(request):
    tokenizer = joint(request.param)
    return tokenizer, trim(tokenizer, TGT)


def spelled(tokenizer, text):
    return tokenizer.pieces(tokenizer.encode(text))


def test_targets_are_spelled_as_before(both):
    tokenizer, trimmed = both
    assert 260 < len(trimmed.tgt) < len(tokenizer)
    for text in TGT:
        assert spelled(trimmed.tgt, text) == spelled(tokenizer, text)


def test_words_of_many_kinds_are_spelled_as_before_by_both_algorithms():
    words = [
        "".join(word) for word in random.Random(1).choices([*"abcd", "ab", "abc", "bcd", "cdab"], k=3000)
    ]
    random_ = random.Random(2)
    texts = [" ".join("".join(random_.choices(words, k=3)) for _ in range(4)) for _ in range(200)]
    for algorithm in ("unigram", "bpe"):
        tokenizer = Tokenizer.train([*texts, *SRC], TokenizerConfig(vocab_size=500, algorithm=algorithm))
        trimmed = trim(tokenizer, texts[:60])
        assert len(trimmed.tgt) < len(tokenizer)
        assert [spelled(trimmed.tgt, text) for text in texts[:60]] == [
            spelled(tokenizer, text) for text in texts[:60]
        ]


def test_sources_have_the_pieces_that_they_had_and_the_vocabulary_begins_with_the_targets(both):
    tokenizer, trimmed = both
    assert sorted(trimmed.src.vocabulary()) == sorted(tokenizer.vocabulary())
    assert trimmed.src.vocabulary()[: len(trimmed.tgt)] == trimmed.tgt.vocabulary()
    assert trimmed.joint
    for text in [*SRC, *TGT]:
        assert spelled(trimmed.src, text) == spelled(tokenizer, text)


def test_a_target_that_training_never_had_is_spelled_without_loss(both):
    _, trimmed = both
    for text in ("der Hund läuft schnell", "  Ärger\t…", "中文 ▁ x", ""):
        assert trimmed.tgt.decode(trimmed.tgt.encode(text)) == text


def test_special_pieces_bytes_and_symbols_stay():
    trimmed = trim(joint("unigram", user_defined_symbols=(SYMBOL,)), TGT)
    names = trimmed.tgt.vocabulary()
    assert [names[number] for number in (PAD_ID, BOS_ID, EOS_ID, UNK_ID)] == ["<pad>", "<s>", "</s>", "<unk>"]
    assert {f"<0x{byte:02X}>" for byte in range(256)} <= set(names)
    assert SYMBOL in spelled(trimmed.tgt, f"the {SYMBOL}")


def test_without_targets_the_space_stays():
    trimmed = trim(joint("unigram"), [])
    assert "▁" in trimmed.tgt.vocabulary()
    assert trimmed.tgt.decode(trimmed.tgt.encode(" a  b ▁")) == " a  b ▁"


@pytest.mark.parametrize("algorithm", ["unigram", "bpe"])
def test_the_number_of_pieces_is_rounded_up_by_the_likeliest_of_the_others(algorithm):
    tokenizer = joint(algorithm)
    needed = {"<pad>", "<s>", "</s>", "<unk>", "▁", *(f"<0x{byte:02X}>" for byte in range(256))}
    others = [name for name in tokenizer.vocabulary() if name not in needed]
    kept = trim(tokenizer, []).tgt.vocabulary()
    assert [name for name in kept if name not in needed] == others[:11]  # 261 + 11 = 17 * 16
    assert len(trim(tokenizer, TGT).tgt) % 16 == 0


def test_where_all_pieces_are_used_nothing_changes():
    tokenizer = joint("unigram")
    assert trim(tokenizer, [*SRC, *TGT, *(tokenizer.pieces(range(260, len(tokenizer))))]) == (
        tokenizer,
        tokenizer,
    )


def test_the_same_text_gives_the_same_vocabularies():
    tokenizer = joint("unigram")
    one, other = trim(tokenizer, TGT), trim(tokenizer, TGT)
    assert [side.sha256 for side in one] == [side.sha256 for side in other]


def test_vocabularies_of_one_language_each_are_not_joint():
    src = Tokenizer.train(SRC, TokenizerConfig(vocab_size=300))
    tgt = Tokenizer.train(TGT, TokenizerConfig(vocab_size=290))
    assert not Tokenizers(src, tgt).joint
    assert Tokenizers(src, src).joint


# What a run makes of it.


def trimmed_run(tmp_path, **settings):
    pairs = list(zip(SRC, TGT, strict=True))
    config = replace(tiny_config(tmp_path), tokenizer=TokenizerConfig(vocab_size=295, **settings))
    write_pairs(tmp_path, "train", pairs)
    return prepare_run(config, tmp_path / "run")


def test_a_run_shares_embeddings_and_scores_the_targets_pieces_only(tmp_path):
    run = trimmed_run(tmp_path)
    tokenizers = run.tokenizers()
    model = run.build_model(tokenizers)
    assert isinstance(model.src_embedding, LongerEmbedding)
    assert model.src_embedding.beginning is model.tgt_embedding
    assert model.output.weight is model.tgt_embedding.weight
    assert model.output.out_features == len(tokenizers.tgt) < len(tokenizers.src)
    assert run.config.tokenizer.joint
    run.save_weights(model, tokenizers)
    loaded = run.load_model()
    ids = torch.arange(len(tokenizers.src))[None]
    torch.testing.assert_close(loaded.src_embedding(ids), model.src_embedding(ids), atol=0, rtol=0)
    assert loaded.output.weight is loaded.src_embedding.beginning.weight


def test_a_run_may_keep_the_whole_vocabulary(tmp_path):
    tokenizers = trimmed_run(tmp_path, trim=False).tokenizers()
    assert tokenizers.src is tokenizers.tgt
    assert len(tokenizers.src) == 295  # as many as the text has


def test_a_longer_embedding_is_one_table():
    beginning, rest = torch.nn.Embedding(3, 4), torch.nn.Embedding(2, 4)
    longer = LongerEmbedding(beginning, rest)
    ids = torch.tensor([[0, 4, 2], [3, 3, 1]])
    plain = torch.nn.Embedding.from_pretrained(longer.weight.detach(), freeze=False)
    torch.testing.assert_close(longer(ids), plain(ids), atol=0, rtol=0)
    (longer(ids) ** 2).sum().backward()
    (plain(ids) ** 2).sum().backward()
    gradient = torch.cat([beginning.weight.grad, rest.weight.grad])
    torch.testing.assert_close(gradient, plain.weight.grad)
