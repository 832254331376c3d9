"""What a training does at its steps, validations and end."""

import csv
import logging
import re
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_training import (
    checkpoint,
    copy_run,
    probe,
    tiny_config,
    weights,
    with_data,
    with_training,
)

from translate.batches import BatchLoader, collate
from translate.config.model import DecoderConfig, EncoderConfig, ModelConfig
from translate.errors import UsageError
from translate.evaluation import bleu
from translate.platforms import Facts, choose_plan
from translate.ranks import Place
from translate.run_directory import RunDirectory
from translate.stored_pairs import IdPairs
from translate.torch_engine import TorchEngine
from translate.training.clock import Clock
from translate.training.loss import Objective, batch_loss
from translate.training.module import TrainingModule
from translate.training.prepare import prepare_run
from translate.training.processes import count_processes, plan_training
from translate.training.schedule import learning_rate_factor
from translate.training.trainer import resume, train
from translate.translation import translate_texts


def parameters(trainer) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in trainer.lightning_module.parameters()]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """10 steps, validated at 4, 8 and 10."""
    folder = tmp_path_factory.mktemp("training")
    return train(tiny_config(folder), folder / "run")


def test_the_run_directory_is_complete(run):
    names = {path.name for path in run.path.iterdir()}
    assert names == {
        "README.md",
        "checksums.json",
        "config.yaml",
        "data.json",
        "ids",
        "last.ckpt",
        "metrics.csv",
        "model.safetensors",
        "previous.ckpt",
        "src.model",
        "summary.json",
        "tensorboard",
        "tgt.model",
        "valid.src",
        "valid.tgt",
    }


def test_there_is_a_row_of_metrics_for_each_validation_and_the_last_step_has_one(run):
    with run.metrics_path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["4", "8", "10"]
    assert [row["epoch"] for row in rows] == ["0.67", "1.33", "1.67"]  # 6 batches an epoch
    best = 0.0
    for row in rows:
        best = max(best, float(row["valid_bleu"]))
        assert float(row["best_bleu"]) == best
        config = run.config.training
        rate = config.learning_rate * learning_rate_factor(int(row["step"]), config)
        assert float(row["learning_rate"]) == pytest.approx(rate, rel=5e-3)


def scalars(run: RunDirectory) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard shows."""
    events = EventAccumulator(str(run.path / "tensorboard")).Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }


def test_tensorboard_has_the_same_numbers(run):
    shown, rows = scalars(run), run.read_metrics()
    assert [step for step, _ in shown["valid/bleu"]] == [int(row["step"]) for row in rows]
    for tag, column in (("valid/bleu", "valid_bleu"), ("valid/nll", "valid_nll")):
        assert [f"{value:.2f}" for _, value in shown[tag]] == [f"{float(row[column]):.2f}" for row in rows]
    assert [step for step, _ in shown["train/nll"]] == [4, 8, 10]
    assert all(value > 0 for _, value in shown["train/tokens_per_second"])


def test_what_was_logged_after_the_checkpoint_is_shown_once(tmp_path, monkeypatch):
    run = prepare_run(tiny_config(tmp_path), tmp_path / "run")
    killed = []

    def kill(trainer):
        if trainer.global_step == 8:
            killed.append(copy_run(run, tmp_path / "killed"))

    with monkeypatch.context() as patch:
        probe(patch, on_validation_epoch_end=kill)  # logged, not yet saved
        resume(run.path)
    resume(killed[0].path)
    assert scalars(killed[0])["valid/bleu"] == scalars(run)["valid/bleu"]


def test_the_summary_and_the_card_say_what_was_trained(run):
    summary, rows = run.read_json(run.summary_path), run.read_metrics()
    assert summary["parameters"] == sum(p.numel() for p in run.load_model().parameters())
    assert (summary["steps"], summary["device"], summary["precision"]) == (10, "cpu", "float32")
    assert f"{summary['best_bleu']:.2f}" == rows[-1]["best_bleu"]
    card = " ".join(run.card_path.read_text(encoding="utf-8").split())
    assert "Trained on 40 of 40 sentence pairs" in card
    assert run.read_json(run.data_path)["train_sha256"] in card
    assert f"Best validation BLEU {summary['best_bleu']} at step {summary['best_step']} of 10" in card
    assert "batch_tokens: 80" in card
    assert "backwards" not in card


def test_the_card_of_a_run_in_both_directions_says_so(tmp_path):
    config = with_data(tiny_config(tmp_path, max_steps=1), directions="both")
    card = train(config, tmp_path / "run").card_path.read_text(encoding="utf-8")
    assert f'seq2see translate {tmp_path / "run"} --backwards "..."' in card
    assert "in both directions" in card


@pytest.mark.parametrize("average", ["ema", "none"])
def test_the_weights_that_are_kept_are_those_that_scored_best(average, tmp_path, monkeypatch):
    """Hardly trained, no later validation is better than the first, though its weights are others."""
    config = tiny_config(tmp_path, average=average, learning_rate=1e-5)
    run, saved = prepare_run(config, tmp_path / "run"), {}
    probe(monkeypatch, on_validation_end=lambda trainer: saved.update({trainer.global_step: checkpoint(run)}))
    resume(run.path)
    summary = run.read_json(run.summary_path)
    assert summary["best_step"] == 4
    kept = weights(run)

    def differs(step: int) -> bool:
        state = saved[step]["state_dict"]  # with an average: the averaged weights
        return any(not torch.equal(value, state[f"model.{name}"]) for name, value in kept.items())

    assert [differs(step) for step in (4, 8, 10)] == [False, True, True]
    if average == "ema":
        current = saved[4]["current_model_state"]
        assert any(not torch.equal(value, current[f"model.{name}"]) for name, value in kept.items())


def test_the_weights_that_are_kept_have_the_score_and_the_loss_that_were_logged(run):
    config, tokenizers, model = run.config, run.tokenizers(), run.load_model()
    src, tgt = run.read_valid()
    best = run.read_json(run.summary_path)["best_step"]
    row = next(row for row in run.read_metrics() if int(row["step"]) == best)
    greedy = replace(config.search, beam_size=1)
    found = [translation.text for translation in translate_texts(TorchEngine(model), tokenizers, src, greedy)]
    assert f"{bleu(found, tgt):.2f}" == row["valid_bleu"]
    total, count = 0.0, 0
    for src_text, tgt_text in zip(src, tgt, strict=True):  # not smoothed, each target piece counting alike
        batch = collate([tokenizers.src.encode(src_text)], [tokenizers.tgt.encode(tgt_text)])
        log_probs = model(batch.src, batch.src_mask, batch.tgt_in).log_softmax(dim=-1)
        total -= log_probs.gather(2, batch.tgt_out[..., None]).sum().item()
        count += batch.tgt_out.numel()
    assert float(row["valid_nll"]) == pytest.approx(total / count, abs=1e-3)


@pytest.mark.parametrize("decay", [0.998, 0.2])
def test_the_average_is_the_formulas(decay, tmp_path, monkeypatch):
    """Also across a validation, where the averaged weights take the place of the others."""
    steps = []
    run = prepare_run(tiny_config(tmp_path, max_steps=7, ema_decay=decay), tmp_path / "run")
    probe(monkeypatch, on_train_batch_end=lambda trainer: steps.append(parameters(trainer)))
    resume(run.path)
    average = steps[0]
    for n, current in enumerate(steps[1:], start=1):
        kept = min(decay, (1 + n) / (10 + n))
        average = [kept * old + (1 - kept) * new for old, new in zip(average, current, strict=True)]
    model = run.load_model()
    torch.manual_seed(0)
    module = TrainingModule(model, run.config.training, Clock())
    module.load_state_dict(checkpoint(run)["state_dict"])
    for ours, saved in zip(average, module.parameters(), strict=True):
        torch.testing.assert_close(ours, saved.detach(), atol=1e-6, rtol=1e-5)


def test_a_step_takes_the_mean_gradient_of_its_batches_at_the_schedules_rate(tmp_path, monkeypatch):
    """Against torch's own AdamW, without dropout; five batches an epoch, so that step 3 spans its end."""
    config = tiny_config(tmp_path, pairs=34, accumulate=2, max_steps=6, average="none", clip_norm=0.5)
    run = prepare_run(config, tmp_path / "run")
    run.save_config(replace(config, model=replace(config.model, dropout=0.0)))
    reached = []
    with monkeypatch.context() as patch:
        probe(patch, on_train_batch_end=lambda trainer: reached.append(parameters(trainer)))
        resume(run.path)
    torch.manual_seed(config.training.seed)
    module = TrainingModule(run.build_model(run.tokenizers()), config.training, Clock())
    loader = BatchLoader(IdPairs(run.ids_path), config.data.batch_tokens, config.training.seed)
    optimizer = module.configure_optimizers()["optimizer"]
    batches = [batch for _ in range(3) for batch in loader]
    assert len(loader) == 5
    for step in range(6):
        optimizer.param_groups[0]["lr"] = optimizer.param_groups[1]["lr"] = (
            config.training.learning_rate * learning_rate_factor(step, config.training)
        )
        optimizer.zero_grad()
        for batch in batches[2 * step : 2 * step + 2]:
            loss, _ = batch_loss(module.model, batch, Objective(0.1))
            (loss / 2).backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 0.5)
        optimizer.step()
        for ours, theirs in zip(module.parameters(), reached[2 * step + 1], strict=True):
            torch.testing.assert_close(ours.detach(), theirs)


def test_biases_and_gains_are_not_decayed(run):
    module = TrainingModule(run.load_model(), run.config.training, Clock())
    decayed, others = module.configure_optimizers()["optimizer"].param_groups
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.01, 0.0)
    assert {p.ndim for p in decayed["params"]} == {2}
    assert {p.ndim for p in others["params"]} == {1}
    assert len(decayed["params"]) + len(others["params"]) == len(list(module.parameters()))


def test_the_loss_is_smoothed_and_what_is_reported_is_not(run):
    module = TrainingModule(run.load_model(), run.config.training, Clock())
    batch = IdPairs(run.ids_path).batch(torch.arange(5).numpy())
    logits = module.model(batch.src, batch.src_mask, batch.tgt_in)[batch.tgt_mask]
    target = batch.tgt_out[batch.tgt_mask]
    loss, nll = module.loss(batch)
    smoothed = torch.nn.functional.cross_entropy(logits, target, label_smoothing=0.1)
    plain = torch.nn.functional.cross_entropy(logits, target)
    torch.testing.assert_close(loss, smoothed)
    torch.testing.assert_close(nll, plain.detach())
    assert not torch.isclose(smoothed, plain)


def test_what_translating_chooses_among_does_not_matter_to_greedy_validation(run, tmp_path):
    config = tiny_config(tmp_path)
    other = train(replace(config, search=replace(config.search, mbr=3)), tmp_path / "run")
    assert [row["valid_bleu"] for row in other.read_metrics()] == [
        row["valid_bleu"] for row in run.read_metrics()
    ]


def test_training_ends_early_when_bleu_has_not_risen_for_so_long(tmp_path, caplog):
    """Nothing is learned, so the first validation stays the best."""
    caplog.set_level(logging.INFO)
    config = tiny_config(tmp_path, learning_rate=0.0, validate_every=2, patience=2)
    run = train(config, tmp_path / "run")
    assert [row["step"] for row in run.read_metrics()] == ["2", "4", "6"]
    assert "BLEU has not risen for 2 validations: training stops early" in caplog.text
    assert run.read_json(run.summary_path)["steps"] == 6
    resume(run.path, max_steps=20)
    message = "stopped early at step 6, after 2 validations without a better BLEU: nothing to do"
    assert message in caplog.text


def test_patience_is_remembered(tmp_path, monkeypatch):
    run = prepare_run(
        tiny_config(tmp_path, learning_rate=0.0, validate_every=2, patience=2), tmp_path / "run"
    )

    class Killed(BaseException):
        pass

    def kill(trainer):
        if trainer.global_step == 5:
            raise Killed

    with monkeypatch.context() as patch:
        probe(patch, on_train_batch_end=kill)
        with pytest.raises(Killed):
            resume(run.path)
    resume(run.path)
    assert [row["step"] for row in run.read_metrics()] == ["2", "4", "6"]


def test_training_ends_when_its_minutes_are_over(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    run = train(tiny_config(tmp_path, max_minutes=1e-9), tmp_path / "run")
    assert [row["step"] for row in run.read_metrics()] == ["1"]
    resume(run.path)
    assert re.search(r"already at \d+\.\d of 1e-09 minutes \(step 1\): nothing to do", caplog.text)


def test_minutes_of_earlier_parts_count(tmp_path, monkeypatch):
    """The clock of a resumed run goes on where it was."""
    run = train(tiny_config(tmp_path, max_steps=4), tmp_path / "run")
    seconds = torch.load(run.checkpoint_path, weights_only=True)["callbacks"]["Validation"]["seconds"]
    assert seconds > 0
    with_training(run, max_steps=8, max_minutes=seconds / 60 + 1e-9)
    resume(run.path)
    assert run.read_json(run.summary_path)["steps"] == 5


@pytest.mark.parametrize("fast", [True, False])
def test_the_precision_is_chosen_once(fast, tmp_path, monkeypatch):
    """Or a run would become another one when it is resumed on another machine."""
    for machine in (fast, not fast):
        facts = Facts("Linux", 1, cpu_bf16=machine, cuda=False, cuda_bf16=False, mps=False)
        monkeypatch.setattr("translate.training.processes.gather_facts", lambda facts=facts: facts)
        if machine == fast:
            run = train(tiny_config(tmp_path, precision="auto", max_steps=1), tmp_path / "run")
        else:
            run = resume(run.path, max_steps=2)
        chosen = "bf16" if fast else "float32"
        assert run.config.training.precision == run.read_json(run.summary_path)["precision"] == chosen
    assert {value.dtype for value in weights(run).values()} == {torch.float32}
    assert float(run.read_metrics()[-1]["valid_nll"]) > 0


LSTM = {"cell": "lstm"}


@pytest.mark.parametrize(
    ("encoder", "decoder"), [(LSTM, {}), ({}, {**LSTM, "layers": 2, "feeding": "parallel"})]
)
def test_lstm_layers_in_bfloat16_are_refused_where_the_processor_has_none(
    encoder, decoder, tmp_path, monkeypatch
):
    monkeypatch.setattr("translate.training.processes.has_bf16_lstm", lambda: False)
    model = ModelConfig(encoder=EncoderConfig(**encoder), decoder=DecoderConfig(**decoder))
    config = tiny_config(tmp_path, precision="bf16", device="cpu")
    with pytest.raises(
        UsageError, match="precision bf16: this processor has no LSTM layers in bfloat16: set"
    ):
        plan_training(replace(config, model=model), Place())
    assert plan_training(config, Place()).precision == "bf16"
    in_float32 = replace(config, training=replace(config.training, precision="float32"), model=model)
    assert plan_training(in_float32, Place()).precision == "float32"


@pytest.mark.parametrize(("device", "processes"), [("cpu", 2), ("cuda", 1)])
def test_only_on_a_cpu_processes_share_the_batches(device, processes, tmp_path):
    """Though a run that began on one is resumed elsewhere."""
    facts = Facts("Linux", 4, cpu_bf16=False, cuda=True, cuda_bf16=True, mps=False)
    plan = choose_plan(device, "float32", facts)
    assert count_processes(tiny_config(tmp_path, processes=2), plan, Place()) == processes


def test_the_randomness_of_a_step_depends_on_its_number_alone(tmp_path, monkeypatch):
    """So that dropout is the same after a resumption; and on the seed."""
    drawn = {}
    for seed in (1, 2):
        seen = []
        run = prepare_run(tiny_config(tmp_path, seed=seed, max_steps=4), tmp_path / f"run{seed}")
        with monkeypatch.context() as patch:
            probe(patch, on_before_zero_grad=lambda _, seen=seen: seen.append(torch.initial_seed()))
            resume(run.path)
        drawn[seed] = seen
        assert all(a != b for a, b in pairwise(seen))
    assert not set(drawn[1]) & set(drawn[2])
