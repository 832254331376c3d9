"""The part of benchmarks/train_gpu.py that needs no GPU."""

import importlib
import sys

import pytest
import torch
from small_models import VOCABULARY, small_model


@pytest.fixture(scope="module")
def train_gpu(pytestconfig):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(pytestconfig.rootpath / "benchmarks")
        return importlib.import_module("train_gpu")


def test_without_a_gpu_it_says_so_and_exits_with_3(train_gpu, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train_gpu.py", "--corpus", "none"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert train_gpu.main() == 3
    assert capsys.readouterr().err == "train_gpu.py needs a CUDA device\n"


def test_operations_are_those_of_the_matrix_products(train_gpu):
    """Of a transformer: 6 a weight and position, and 3 x 4 a unit and pair of positions in attention."""
    size, hidden, layers = 8, 9, 2
    rows, src, tgt = 5, 4, 12
    encoder = layers * (4 * size**2 + 2 * size * hidden)
    decoder = layers * (6 * size**2 + 2 * size * hidden)  # but keys and values of the source
    memory = layers * 2 * size**2
    positions = src * (encoder + memory) + tgt * (decoder + VOCABULARY * size)
    attention = layers * size * (src**2 + tgt**2 + tgt * src)
    model = small_model("sinusoidal", "sinusoidal-2", score="scaled_dot", heads=2)
    counted = train_gpu.count_operations(model, {(rows, src, tgt): 3})
    assert counted == 3 * rows * (6 * positions + 12 * attention)


@pytest.mark.parametrize(("bleu", "minutes"), [(20, 0.5), (20.1, 1.5), (41, None)])
def test_minutes_to_a_bleu_are_those_of_the_first_validation_that_reaches_it(train_gpu, bleu, minutes):
    metrics = [
        {"minutes": f"{number + 0.5:.2f}", "valid_bleu": f"{value:.2f}"}
        for number, value in enumerate((20, 40, 30, 40.5))
    ]
    assert train_gpu.minutes_to(bleu, metrics) == minutes
