import math
from dataclasses import replace

import pytest
import torch
from small_models import small_batch, small_config, small_model
from tiny import MODEL, TRANSFORMER, separate_tokenizers, tiny_export, tiny_run, tiny_tokenizers

from translate import Translator
from translate.config.search import SearchConfig
from translate.ensemble import Ensemble
from translate.errors import InputError, UsageError
from translate.model import build_model
from translate.padding import pad
from translate.run_directory import RunDirectory
from translate.tokenizer import BOS_ID, EOS_ID, PAD_ID, UNK_ID
from translate.torch_engine import TorchEngine
from translate.translation import TextOptions, translate_texts

KINDS = [("gru", "input-gru-1"), ("sinusoidal", "sinusoidal-2"), ("rotary", "conditional-lstm-1")]
TEXTS = ["Ein Hund läuft.", "", "Zwei", "Guten Morgen! Wie geht es dir?"]
BEAM = SearchConfig(beam_size=3, n_best=3, max_length_ratio=0.3, max_length_offset=2)


def drawn(encoder, decoder):
    """A model over the tiny tokenizer, sure enough of its pieces that rounding makes no ties."""
    size = len(tiny_tokenizers().src)
    model = build_model(small_config(encoder, decoder), size, size, joint=True)
    for parameter in model.output.parameters():
        torch.nn.init.normal_(parameter)
    return model


def found(model, texts=TEXTS, search=BEAM, **settings):
    return translate_texts(TorchEngine(model), tiny_tokenizers(), texts, search, TextOptions(**settings))


def assert_alike(some, others):
    for one, other in zip(some, others, strict=True):
        assert [text for text, _ in one.alternatives] == [text for text, _ in other.alternatives]
        scores = [score for _, score in other.alternatives]
        assert [score for _, score in one.alternatives] == pytest.approx(scores, abs=1e-4)


def test_a_step_gives_the_logarithm_of_the_mean_probability():
    models = [small_model(*kind) for kind in KINDS]
    src, mask, tokens = small_batch()
    ensemble = Ensemble(models)
    state = ensemble.start(src, mask)
    for position in range(tokens.shape[1]):
        log_probs, state = ensemble.step(tokens[:, position], state)
        each = [model(src, mask, tokens[:, : position + 1])[:, -1].softmax(dim=-1) for model in models]
        torch.testing.assert_close(log_probs, torch.stack(each).mean(dim=0).log(), atol=1e-5, rtol=0)


def test_what_no_member_thinks_likely_stays_possible():
    model = small_model()
    with torch.no_grad():
        model.output.bias[5] = 300
    src, mask, tokens = small_batch()
    ensemble = Ensemble([model, model])
    log_probs, _ = ensemble.step(tokens[:, 0], ensemble.start(src, mask))
    assert (log_probs[:, 6] < math.log(1e-45)).all()  # too little for a float32
    assert log_probs.isfinite().all()


def test_selecting_rows_selects_them_of_every_member():
    src, mask, tokens = small_batch()
    ensemble = Ensemble([small_model(*kind) for kind in KINDS])
    rows = torch.tensor([1, 0, 1])
    _, state = ensemble.step(tokens[:, 0], ensemble.start(src, mask))
    selected, _ = ensemble.step(tokens[rows, 1], state.select(rows))
    _, state = ensemble.step(tokens[:, 0], ensemble.start(src, mask))
    log_probs, _ = ensemble.step(tokens[:, 1], state)
    torch.testing.assert_close(selected, log_probs[rows])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_model_with_itself_is_the_model(kind, beam_size):
    search = replace(BEAM, beam_size=beam_size, n_best=beam_size)
    model = drawn(*kind)
    assert_alike(found(Ensemble([model, model]), search=search), found(model, search=search))


def greedy(models, text):
    """The pieces that the models choose by the mean of their probabilities, and the log-probability."""
    ids, mask = pad([[*tiny_tokenizers().src.encode(text), EOS_ID]])
    written, log_prob = [BOS_ID], 0.0
    for _ in range(3 + 1):
        tgt = torch.tensor([written])
        probabilities = [model(ids, mask, tgt)[0, -1].softmax(dim=0) for model in models]
        mean = sum(probabilities) / len(models)
        allowed = mean.clone()
        allowed[[PAD_ID, BOS_ID, UNK_ID]] = 0
        best = int(allowed.argmax())
        if len(written) == 3 + 1 and best != EOS_ID:  # as long as it may be, and unfinished
            return written[1:], log_prob
        log_prob += math.log(mean[best])
        if best == EOS_ID:
            return written[1:], log_prob
        written.append(best)
    raise AssertionError


@torch.inference_mode()
def test_greedy_search_equals_a_loop_that_averages_the_softmaxes():
    models = [drawn(*kind).eval() for kind in KINDS]
    search = SearchConfig(beam_size=1, length_penalty=0.0, max_length_ratio=0.0, max_length_offset=3)
    for text in ("Ein Hund läuft.", "Zwei", "Good morning!"):
        tokens, log_prob = greedy(models, text)
        (translation,) = found(Ensemble(models), [text], search)
        assert translation.text == tiny_tokenizers().tgt.decode(tokens)
        assert translation.score == pytest.approx(log_prob, abs=1e-5)


def test_without_scores_greedy_search_finds_the_same():
    engine = TorchEngine(Ensemble([drawn(*kind) for kind in KINDS]))
    rows = tiny_tokenizers().src.encode_batch([text for text in TEXTS if text])
    scored, unscored = (
        engine.search(rows, [4] * len(rows), SearchConfig(beam_size=1), scored=scored)
        for scored in (True, False)
    )
    assert [one.tokens for (one,) in unscored] == [one.tokens for (one,) in scored]
    assert all(math.isnan(one.score) for (one,) in unscored)


@torch.inference_mode()
def test_the_score_of_a_beam_is_the_logarithm_of_the_averaged_probabilities():
    models = [drawn(*kind).eval() for kind in KINDS]
    search = replace(BEAM, length_penalty=0.0)
    ids = tiny_tokenizers().src.encode("Ein Hund läuft.")
    (hypotheses,) = TorchEngine(Ensemble(models)).search([ids], [4], search)
    src, mask = pad([[*ids, EOS_ID]])
    for hypothesis in hypotheses:
        tgt = [BOS_ID, *hypothesis.tokens]
        probabilities = torch.stack(
            [model(src, mask, torch.tensor([tgt]))[0].softmax(-1) for model in models]
        )
        spoken = [*hypothesis.tokens, *[EOS_ID] * hypothesis.finished]
        wanted = sum(float(probabilities[:, at, piece].mean().log()) for at, piece in enumerate(spoken))
        assert hypothesis.score == pytest.approx(wanted, abs=1e-4)


def test_batches_change_neither_texts_nor_scores():
    ensemble = Ensemble([drawn(*kind) for kind in KINDS])
    together = found(ensemble)
    assert_alike(together, found(ensemble, batch_tokens=1))
    assert_alike(together, found(ensemble, TEXTS[::-1], batch_tokens=100)[::-1])


def test_the_members_search_as_in_eval_mode():
    models = [drawn(*kind).train() for kind in KINDS]
    ensemble = Ensemble(models)
    found(ensemble, TEXTS[:1])
    assert not any(model.training for model in models)


# Run directories


def runs(tmp_path, **settings):
    """Two runs, of a recurrent model and of a transformer."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    one = tiny_run(tmp_path / "a", MODEL, **settings)
    return one, tiny_run(tmp_path / "b", TRANSFORMER, seed=1, **settings)


@pytest.mark.parametrize("backwards", [False, True])
def test_a_translator_of_several_runs_averages_their_models(tmp_path, backwards):
    one, other = runs(tmp_path, directions="both")
    translator = Translator(one, "cpu", backwards=backwards, ensemble=[other])
    models = [RunDirectory.open(run).load_model() for run in (one, other)]
    search = translator.config.search
    assert_alike(translator.translate(TEXTS), found(Ensemble(models), search=search, backwards=backwards))
    (alone,) = Translator(one, "cpu", backwards=backwards).translate(TEXTS[:1])
    assert abs(alone.score - translator.translate(TEXTS[:1])[0].score) > 1e-4
    assert translator.describe() == f"an ensemble of {one} and {other} by torch in float32 on cpu"


def test_a_line_is_long_if_it_is_so_for_one_member(tmp_path, caplog):
    (tmp_path / "a").mkdir()
    one, other = tiny_run(tmp_path, max_length=30), tiny_run(tmp_path / "a", max_length=12)
    Translator(one, "cpu", ensemble=[other]).translate(["Guten Morgen! Wie geht es dir?"])
    assert "longer than the 12 pieces" in caplog.text


def test_an_ensemble_is_current_as_long_as_all_weights_are(tmp_path):
    one, other = runs(tmp_path)
    translator = Translator(one, "cpu", ensemble=[other])
    assert translator.is_current()
    (other / "model.safetensors").touch()
    assert not translator.is_current()
    (other / "model.safetensors").unlink()
    assert not translator.is_current()


@pytest.mark.parametrize(("ours", "side"), [(tiny_tokenizers, "source"), (separate_tokenizers, "target")])
def test_other_tokenizers_are_refused_with_both_runs(tmp_path, ours, side):
    (tmp_path / "a").mkdir()
    one = tiny_run(tmp_path, tokenizers=ours())
    theirs = separate_tokenizers()
    theirs = theirs if side == "source" else theirs._replace(tgt=theirs.src)
    other = tiny_run(tmp_path / "a", tokenizers=theirs)
    with pytest.raises(InputError, match=rf"a/run has another {side} tokenizer than {one}: the models of"):
        Translator(one, "cpu", ensemble=[other])


def test_another_target_language_is_refused(tmp_path):
    one, other = runs(tmp_path)
    for run, lang in ((one, "de"), (other, "en")):
        directory = RunDirectory.open(run)
        config = directory.config
        directory.save_config(replace(config, data=replace(config.data, tgt_lang=lang)))
    with pytest.raises(InputError, match=r"b/run was trained to translate into en, .*a/run into de: the mod"):
        Translator(one, "cpu", ensemble=[other])


def test_backwards_every_member_must_have_learned_it(tmp_path):
    (tmp_path / "a").mkdir()
    one, other = tiny_run(tmp_path, directions="both"), tiny_run(tmp_path / "a")
    with pytest.raises(UsageError, match="a/run was trained to translate forward only"):
        Translator(one, "cpu", backwards=True, ensemble=[other])


def test_ctranslate2_is_refused_and_an_export_not_used(tmp_path, caplog):
    run = tiny_export(tmp_path).path
    with pytest.raises(UsageError, match="engine ctranslate2 translates with one model: an ensemble is for"):
        Translator(run, "cpu", "ctranslate2", ensemble=[run])
    with caplog.at_level("INFO"):
        translator = Translator(run, "cpu", "auto", ensemble=[run])
    assert "the export for CTranslate2 is not used: it is of one model, not of an ensemble" in caplog.text
    assert translator.engine.name == "torch"
