"""The tests' own check of shapes: a wrong one is refused wherever shapes are annotated."""

import jaxtyping
import pytest
import torch

from translate.attention import AdditiveAttention
from translate.padding import pad


def test_a_wrong_shape_is_refused():
    attention = AdditiveAttention(query_size=4, memory_size=6, size=5)
    values, mask = torch.randn(2, 3, 6), torch.ones(2, 4, dtype=torch.bool)
    with pytest.raises(jaxtyping.TypeCheckError, match="mask"):
        attention.prepare(values, mask)


def test_a_wrong_type_is_refused():
    with pytest.raises(jaxtyping.TypeCheckError):
        pad(3)
