from contextlib import suppress

import pytest

from translate.errors import InputError
from translate.output_parts import Parts


@pytest.fixture
def parts(tmp_path):
    parts = Parts(tmp_path / "out.txt")
    parts.begin({"src": "in.txt"})
    return parts


def test_parts_are_joined_in_order_and_removed(parts):
    for number in (2, 0, 1):
        with parts.open(number) as out:
            out.write(f"{number}\n")
    parts.join(3)
    assert parts.out.read_text() == "0\n1\n2\n"
    assert not parts.folder.exists()


def test_a_part_that_was_not_finished_is_not_there(parts):
    class Stopped(Exception):  # noqa: N818
        pass

    with suppress(Stopped), parts.open(0) as out:
        out.write("half")
        raise Stopped
    assert not parts.has(0)
    with parts.open(0) as out:
        out.write("whole\n")
    assert parts.has(0)
    parts.join(1)
    assert parts.out.read_text() == "whole\n"


def test_the_same_job_goes_on_and_another_is_refused(parts):
    parts.begin({"src": "in.txt"})
    with pytest.raises(
        InputError, match=r"out\.txt\.parts has parts of another text, .*: remove it, or give"
    ):
        parts.begin({"src": "other.txt"})


def test_no_parts_make_an_empty_output(parts):
    parts.join(0)
    assert parts.out.read_bytes() == b""
