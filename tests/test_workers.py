"""Several processes that share each batch: the same training as one does, stopped and resumed alike."""

import logging
import multiprocessing
import re
import signal
from dataclasses import replace

import pytest
import torch
from tiny_training import assert_same_run, checkpoint, copy_run, probe, tiny_config

from translate.batches import collate, deal
from translate.errors import InputError
from translate.run_directory import RunDirectory
from translate.training import processes as counting
from translate.training.loss import Objective, batch_loss
from translate.training.prepare import prepare_run
from translate.training.progress import Progress
from translate.training.trainer import resume, train
from translate.training.workers import Task, Workers


def plain_config(folder, **settings):
    """Without dropout, so that how many processes share a batch makes no difference."""
    config = tiny_config(folder, **settings)
    return replace(config, model=replace(config.model, dropout=0.0))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    run = prepare_run(plain_config(folder), folder / "run")
    torch.manual_seed(0)
    return run.build_model(run.tokenizers())


@pytest.fixture(scope="module")
def workers(model):
    """Two, beside the tests' own process."""
    workers = Workers(model, 2, threads=1, bf16=False)
    workers.wait_until_ready()
    yield workers
    workers.stop()


def batch_of(rows):
    lengths = range(3, 3 + rows)
    return collate([[7] * length for length in lengths], [[8] * (length % 4 + 1) for length in lengths])


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_rows_are_dealt_to_parts_of_like_lengths(rows):
    plain = batch_of(rows)
    batch = plain._replace(links=torch.rand(*plain.tgt_in.shape, plain.src.shape[1]) < 0.3)
    assert deal(plain, 3)[0][0].links is None
    parts = deal(batch, 3)
    assert len(parts) == min(rows, 3)
    for number, (part, share) in enumerate(parts):
        for dealt, whole in zip(part, batch, strict=True):
            assert torch.equal(dealt, whole[number :: len(parts)])
        assert share == pytest.approx(int(part.tgt_mask.sum()) / int(batch.tgt_mask.sum()))
    assert sum(share for _, share in parts) == pytest.approx(1)


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_the_parts_gradients_add_up_to_the_batchs(rows, model, workers):
    """Also after the weights have changed, and when there are fewer rows than processes."""
    batch = batch_of(rows)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    loss, nll = batch_loss(model, batch, Objective(0.1))
    expected = torch.autograd.grad(loss, list(model.parameters()))
    model.zero_grad()
    (part, share), *others = deal(batch, 3)
    workers.start([Task(other, its_share, Objective(0.1), seed=0) for other, its_share in others])
    part_loss, part_nll = batch_loss(model, part, Objective(0.1))
    (part_loss * share).backward()
    total = float(part_nll) * share + workers.collect()
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)
    assert total == pytest.approx(float(nll))


def test_a_worker_computes_in_bfloat16_as_the_training_process_does(model):
    workers = Workers(model, 1, threads=1, bf16=True)
    workers.wait_until_ready()
    batch = batch_of(3)
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        loss, nll = batch_loss(model, batch, Objective(0.1))
    expected = torch.autograd.grad(loss, list(model.parameters()))
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    workers.start([Task(batch, 1.0, Objective(0.1), seed=0)])
    assert workers.collect() == float(nll)
    workers.stop()
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        assert torch.equal(parameter.grad, gradient)


def test_several_processes_train_as_one_does(tmp_path, monkeypatch, caplog):
    """With batches that add up to a step, and validations in between; and they report the same loss."""
    monkeypatch.setattr(Progress, "LINE_EVERY", 0.0)
    caplog.set_level(logging.INFO)
    models, losses = [], []
    for processes in (1, 2):
        config = plain_config(tmp_path, processes=processes, accumulate=2, max_steps=5, validate_every=3)
        caplog.clear()
        run = train(config, tmp_path / f"run{processes}")
        models.append(run.load_model())
        losses.append([float(loss) for loss in re.findall(r"loss ([\d.]+)", caplog.text)])
        summary = run.read_json(run.summary_path)
        assert (summary["processes"], summary["threads"]) == (processes, 1)
        assert f"{processes} process" in caplog.text
    assert len(losses[0]) > 4
    assert losses[0] == pytest.approx(losses[1], abs=2e-3)
    for one, two in zip(models[0].parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-3)


def test_a_resumed_run_of_two_processes_is_the_same_in_every_bit(tmp_path, monkeypatch):
    """Dropout included, whose randomness differs between the processes."""
    run = prepare_run(
        tiny_config(tmp_path, processes=2, threads=2, checkpoint_every=1, max_steps=5), tmp_path / "run"
    )
    stopped = copy_run(run, tmp_path / "stopped")
    seeds = []
    with monkeypatch.context() as patch:
        probe(patch, on_after_backward=lambda trainer: seeds.append(trainer.lightning_module.seed_of(1)))
        resume(run.path)
    assert len(set(seeds)) == 5
    assert run.read_json(run.summary_path)["threads"] == 1  # of each
    assert torch.get_num_threads() == 2  # as before: what comes after may use both
    before = set(multiprocessing.active_children())

    def interrupt(trainer):
        if trainer.global_step == 2:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        probe(patch, on_train_batch_start=interrupt)
        with pytest.raises(KeyboardInterrupt):
            resume(stopped.path)
    assert set(multiprocessing.active_children()) == before
    assert checkpoint(stopped)["global_step"] == 3
    resume(stopped.path)
    assert_same_run(run, stopped)
    torch.set_num_threads(1)
    assert set(multiprocessing.active_children()) == before


def test_a_worker_that_ends_is_an_error_and_the_checkpoint_stays(tmp_path, monkeypatch):
    """As when the system is short of memory."""
    config = tiny_config(tmp_path, processes=2, max_steps=9, checkpoint_every=1)
    before = set(multiprocessing.active_children())

    def kill(trainer):
        if trainer.global_step == 3:
            for process in set(multiprocessing.active_children()) - before:
                process.kill()
                process.join()

    probe(monkeypatch, on_train_batch_end=kill)
    with pytest.raises(
        InputError,
        match=r"^training process 2 of 2 ended with exit code -9: .*training\.processes 1.*--resume",
    ):
        train(config, tmp_path / "run")
    assert checkpoint(RunDirectory.open(tmp_path / "run"))["global_step"] == 3


def test_the_number_of_processes_is_chosen_once(tmp_path, monkeypatch):
    """Or a run would become another one when it is resumed on another machine."""
    monkeypatch.setattr(counting, "choose_processes", lambda *_: 1)
    run = train(tiny_config(tmp_path, max_steps=1), tmp_path / "run")
    assert run.config.training.processes == 1
    monkeypatch.setattr(counting, "choose_processes", lambda *_: pytest.fail("chosen again"))
    resume(run.path, max_steps=2)
