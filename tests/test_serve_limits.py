import pytest

from translate.errors import InputError
from translate.serve import limits
from translate.serve.limits import Limits, RateLimit, read_keys


def test_keys_come_from_a_file_and_from_a_variable(tmp_path):
    (tmp_path / "keys").write_text("# who may\nfirst  # Anna\n\nsecond\n")
    keys = read_keys(tmp_path / "keys", "third, fourth,")
    assert all(key in keys for key in ("first", "second", "third", "fourth"))
    assert not any(key in keys for key in ("", "fifth", "# who may", "Anna"))
    assert keys


def test_without_keys_there_are_none():
    assert not read_keys(None, None)
    assert not read_keys(None, " , ")


def test_a_file_without_keys_lets_nobody_in(tmp_path):
    (tmp_path / "keys").write_text("# none yet\n")
    with pytest.raises(InputError, match="keys has no API key: needed is one a line"):
        read_keys(tmp_path / "keys", "third")


def test_as_many_requests_as_fit_a_minute_then_as_time_allows():
    now = 0.0
    rates = RateLimit(3, clock=lambda: now)
    assert [rates.seconds_to_wait("a") for _ in range(4)] == [0, 0, 0, 20]
    assert rates.seconds_to_wait("b") == 0  # another one
    now = 15.0
    assert rates.seconds_to_wait("a") == 5
    now = 20.0
    assert [rates.seconds_to_wait("a") for _ in range(2)] == [0, 20]
    now = 1000.0  # never more than a minute's at once
    assert [rates.seconds_to_wait("a") for _ in range(4)] == [0, 0, 0, 20]


def test_without_a_limit_nobody_waits():
    rates = RateLimit(0)
    assert {rates.seconds_to_wait("a") for _ in range(100)} == {0}


def test_who_asked_longest_ago_is_forgotten(monkeypatch):
    monkeypatch.setattr(limits, "REMEMBERED", 2)
    rates = RateLimit(1, clock=lambda: 0.0)
    assert [rates.seconds_to_wait(who) for who in "aabbcca"] == [0, 60, 0, 60, 0, 60, 0]


def test_every_text_within_the_limit_fits_a_body():
    assert Limits(characters=1000).body >= len('"\\ud83d\\ude00"') * 1000
