import math
import os
import stat
import sys

import pytest
from rustygrad.files import (
    check_writable,
    floats_from_json,
    floats_to_json,
    read_text,
    write_bytes,
    write_text,
)


def test_floats_survive_json_with_their_bits():
    numbers = [0.1, -0.0, 5e-324, 1.7976931348623157e308, math.inf, -math.inf, math.nan]
    assert list(map(repr, floats_from_json(floats_to_json(numbers)))) == list(map(repr, numbers))


def test_what_json_has_no_number_for_becomes_text():
    assert floats_to_json([math.nan, math.inf, -math.inf, 1.0]) == ["nan", "inf", "-inf", 1.0]


@pytest.mark.parametrize("item", ["1.0", "NaN", True])
def test_other_text_is_no_number(item):
    with pytest.raises(ValueError) as caught:
        floats_from_json([item])
    assert str(caught.value) == f"expected a number, not {item!r}"


def test_a_file_is_written_and_read(tmp_path):
    write_text(tmp_path / "a.txt", "grüße\n")
    assert read_text(str(tmp_path / "a.txt")) == "grüße\n"


def test_a_file_is_replaced(tmp_path):
    write_bytes(tmp_path / "a", b"1")
    write_bytes(str(tmp_path / "a"), b"2")
    assert (tmp_path / "a").read_bytes() == b"2"
    assert os.listdir(tmp_path) == ["a"]


def test_a_name_without_a_folder_means_the_current_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_bytes("a", b"1")
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are POSIX's")
def test_a_file_has_the_permissions_of_an_ordinary_one(tmp_path):
    (tmp_path / "ordinary").touch()
    write_bytes(tmp_path / "a", b"1")
    modes = [stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in ("ordinary", "a")]
    assert modes[0] == modes[1]


def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch):
    write_bytes(tmp_path / "a", b"before")

    def fail(*args):
        raise OSError("disk on fire")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk on fire"):
        write_bytes(tmp_path / "a", b"after")
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"before"


def test_a_missing_folder_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_bytes(tmp_path / "none" / "a", b"1")


# --- what may be in the place already ---


posix = pytest.mark.skipif(sys.platform == "win32", reason="permissions and pipes are POSIX's")


@posix
def test_a_symbolic_link_stays_and_what_it_points_at_is_written(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a").write_bytes(b"1")
    (tmp_path / "link").symlink_to("real/a")
    write_bytes(tmp_path / "link", b"2")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "a").read_bytes() == b"2"
    assert os.listdir(tmp_path / "real") == ["a"]


@posix
def test_a_symbolic_link_to_nothing_makes_the_file_that_it_points_at(tmp_path):
    (tmp_path / "link").symlink_to("later")
    write_bytes(tmp_path / "link", b"1")
    assert (tmp_path / "later").read_bytes() == b"1"
    assert (tmp_path / "link").is_symlink()


@posix
def test_a_pipe_is_written_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_bytes(tmp_path / "pipe", b"1")
    assert os.read(reader, 9) == b"1"
    os.close(reader)
    assert stat.S_ISFIFO(os.stat(tmp_path / "pipe").st_mode)


@posix
def test_the_null_device_is_written_to(tmp_path):
    (tmp_path / "null").symlink_to(os.devnull)
    write_bytes(tmp_path / "null", b"1")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


@posix
def test_a_file_that_is_there_keeps_its_permissions(tmp_path):
    write_bytes(tmp_path / "a", b"1")
    os.chmod(tmp_path / "a", 0o640)
    write_bytes(tmp_path / "a", b"2")
    assert stat.S_IMODE(os.stat(tmp_path / "a").st_mode) == 0o640


def test_a_read_only_file_is_refused_by_its_name(tmp_path):
    path = tmp_path / "a"
    write_bytes(path, b"1")
    os.chmod(path, 0o444)
    with pytest.raises(PermissionError) as caught:
        write_bytes(path, b"2")
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"1"
    assert os.listdir(tmp_path) == ["a"]
    os.chmod(path, 0o644)


def test_a_folder_is_refused_by_its_name(tmp_path):
    with pytest.raises(IsADirectoryError) as caught:
        write_bytes(tmp_path, b"1")
    assert caught.value.filename == str(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_name_may_be_as_long_as_names_can_be(tmp_path):
    name = "a" * 250
    write_bytes(tmp_path / name, b"1")
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", ["none/a", "a" * 300])
def test_an_error_names_the_path_that_was_given(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError) as caught:
        write_bytes(name, b"1")
    assert caught.value.filename == name
    assert "rustygrad-" not in str(caught.value)


def test_the_umask_of_other_threads_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "umask", None)
    write_bytes(tmp_path / "a", b"1")
    assert (tmp_path / "a").read_bytes() == b"1"


def test_a_place_for_a_file_is_checked_without_touching_it(tmp_path):
    check_writable(tmp_path / "new")
    (tmp_path / "old").write_bytes(b"1")
    check_writable(str(tmp_path / "old"))
    check_writable(os.devnull)
    assert os.listdir(tmp_path) == ["old"]
    assert (tmp_path / "old").read_bytes() == b"1"


@pytest.mark.parametrize("place", ["missing/a", ""])
def test_a_place_where_no_file_can_be_is_known_beforehand(tmp_path, place):
    with pytest.raises(OSError) as caught:
        check_writable(tmp_path / place)
    assert caught.value.filename == str(tmp_path / place)


def test_a_folder_that_may_not_be_written_to_is_known_beforehand(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: path != os.path.realpath(tmp_path))
    with pytest.raises(PermissionError) as caught:
        check_writable(tmp_path / "a")
    assert caught.value.filename == str(tmp_path / "a")
