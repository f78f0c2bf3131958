import math
import os
import stat
import sys

import pytest
from rustygrad.files import floats_from_json, floats_to_json, read_text, write_bytes, write_text


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
