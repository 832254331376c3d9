import os

import pytest

from translate.whole_files import aside, write_whole


def test_content_is_replaced_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "file"
    for content in (b"one", b"two"):
        write_whole(path, content)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_after_an_error_the_file_is_as_it_was_and_nothing_takes_room(error, tmp_path):
    path = tmp_path / "file"
    write_whole(path, b"one")

    def fail():
        with aside(path) as new:
            new.write_bytes(b"tw")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_that_waits_where_the_new_file_goes_is_not_followed(tmp_path):
    other = tmp_path / "other"
    other.write_bytes(b"mine")
    (tmp_path / "file.new").symlink_to(other)
    write_whole(tmp_path / "file", b"one")
    assert other.read_bytes() == b"mine"
    assert not (tmp_path / "file").is_symlink()


def test_the_content_reaches_the_disk_before_the_name_and_the_name_before_it_returns(tmp_path, monkeypatch):
    path, synced, sync = tmp_path / "file", [], os.fsync

    def note(descriptor):
        synced.append((os.path.samestat(os.fstat(descriptor), tmp_path.stat()), path.exists()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    write_whole(path, b"one")
    folders = [(True, True)] if os.name == "posix" else []
    assert synced == [(False, False), *folders]
