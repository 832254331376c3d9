import dataclasses
import itertools
import json
import math
import sys
import tomllib
from pathlib import Path

import ctranslate2
import pytest
import torch
from tiny import MODEL, TRANSFORMER, decided, separate_tokenizers, tiny_export, tiny_run, trimmed_tokenizers

from translate import Translator
from translate.cli import main
from translate.config.model import AttentionConfig, DecoderConfig, EncoderConfig
from translate.config.search import SearchConfig
from translate.engine import Demand
from translate.errors import InputError, UsageError
from translate.export import CTRANSLATE2, ctranslate2_model
from translate.export.ctranslate2_model import export_ctranslate2
from translate.padding import pad
from translate.run_directory import RunDirectory
from translate.tokenizer import BOS_ID, EOS_ID, PAD_ID, UNK_ID

ROOT = Path(__file__).parents[1]
TEXTS = [
    "Ein Hund läuft.",
    "Zwei",
    "Guten Morgen! Wie geht es dir?",
    "Hund läuft über die Wiese",
    "Zwei Kinder",
]
GREEDY = SearchConfig(beam_size=1)
BEAM = SearchConfig(beam_size=3, n_best=3, length_penalty=0.7)


def transformer(encoder="sinusoidal", decoder="sinusoidal", tie=False):
    return dataclasses.replace(
        TRANSFORMER,
        tie_embeddings=tie,
        encoder=dataclasses.replace(TRANSFORMER.encoder, positions=encoder),
        decoder=dataclasses.replace(TRANSFORMER.decoder, positions=decoder),
    )


class Both:
    """A run with both engines."""

    def __init__(self, run):
        self.run = run
        self.torch = Translator(run.path, "cpu", "torch")
        self.ctranslate2 = Translator(run.path, "cpu", "ctranslate2", threads=1)
        self.rows = self.torch.tokenizers.src.encode_batch(TEXTS)
        self.limits = [len(row) + 2 for row in self.rows]

    def search(self, search, limits=None):
        """What each engine finds."""
        limits = limits or self.limits
        return [
            translator.engine.search(self.rows, limits, search)
            for translator in (self.torch, self.ctranslate2)
        ]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    return Both(tiny_export(tmp_path_factory.mktemp("both"), model=transformer()))


@pytest.fixture
def run(tmp_path):
    return tiny_export(tmp_path, model=transformer())


def tokens_of(found):
    return [[(one.tokens, one.finished) for one in hypotheses] for hypotheses in found]


def log_prob(model, src, one):
    """What the model says of a hypothesis when it reads it."""
    ids, mask = pad([[*src, EOS_ID]])
    log_probs = model(ids, mask, torch.tensor([[BOS_ID, *one.tokens]]))[0].log_softmax(dim=1)
    written = [*one.tokens, EOS_ID][: one.length]
    return sum(log_probs[place, token].item() for place, token in enumerate(written))


# The same translations


POSITIONS = ("sinusoidal", "rotary")


@pytest.mark.parametrize("tie", [True, False])
@pytest.mark.parametrize(("encoder", "decoder"), [*itertools.product(POSITIONS, POSITIONS)])
def test_greedy_search_is_the_same(encoder, decoder, tie, tmp_path):
    joint = (encoder == decoder) == tie  # so that any three of the four choices come in every combination
    tokenizers = None if joint else separate_tokenizers()
    run = tiny_export(tmp_path, model=transformer(encoder, decoder, tie), tokenizers=tokenizers)
    ours, theirs = Both(run).search(GREEDY)
    assert tokens_of(ours) == tokens_of(theirs)
    for (one,), (other,) in zip(ours, theirs, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-4)
        assert one.log_prob == pytest.approx(other.log_prob, abs=1e-4)


@pytest.mark.parametrize("tie", [True, False])
def test_greedy_search_is_the_same_where_targets_have_a_part_of_the_vocabulary(tie, tmp_path):
    tokenizers = trimmed_tokenizers()
    model = transformer("rotary", "sinusoidal", tie)
    run = tiny_export(tmp_path, model=model, tokenizers=tokenizers)
    for side, tokenizer in (("source", tokenizers.src), ("target", tokenizers.tgt)):
        written = json.loads((run.path / "ctranslate2" / f"{side}_vocabulary.json").read_text("utf-8"))
        assert written == tokenizer.vocabulary()
    ours, theirs = Both(run).search(GREEDY)
    assert tokens_of(ours) == tokens_of(theirs)


def test_without_scores_the_same_is_found(both):
    for engine in (both.torch.engine, both.ctranslate2.engine):
        for search in (GREEDY, BEAM, dataclasses.replace(GREEDY, no_repeat_ngram=1, min_length=2)):
            scored = engine.search(both.rows, both.limits, search)
            unscored = engine.search(both.rows, both.limits, search, scored=False)
            assert tokens_of(unscored) == tokens_of(scored)
            # A beam cannot do without.
            known = [not math.isnan(one.score + one.log_prob) for found in unscored for one in found]
            assert set(known) == {search is BEAM}


@pytest.mark.parametrize(("encoder", "decoder"), [*itertools.product(POSITIONS, POSITIONS)])
def test_without_a_length_penalty_nearly_all_translations_of_a_beam_are_the_same(encoder, decoder, tmp_path):
    both = Both(tiny_export(tmp_path, model=transformer(encoder, decoder, tie=True)))
    ours, theirs = both.search(SearchConfig(beam_size=3, length_penalty=0.0))
    assert tokens_of(ours) == tokens_of(theirs)


def test_some_of_these_translations_end_and_some_do_not(both):
    assert {one.finished for (one,) in both.search(GREEDY)[0]} == {True, False}


@pytest.mark.parametrize("search", [BEAM, dataclasses.replace(BEAM, min_length=4, no_repeat_ngram=2)])
def test_scores_of_a_beam_are_what_the_model_says(search, both):
    _, found = both.search(search)
    for row, hypotheses in zip(both.rows, found, strict=True):
        assert hypotheses
        for one in hypotheses:
            assert one.log_prob == pytest.approx(log_prob(both.torch.model, row, one), abs=1e-4)
            assert one.score == pytest.approx(one.log_prob / one.length**0.7, abs=1e-5)
        assert hypotheses == sorted(hypotheses, key=lambda one: (not one.finished, -one.score))
        assert len({tuple(one.tokens) for one in hypotheses}) == len(hypotheses)


def test_one_piece_is_scored_with_and_without_an_end(both):
    ours, theirs = both.search(GREEDY, [1] * len(TEXTS))
    assert tokens_of(ours) == tokens_of(theirs)
    for (one,), (other,) in zip(ours, theirs, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-5)


def test_rules_are_kept_and_greedy_search_under_them_is_the_same(both):
    rules = {"min_length": 6, "no_repeat_ngram": 1}
    ours, theirs = both.search(dataclasses.replace(GREEDY, **rules))
    assert tokens_of(ours) == tokens_of(theirs)
    assert [one.score for (one,) in ours] == pytest.approx([one.score for (one,) in theirs], abs=1e-4)
    for hypotheses in both.search(dataclasses.replace(BEAM, **rules))[1]:
        for one in hypotheses:
            assert len(one.tokens) >= 6
            assert len({*one.tokens}) == len(one.tokens)


def test_a_least_length_above_the_greatest_gives_way(both):
    ours, theirs = both.search(dataclasses.replace(GREEDY, min_length=9), [2] * len(TEXTS))
    assert tokens_of(ours) == tokens_of(theirs)


@pytest.mark.parametrize("search", [GREEDY, BEAM])
def test_neighbours_change_nothing(search, both):
    engine = both.ctranslate2.engine
    limits = [3, 30, 1, 9, 5]  # what one may write does not depend on what its neighbours may
    together = engine.search(both.rows, limits, search)
    for row, limit, found in zip(both.rows, limits, together, strict=True):
        (alone,) = engine.search([row], [limit], search)
        assert [one.tokens for one in alone] == [one.tokens for one in found]
        assert [one.score for one in alone] == pytest.approx([one.score for one in found], abs=1e-4)
        assert all(len(one.tokens) <= limit for one in found)


def test_special_pieces_are_never_produced(tmp_path):
    run = RunDirectory.open(tiny_run(tmp_path, model=transformer()))
    model = run.load_model()
    with torch.no_grad():
        model.output.bias[[PAD_ID, BOS_ID, UNK_ID]] = 100
    run.save_weights(model, run.tokenizers())
    export_ctranslate2(run)
    for hypotheses in Both(run).search(BEAM)[1]:
        assert not {PAD_ID, BOS_ID, UNK_ID} & {token for one in hypotheses for token in one.tokens}


def wide():
    """As `transformer`, but wide enough for processors on which sums of products of bytes saturate."""
    model, size = transformer(), 64
    return dataclasses.replace(
        model,
        embedding_size=size,
        encoder=dataclasses.replace(model.encoder, size=size),
        attention=dataclasses.replace(model.attention, size=size),
        decoder=dataclasses.replace(model.decoder, size=size),
    )


QUANTIZATIONS = {"int8", "int16"} & ctranslate2.get_supported_compute_types("cpu")


@pytest.mark.parametrize("quantization", sorted(QUANTIZATIONS))
def test_quantized_weights_are_smaller_and_say_nearly_the_same(quantization, tmp_path):
    run = tiny_export(tmp_path, quantization, model=wide())
    plain = (run.export_path / "model.bin").stat().st_size
    both = Both(run)
    assert both.ctranslate2.engine.precision == quantization
    # Which pieces are best may hang by a thread; how probable ours are does not.
    ours = both.torch.engine.search(both.rows, both.limits, GREEDY)
    engine = both.ctranslate2.engine
    sources = [[engine._src_names[number] for number in [*row, EOS_ID]] for row in both.rows]
    theirs = [[one._replace(log_prob=math.nan)] for (one,) in ours]
    engine._score(sources, theirs)
    off = [
        abs(one.log_prob - other.log_prob) / one.length for (one,), (other,) in zip(ours, theirs, strict=True)
    ]
    assert max(off) < 0.3  # of 1.4 to 1.6 nats a token
    assert sum(off) / len(off) < 0.15
    export_ctranslate2(run, "float32")
    assert plain < (run.export_path / "model.bin").stat().st_size


# Lengths


def test_the_longest_source_and_the_longest_translation_have_positions(monkeypatch, tmp_path):
    monkeypatch.setattr(ctranslate2_model, "LEAST_POSITIONS", 1)
    search = SearchConfig(beam_size=1, max_length_ratio=1.0, max_length_offset=3)
    run = RunDirectory.open(tiny_run(tmp_path, model=transformer(), search=search, max_length=9))
    model = decided(run.load_model())
    with torch.no_grad():
        model.output.bias[EOS_ID] = -30  # so that every position is needed
    run.save_weights(model, run.tokenizers())
    assert export_ctranslate2(run).positions == 9 + 3 + 1
    text = "Zwei Kinder spielen im Park. " * 3
    texts = [text, "Hund"]
    both = Both(run)
    assert [each.text for each in both.ctranslate2.translate(texts)] == [
        each.text for each in both.torch.translate(texts)
    ]


def test_text_is_split_where_the_table_ends(monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(ctranslate2_model, "LEAST_POSITIONS", 1)
    search = SearchConfig(max_length_ratio=0.0, max_length_offset=5)
    run = tiny_export(tmp_path, model=transformer(), search=search, max_length=9)
    run.save_config(dataclasses.replace(run.config, data=dataclasses.replace(run.config.data, max_length=99)))
    Translator(run.path, "cpu", "ctranslate2").translate(["Zwei Kinder spielen im Park."])
    assert "longer than the 9 pieces the model takes at once, translated in parts" in caplog.text


def test_longer_translations_than_the_table_has_are_refused(run):
    translator = Translator(run.path, "cpu", "ctranslate2", threads=1)
    long = SearchConfig(beam_size=1, max_length_ratio=0.0, max_length_offset=1024)
    with pytest.raises(
        UsageError,
        match=r"^translations may have 1024 pieces \(of sources of 32\), but engine ctranslate2 only has "
        r"positions for 1023: allow fewer, or choose engine torch$",
    ):
        translator.translate(["Hund"], long)
    translator.translate(["Hund"], dataclasses.replace(long, max_length_offset=1023))


# What cannot be exported


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoder": EncoderConfig(size=8)}, "model.encoder.type is recurrent, needed is transformer"),
        (
            {"decoder": DecoderConfig(size=16), "attention": AttentionConfig("scaled_dot", size=16)},
            "model.decoder.type is recurrent, needed is transformer",
        ),
        (
            {"attention": AttentionConfig("additive", size=16, heads=4)},
            "model.attention.score is additive, needed is scaled_dot",
        ),
        (
            {"attention": AttentionConfig("scaled_dot", "sparsemax", size=16, heads=4)},
            "model.attention.normalizer is sparsemax, needed is softmax",
        ),
        (
            {"attention": AttentionConfig("scaled_dot", size=16, heads=4, end_of_sentence=False)},
            "model.attention.end_of_sentence is false, needed is true",
        ),
        (
            {"attention": AttentionConfig("scaled_dot", size=8, heads=4)},
            "model.attention.size is 8, needed is 16 (model.decoder.size)",
        ),
        (
            {"attention": AttentionConfig("scaled_dot", size=16, heads=2)},
            "model.attention.heads is 2, needed is 4 (model.decoder.heads)",
        ),
    ],
)
def test_what_ctranslate2_cannot_run_is_refused_by_the_name_of_the_setting(change, message, tmp_path, capsys):
    path = tiny_run(tmp_path, model=dataclasses.replace(TRANSFORMER, **change))
    assert main(["export", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"seq2see export: error: CTranslate2 cannot run this model: {message}\n" in err
    assert not (path / "ctranslate2").exists()


def test_every_weight_is_exported(both):
    weights = ctranslate2_model.Weights(both.torch.model)
    with pytest.raises(AssertionError, match=r"not exported: .*decoder\.norm\.bias"):
        weights.check_all_taken()


def test_without_ctranslate2_one_is_told_how_to_get_it(run, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    message = f"error: CTranslate2 is not installed: pip install '{CTRANSLATE2}'\n"
    for arguments in (
        ["export", str(run.path)],
        ["translate", str(run.path), "Hund", "--engine", "ctranslate2"],
    ):
        assert main(arguments) == 3
        assert message in capsys.readouterr().err
    assert main(["translate", str(run.path), "Hund"]) == 0
    assert "the export for CTranslate2 is not used: CTranslate2 is not installed" in capsys.readouterr().err


def test_the_extra_asks_for_the_release_that_is_needed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["optional-dependencies"]["ctranslate2"] == [CTRANSLATE2]


# Which engine translates


def translate(run, *arguments):
    return main(["translate", str(run.path), *arguments, "--threads", "1"])


def test_export_says_what_it_made(tmp_path, capsys):
    path = tiny_run(tmp_path, model=TRANSFORMER)
    assert main(["export", str(path), "--format", "ctranslate2", "--quantization", "int8"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{path / 'ctranslate2'}: 0.")
    assert " MB, int8, up to " in out
    assert out.endswith("up to 1023 pieces\n")


def test_a_current_export_translates_unless_told_otherwise(run, capsys):
    translate(run, *TEXTS, "")
    by_export = capsys.readouterr()
    translate(run, *TEXTS, "", "--engine", "torch")
    by_torch = capsys.readouterr()
    assert by_export.err == "translating with ctranslate2 in float32 on cpu\n"
    assert by_torch.err == "translating with torch in float32 on cpu\n"
    assert by_export.out == by_torch.out
    assert by_export.out.endswith("\n\n")  # the blank line


def test_the_n_best_and_json_come_from_the_export_too(run, capsys):
    translate(run, "Ein Hund im Schnee", "", "--n-best", "2", "--json")
    first, blank = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert len(first["alternatives"]) == 2
    assert first["alternatives"][0] == {"translation": first["translation"], "score": first["score"]}
    assert (blank["translation"], blank["score"]) == ("", 0.0)


def test_an_export_of_other_weights_is_not_used_but_told_of(run, capsys):
    run.save_weights(run.build_model(run.tokenizers()), run.tokenizers())
    assert translate(run, "Hund") == 0
    why = (
        f"{run.export_path} was made from other weights than those in {run.path} now: make it anew with "
        f"`seq2see export {run.path}`\n"
    )
    assert capsys.readouterr().err == (
        f"the export for CTranslate2 is not used: {why}translating with torch in float32 on cpu\n"
    )
    assert translate(run, "Hund", "--engine", "ctranslate2") == 3
    assert capsys.readouterr().err == f"seq2see translate: error: {why}"
    export_ctranslate2(run)
    assert translate(run, "Hund", "--engine", "ctranslate2") == 0


def test_without_an_export_torch_translates_without_a_word(tmp_path, capsys):
    run = RunDirectory.open(tiny_run(tmp_path, model=MODEL))
    assert translate(run, "Hund") == 0
    assert capsys.readouterr().err == "translating with torch in float32 on cpu\n"
    assert translate(run, "Hund", "--engine", "ctranslate2") == 3
    assert capsys.readouterr().err == (
        f"seq2see translate: error: {run.path} holds no export for CTranslate2: make one with "
        f"`seq2see export {run.path}`\n"
    )


def test_another_device_is_refused(run, capsys):
    assert translate(run, "Hund", "--engine", "ctranslate2", "--device", "cuda") == 2
    message = "device cuda is not for engine ctranslate2, which computes on the cpu"
    assert message in capsys.readouterr().err


def test_the_model_is_there_for_alignments_whichever_engine_translates(both):
    assert both.ctranslate2.model.device.type == "cpu"


# Damage


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"weights_sha256": 1, "tokenizers": 2}'])
def test_an_export_without_good_facts_is_damaged(content, run):
    (run.export_path / "export.json").write_bytes(content)
    message = r"ctranslate2 is damaged \(no good export\.json\): make it anew with `seq2see export .*run`"
    with pytest.raises(InputError, match=message):
        Translator(run.path, engine="ctranslate2")


def test_an_export_that_ctranslate2_cannot_read_is_damaged(run):
    (run.export_path / "model.bin").write_bytes(b"x" * 99)
    with pytest.raises(InputError, match=r"ctranslate2 is damaged \(.+\): make it anew with `seq2see export"):
        Translator(run.path, engine="ctranslate2")


def test_a_precision_that_the_processor_lacks_is_named(run):
    facts = run.export_path / "export.json"
    facts.write_text(facts.read_text().replace("float32", "float16"))
    message = (
        r"^CTranslate2 has no float16 on this processor: make another export with "
        r"`seq2see export .*run --quantization float32`, or choose --engine torch$"
    )
    with pytest.raises(InputError, match=message):
        Translator(run.path, engine="ctranslate2")


# Evaluating


def evaluate(run, folder, *arguments):
    files = ["--src", str(folder / "test.de"), "--ref", str(folder / "test.en")]
    assert main(["evaluate", str(run.path), *files, "--threads", "1", *arguments]) == 0


def test_evaluation_is_by_torch_unless_told_and_says_engine_and_precision(run, capsys):
    folder = run.path.parent
    (folder / "test.de").write_text("Ein Hund\nZwei Kinder\n")
    (folder / "test.en").write_text("A dog\nTwo children\n")
    export_ctranslate2(run, "int8")
    evaluate(run, folder)
    assert "translated 2 sentences with torch in float32 on cpu in " in capsys.readouterr().err
    evaluate(run, folder, "--engine", "ctranslate2")
    assert "translated 2 sentences with ctranslate2 in int8 on cpu in " in capsys.readouterr().err
    first, second = run.read_json(run.evaluation_path)  # neither replaces the other
    assert (first["engine"], first["precision"], set(first["versions"])) == (
        "torch",
        "float32",
        {"seq2see", "torch"},
    )
    assert (second["engine"], second["precision"], set(second["versions"])) == (
        "ctranslate2",
        "int8",
        {"seq2see", "ctranslate2"},
    )


def test_both_engines_translate_backwards_alike(tmp_path):
    run = RunDirectory.open(tiny_run(tmp_path, transformer(), GREEDY, directions="both"))
    run.save_weights(decided(run.load_model()), run.tokenizers())
    export_ctranslate2(run)
    forward, there, back = (
        Translator(run.path, "cpu", engine, 1, backwards=backwards).translate(TEXTS)
        for engine, backwards in (("torch", False), ("torch", True), ("ctranslate2", True))
    )
    assert [each.text for each in there] == [each.text for each in back]
    assert abs(there[0].score - forward[0].score) > 1e-3
    assert [each.score for each in there] == pytest.approx([each.score for each in back], abs=1e-4)


def test_prefixes_terms_and_samples_are_for_torch(run):
    engine = Translator(run.path, "cpu", "ctranslate2", threads=1).engine
    with pytest.raises(UsageError, match="ctranslate2 only looks for the best translation"):
        engine.search([[5]], [3], GREEDY, [Demand(prefix=(5,))])
