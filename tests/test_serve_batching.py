import threading
import time
from concurrent.futures import CancelledError

import pytest

from translate.serve.batching import Batcher, ClosedError, FullError


class Calls:
    """Computes capitals, remembers with whom, and waits to be let go on if told so."""

    def __init__(self, held=False):
        self.batches = []
        self.begun = threading.Event()
        self.go_on = threading.Event()
        if not held:
            self.go_on.set()

    def __call__(self, kind, items):
        self.batches.append((kind, list(items)))
        self.begun.set()
        assert self.go_on.wait(20)
        if "poison" in items:
            raise ValueError("poison")
        return [item.upper() for item in items]


def make(calls, budget=100, wait=0.0, limit=1000, most=100):
    return Batcher(calls, budget=budget, wait=wait, limit=limit, most=most)


def submit(batcher, *items, kind="a", sizes=None):
    return batcher.submit(kind, items, sizes or [1] * len(items))


def held(**settings):
    """A batcher that is busy with a first job until it is let go."""
    calls = Calls(held=True)
    batcher = make(calls, **settings)
    submit(batcher, "first")
    assert calls.begun.wait(20)
    return calls, batcher


def test_each_job_gets_its_own_results_in_their_order():
    calls, batcher = held()
    futures = [submit(batcher, *items) for items in ("xyz", "", "pq")]
    calls.go_on.set()
    assert [future.result(20) for future in futures] == [["X", "Y", "Z"], [], ["P", "Q"]]
    batcher.close()


def test_jobs_of_a_kind_are_computed_together_and_others_apart():
    calls, batcher = held()
    futures = [submit(batcher, "x"), submit(batcher, "y", kind="b"), submit(batcher, "z")]
    calls.go_on.set()
    assert [future.result(20) for future in futures] == [["X"], ["Y"], ["Z"]]
    assert calls.batches[1:] == [("a", ["x", "z"]), ("b", ["y"])]
    batcher.close()


def test_what_comes_within_the_wait_is_computed_together():
    calls = Calls()
    batcher = make(calls, budget=2, wait=20.0)  # a full batch does not wait
    futures = [submit(batcher, "x"), submit(batcher, "y")]
    assert [future.result(20) for future in futures] == [["X"], ["Y"]]
    assert calls.batches == [("a", ["x", "y"])]
    batcher.close()


def test_a_batch_keeps_to_its_budget_and_a_larger_item_is_alone():
    calls, batcher = held(budget=5)
    future = submit(batcher, *"abcd", sizes=[3, 2, 9, 1])
    calls.go_on.set()
    assert future.result(20) == ["A", "B", "C", "D"]
    assert [items for _, items in calls.batches[1:]] == [["a", "b"], ["c"], ["d"]]
    batcher.close()


def test_a_long_job_holds_up_no_short_one():
    calls, batcher = held(budget=4)
    long, short = submit(batcher, *"abcdefgh"), submit(batcher, "z")
    other = submit(batcher, "y", kind="b")
    calls.go_on.set()
    assert [future.result(20) for future in (short, other)] == [["Z"], ["Y"]]
    assert long.result(20) == [*"ABCDEFGH"]
    assert calls.batches[1:3] == [("a", ["a", "z", "b", "c"]), ("b", ["y"])]
    batcher.close()


def test_a_large_item_has_its_turn_though_small_ones_go_on_coming():
    calls, batcher = held(budget=4)
    many, large = submit(batcher, *"abcdef"), submit(batcher, "z", sizes=[4])
    calls.go_on.set()
    assert large.result(20) == ["Z"]
    assert calls.batches[1:3] == [("a", ["a"]), ("a", ["z"])]
    assert many.result(20) == [*"ABCDEF"]
    batcher.close()


def test_a_full_queue_takes_no_more_until_there_is_room():
    calls, batcher = held(limit=5)
    first = submit(batcher, "x", sizes=[9])  # alone, anything is taken
    with pytest.raises(FullError, match=r"the queue is full for about \d+ s") as refused:
        submit(batcher, "y")
    assert refused.value.seconds >= 1
    calls.go_on.set()
    assert first.result(20) == ["X"]
    assert submit(batcher, "y").result(20) == ["Y"]
    assert batcher.waiting == 0
    batcher.close()


def test_a_queue_of_small_jobs_is_full_by_their_number():
    calls, batcher = held(most=2)
    futures = [submit(batcher, name) for name in "xy"]
    with pytest.raises(FullError):
        submit(batcher, "z")
    assert futures[0].cancel()
    futures.append(submit(batcher, "z"))
    calls.go_on.set()
    assert [future.result(20) for future in futures[1:]] == [["Y"], ["Z"]]
    batcher.close()


def test_a_cancelled_job_leaves_the_queue():
    calls, batcher = held(limit=5)
    futures = [submit(batcher, name, sizes=[2]) for name in "xy"]
    assert batcher.waiting == 4
    assert futures[0].cancel()
    assert batcher.waiting == 2
    calls.go_on.set()
    assert futures[1].result(20) == ["Y"]
    assert calls.batches[1:] == [("a", ["y"])]
    with pytest.raises(CancelledError):
        futures[0].result()
    batcher.close()


def test_a_job_that_is_cancelled_while_it_is_computed_hurts_nobody():
    calls = Calls(held=True)
    batcher = make(calls)
    first = submit(batcher, "x")
    assert calls.begun.wait(20)
    assert first.cancel()
    calls.go_on.set()
    assert submit(batcher, "y").result(20) == ["Y"]
    batcher.close()


def test_one_jobs_failure_is_no_others():
    calls, batcher = held(budget=3)
    futures = [submit(batcher, "x"), submit(batcher, "poison", "p", "q", "r"), submit(batcher, "y")]
    calls.go_on.set()
    assert [futures[0].result(20), futures[2].result(20)] == [["X"], ["Y"]]
    with pytest.raises(ValueError, match="poison"):
        futures[1].result(20)
    assert submit(batcher, "z").result(20) == ["Z"]
    assert batcher.waiting == 0
    batcher.close()


def test_what_is_made_of_the_results_is_the_jobs_own_affair():
    calls, batcher = held()
    word = batcher.submit("a", "xyz", [1] * 3, "".join)
    nothing = batcher.submit("a", "", [], len)
    wrong = batcher.submit("a", "pq", [1] * 2, lambda results: results[2])
    calls.go_on.set()
    assert (word.result(20), nothing.result(20)) == ("XYZ", 0)
    with pytest.raises(IndexError):
        wrong.result(20)
    assert submit(batcher, "z").result(20) == ["Z"]
    batcher.close()


def test_closing_finishes_what_was_taken_and_takes_no_more():
    calls, batcher = held()
    future = submit(batcher, "x")
    closing = threading.Thread(target=batcher.close)
    closing.start()
    while batcher.alive:
        time.sleep(0.001)
    with pytest.raises(ClosedError):
        submit(batcher, "y")
    calls.go_on.set()
    closing.join(20)
    assert future.result(0) == ["X"]
