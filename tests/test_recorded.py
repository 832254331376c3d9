"""Training with resident ids and recorded work equals training without; and waits for the device nowhere.

A tape that plays like a CUDA graph stands for it on a CPU.
"""

from contextlib import contextmanager, nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from recording import NoWaiting, Tape
from small_models import COVERING, DECODERS, ENCODERS, SCORES, VOCABULARY, small_model
from tiny import write_ids
from tiny_training import (
    assert_equal,
    assert_same_run,
    checkpoint,
    copy_run,
    probe,
    tiny_config,
    weights,
    with_training,
)

from translate.errors import InputError
from translate.platforms import choose_plan
from translate.stored_pairs import IdPairs
from translate.training import processes, recorded, setup
from translate.training.loss import Objective, batch_loss, padded_batch_loss
from translate.training.prepare import prepare_run
from translate.training.recorded import CudaGraphs, GradientStep
from translate.training.resident import ResidentPairs
from translate.training.trainer import resume

CPU = torch.device("cpu")
EVERY = (
    [(encoder, "input-gru-1", {}) for encoder in ENCODERS]
    + [("gru", decoder, {}) for decoder in DECODERS]
    + [("gru", "input-gru-2", {"score": score, "heads": 2}) for score in SCORES]
    + [("gru", "conditional-lstm-1", {"normalizer": name}) for name in ("sparsemax", "entmax15")]
    + [("gru", decoder, {"coverage": True}) for decoder in COVERING]
    + [("rotary", "rotary-2", {"score": "scaled_dot", "heads": 2})]
)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    random = np.random.default_rng(1)
    src, tgt = (
        [random.integers(4, VOCABULARY, random.integers(1, 9)).tolist() for _ in range(30)] for _ in range(2)
    )
    folder = tmp_path_factory.mktemp("ids") / "train"
    write_ids(folder, src, tgt)
    return IdPairs(folder)


def gradients(model):
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


@pytest.mark.parametrize(("encoder", "decoder", "attention"), EVERY)
def test_loss_and_gradients_are_those_of_the_hosts_batch(encoder, decoder, attention, pairs):
    """Of every model: padding in widths and whole rows changes nothing, recorded or not, and nobody waits."""
    model = small_model(encoder, decoder, **attention)
    rows = np.array([1, 2, 3])
    loss, nll = batch_loss(model, pairs.batch(rows), Objective(0.1))
    (loss / 2).backward()
    expected = gradients(model)
    model.zero_grad()

    resident = ResidentPairs(pairs, 600, CPU)
    assert len(resident.batch(rows).pairs) > 3
    step = GradientStep(model, resident, Objective(0.1), 0.5, Tape())
    for guard in (NoWaiting(), nullcontext(), nullcontext()):  # at once; recording, guarded; from the record
        with guard:
            step.zero_gradients()
            result = step(resident.batch(rows), seed=0)
        torch.testing.assert_close(result, torch.stack([loss.detach(), nll]))
        torch.testing.assert_close(gradients(model), expected)
    assert (step.record.recorded, step.record.replayed) == (1, 2)


def test_a_record_reads_the_pairs_it_is_given_and_adds_to_the_gradients(pairs):
    model = small_model()
    resident = ResidentPairs(pairs, 600, CPU)
    plain, step = (GradientStep(model, resident, Objective(0.1), 1.0, record) for record in (None, Tape()))
    shape = resident.batch(np.array([1, 2, 3]))
    batches = [shape._replace(pairs=shape.pairs.roll(n)) for n in range(3)]
    batches[2].pairs[batches[2].pairs == 3] = -1
    expected = []
    plain.zero_gradients()
    for batch in batches:
        expected.append(plain(batch, seed=0))
    accumulated = gradients(model)
    step.zero_gradients()
    for batch, result in zip(batches, expected, strict=True):
        torch.testing.assert_close(step(batch, seed=0), result)
    torch.testing.assert_close(gradients(model), accumulated)
    assert not torch.equal(expected[1], expected[2])


def test_of_many_shapes_only_so_many_are_recorded(pairs, monkeypatch):
    monkeypatch.setattr(recorded, "MOST", 1)
    resident = ResidentPairs(pairs, 600, CPU)
    step = GradientStep(small_model(), resident, Objective(0.1), 1.0, Tape())
    batch = resident.batch(np.array([1, 2, 3]))
    step.zero_gradients()
    for rows in (batch, batch, batch._replace(tgt_width=16), batch._replace(tgt_width=16), batch):
        step(rows, seed=0)
    assert (step.record.recorded, step.record.replayed) == (1, 2)


# Where memory is too short.

SHORT = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
]


class ShortLoss:
    """The loss, where memory is too short for more than so many rows; what it was asked for."""

    def __init__(self, monkeypatch, most, error=SHORT[0], *, begins=0):
        self.most, self.error, self.begins = most, error, begins
        self.rows = []
        monkeypatch.setattr(recorded, "padded_batch_loss", self)

    def __call__(self, model, batch, objective):
        self.rows.append(len(batch.src))
        found = padded_batch_loss(model, batch, objective)
        if len(self.rows) > self.begins and len(batch.src) > self.most:
            raise self.error
        return found


class ShortTape(Tape):
    """A tape that memory is too short for, to record on or to play.

    Args:
        left: what is left of work that was recorded in vain: an error of its own, as CUDA may raise.
    """

    def __init__(self, error, *, at_replay=False, left=None):
        super().__init__()
        self.error, self.at_replay, self.left = error, at_replay, left

    def __call__(self, work):
        def fail():
            raise self.error

        if self.at_replay:
            super().__call__(work)
            return fail

        def record():
            work()
            fail()

        try:
            return super().__call__(record)
        finally:
            if self.left is not None:
                raise self.left


@pytest.fixture
def resident(pairs):
    return ResidentPairs(pairs, 600, CPU)


@pytest.fixture
def rows(resident):
    """Seven pairs, and rows that only complete the shape."""
    rows = resident.batch(np.arange(7))
    assert len(rows.pairs) > 8
    return rows


def steps_of(model, step, rows, count, seed=0):
    """Results of so many batches, and the gradients of all together."""
    step.zero_gradients()
    results = []
    for _ in range(count):
        torch.manual_seed(seed)
        results.append(step(rows, seed))
    return results, gradients(model)


@pytest.mark.parametrize("record", [None, Tape], ids=["computed", "recorded"])
@pytest.mark.parametrize("most", [8, 4, 1])
@pytest.mark.parametrize("error", SHORT, ids=str)
def test_a_batch_that_is_too_large_is_divided_from_then_on(
    error, most, record, resident, rows, monkeypatch, caplog
):
    """With the gradients of the whole; and a shape that does not fit is not recorded."""
    model = small_model().double()
    plain = GradientStep(model, resident, Objective(0.1), 0.5, None)
    expected, whole = steps_of(model, plain, rows, 3)

    short = ShortLoss(monkeypatch, most, error)
    tape = record and record()
    step = GradientStep(model, resident, Objective(0.1), 0.5, tape)
    results, in_parts = steps_of(model, step, rows, 3)
    torch.testing.assert_close(results, expected)
    torch.testing.assert_close(in_parts, whole)
    size = len(rows.pairs)
    assert short.rows.count(size) == 1
    assert f"memory is too short for {size} pairs of " in caplog.text
    assert tape is None or tape.recorded == 0
    other = rows._replace(tgt_width=24)  # of another shape: whole at first
    short.rows.clear()
    step(other, seed=0)
    assert short.rows[0] == size


def test_a_single_pair_that_is_too_large_ends_it(resident, rows, monkeypatch):
    ShortLoss(monkeypatch, 0)
    step = GradientStep(small_model(), resident, Objective(0.1), 1.0, None)
    step.zero_gradients()
    with pytest.raises(InputError, match=r"^memory is too short for one pair of "):
        step(rows, seed=0)


@pytest.mark.parametrize(
    "short",
    [
        {},
        {"at_replay": True},
        {"left": RuntimeError("CUDA error: operation failed due to a previous error during capture")},
    ],
    ids=["record", "replay", "end"],
)
@pytest.mark.parametrize("error", SHORT, ids=str)
def test_what_memory_is_too_short_to_record_is_computed(error, short, resident, rows, caplog):
    """Each time, and drawing the same: nothing of the attempt is left, in gradients or randomness."""
    model = small_model(dropout=0.5).train()
    plain = GradientStep(model, resident, Objective(0.1), 0.5, None)
    expected, whole = steps_of(model, plain, rows, 4, seed=3)

    tape = ShortTape(error, **short)
    step = GradientStep(model, resident, Objective(0.1), 0.5, tape)
    results, found = steps_of(model, step, rows, 4, seed=3)
    assert_equal(results, expected)
    assert_equal(found, whole)
    assert tape.recorded == ("at_replay" in short)
    (warning,) = caplog.messages
    assert warning.startswith(f"memory is too short to record {len(rows.pairs)} pairs of ")


def test_what_cannot_be_recorded_may_have_to_be_divided_as_well(resident, rows, monkeypatch, caplog):
    model = small_model().double()
    expected, whole = steps_of(model, GradientStep(model, resident, Objective(0.1), 0.5, None), rows, 3)
    ShortLoss(monkeypatch, 6, begins=1)
    step = GradientStep(model, resident, Objective(0.1), 0.5, Tape())
    results, in_parts = steps_of(model, step, rows, 3)
    torch.testing.assert_close(results, expected)
    torch.testing.assert_close(in_parts, whole)
    assert ["record" in message for message in caplog.messages][:2] == [True, False]


@pytest.mark.parametrize("at_replay", [False, True])
def test_other_failures_to_record_end_it(at_replay, resident, rows):
    model = small_model()
    step = GradientStep(
        model, resident, Objective(0.1), 0.5, ShortTape(RuntimeError("a bug"), at_replay=at_replay)
    )
    with pytest.raises(RuntimeError, match="a bug"):
        steps_of(model, step, rows, 2)


@pytest.mark.parametrize("score", ["additive", "scaled_dot"])
@pytest.mark.parametrize("decoder", ["input-gru-1", "conditional-lstm-1", "parallel-gru-2", "rotary-2"])
def test_no_value_is_needed_on_the_host_where_tensors_have_none(decoder, score, pairs, monkeypatch):
    """The paths of devices other than the CPU, as far as shapes tell: a meta tensor has no values to read."""
    meta = torch.device("meta")
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: False)  # it does not know meta
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    model = small_model("rotary", decoder, score=score, dropout=0.2).to(meta).train()
    resident = ResidentPairs(pairs, 600, meta)
    rows = resident.batch(np.array([1, 2, 3]))
    loss, nll = padded_batch_loss(model, resident.gather(rows.pairs.to(meta), *rows[1:3]), Objective(0.1))
    loss.backward()
    assert (loss.shape, nll.shape) == ((), ())
    assert all(parameter.grad.shape == parameter.shape for parameter in model.parameters())


# Whole trainings.


@pytest.fixture
def resident_training(monkeypatch):
    """The next trainings keep their ids "on the device"; the tape says what was recorded in them."""
    tape = Tape()

    def plan(*arguments):
        return choose_plan(*arguments)._replace(resident=True, graphs=True)

    monkeypatch.setattr(processes, "choose_plan", plan)
    monkeypatch.setattr(setup, "CudaGraphs", lambda: tape)
    return tape


KINDS = {
    "gru": {"accumulate": 2, "validate_every": 4, "max_steps": 7},
    "lstm": {"average": "none", "validate_every": 5, "max_steps": 9},
    "transformer": {"precision": "bf16", "validate_every": 5, "max_steps": 9},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_recorded_training_is_the_same_bit_for_bit(kind, tmp_path, resident_training):
    """Dropout, accumulation, clipping, averaging and autocast included."""
    run = prepare_run(tiny_config(tmp_path, kind, **KINDS[kind]), tmp_path / "run")
    plain = copy_run(run, tmp_path / "plain")
    resume(run.path)
    assert resident_training.replayed > resident_training.recorded > 0
    with_training(plain, cuda_graphs=False)
    replayed = resident_training.replayed
    resume(plain.path)
    assert resident_training.replayed == replayed
    assert_equal(weights(run), weights(plain))
    assert_equal(checkpoint(run), checkpoint(plain))


@pytest.mark.parametrize("kind", KINDS)
def test_a_resident_training_resumes_exactly(kind, tmp_path, resident_training, monkeypatch):
    run = prepare_run(tiny_config(tmp_path, kind, checkpoint_every=1, **KINDS[kind]), tmp_path / "run")
    killed = []

    def kill(trainer):
        killed.append(copy_run(run, tmp_path / f"{len(killed)}"))

    with monkeypatch.context() as patch:
        probe(patch, on_train_batch_end=kill)
        resume(run.path)
    for stopped in killed[2:9:3]:
        resume(stopped.path)
        assert_same_run(stopped, run)


@pytest.mark.usefixtures("resident_training")
@pytest.mark.parametrize("kind", KINDS)
def test_a_training_whose_batches_do_not_fit_goes_on_in_parts_to_the_same_end(
    kind, tmp_path, monkeypatch, caplog
):
    """Where there is no dropout, whose randomness goes with the parts."""
    config = tiny_config(tmp_path, kind, **KINDS[kind] | {"precision": "float32"})
    config = replace(config, model=replace(config.model, dropout=0.0))
    run = prepare_run(config, tmp_path / "run")
    divided = copy_run(run, tmp_path / "divided")
    resume(run.path)
    short = ShortLoss(monkeypatch, 3)
    resume(divided.path)
    assert max(short.rows) > 3
    assert "are taken in 2 parts from now on" in caplog.text
    torch.testing.assert_close(weights(divided), weights(run), atol=1e-4, rtol=1e-3)


@pytest.mark.usefixtures("resident_training")
@pytest.mark.parametrize("kind", KINDS)
def test_a_step_waits_for_the_device_nowhere(kind, tmp_path, monkeypatch):
    """From its start to its end: loss, gradients, clipping, optimiser, schedule, average, progress."""
    run = prepare_run(tiny_config(tmp_path, kind, **KINDS[kind]), tmp_path / "run")
    guards = []

    def begin(trainer):
        guards.append(NoWaiting())
        guards[-1].__enter__()

    def end(trainer):
        guards[-1].__exit__(None, None, None)

    probe(monkeypatch, on_train_batch_start=begin, on_train_batch_end=end, on_exception=end)
    resume(run.path)
    assert len(guards) == (7 * 2 if kind == "gru" else 9)
    assert all(guard.count > 10 for guard in guards)


@pytest.mark.usefixtures("resident_training")
def test_the_guard_sees_what_a_step_must_not_do(tmp_path, monkeypatch):
    monkeypatch.setattr(recorded, "padded_batch_loss", batch_loss)
    run = prepare_run(tiny_config(tmp_path), tmp_path / "run")
    guard = NoWaiting()
    probe(
        monkeypatch,
        on_train_batch_start=lambda _: guard.__enter__(),
        on_exception=lambda _: guard.__exit__(None, None, None),
    )
    with pytest.raises(AssertionError, match="the host would wait for aten::index"):
        resume(run.path)


# What can be said of CUDA graphs without CUDA: torch's part is stubbed.


@pytest.fixture
def cuda(monkeypatch):
    """What is asked of torch.cuda, in order."""
    asked = []

    class Stream:
        def wait_stream(self, stream):
            asked.append("wait")

    class Graph:
        def replay(self):
            asked.append("replay")

    @contextmanager
    def stream(stream):
        asked.append(stream)
        yield
        asked.append("leave")

    @contextmanager
    def graph(graph, pool, stream):
        asked.extend(("record", pool, stream))
        yield

    def stub(name, value):
        monkeypatch.setattr(f"torch.cuda.{name}", value)

    stub("Stream", Stream)
    stub("CUDAGraph", Graph)
    stub("stream", stream)
    stub("graph", graph)
    stub("current_stream", Stream)
    stub("graph_pool_handle", lambda: "pool")
    return asked


def test_graphs_are_recorded_on_the_stream_where_the_training_runs_and_share_a_pool(cuda):
    with CudaGraphs() as graphs:
        (stream,) = cuda
        replay = graphs(lambda: cuda.append("work"))
        replay()
        graphs(lambda: None)
    once = ["record", "pool", stream]
    assert cuda == [stream, *once, "work", "replay", *once, "leave", "wait"]


@pytest.mark.usefixtures("cuda")
def test_a_failure_to_record_says_how_to_do_without():
    def fail():
        raise RuntimeError("operation not permitted when stream is capturing")

    with CudaGraphs() as graphs, pytest.raises(RuntimeError, match="not permitted") as error:
        graphs(fail)
    (note,) = error.value.__notes__
    assert note.endswith("--training.cuda_graphs false does without.")


# On a GPU, where there is one.


def on_a_gpu(test):
    """Skipped without one, under CI too."""
    missing = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
    return pytest.mark.optional(missing(pytest.mark.parametrize("kind", KINDS)(test)))


@on_a_gpu
def test_a_gpu_is_not_waited_for(kind, tmp_path, monkeypatch):
    run = prepare_run(tiny_config(tmp_path, kind, **KINDS[kind] | {"device": "cuda"}), tmp_path / "run")

    def begin(trainer):
        torch.cuda.set_sync_debug_mode("error")

    def end(trainer):
        torch.cuda.set_sync_debug_mode("default")

    probe(monkeypatch, on_train_batch_start=begin, on_train_batch_end=end)
    try:
        resume(run.path)
    finally:
        end(None)


@on_a_gpu
def test_cuda_graphs_change_nothing(kind, tmp_path):
    run = prepare_run(tiny_config(tmp_path, kind, **KINDS[kind] | {"device": "cuda"}), tmp_path / "run")
    plain = copy_run(run, tmp_path / "plain")
    with_training(plain, cuda_graphs=False)
    resume(run.path)
    resume(plain.path)
    # Sums of atomic additions differ in their last bits from run to run.
    torch.testing.assert_close(weights(run), weights(plain), atol=1e-2, rtol=1e-2)
