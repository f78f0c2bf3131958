"""Entry points read from metadata folders, with the answers of importlib.metadata."""

import importlib.metadata
import sys
import types

import pytest
from rustygrad import discovery
from rustygrad.discovery import EntryPoint, entry_points


def distribution(folder, name, text, version="1.0", suffix="dist-info", metadata="METADATA"):
    place = folder / (
        f"{name}-{version}.dist-info" if suffix == "dist-info" else f"{name}.egg-info"
    )
    place.mkdir(parents=True)
    if metadata:
        (place / metadata).write_text(
            f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n\nName: not this one\n"
        )
    if text is not None:
        (place / "entry_points.txt").write_text(text)


def found(monkeypatch, *folders, group="rustygrad"):
    monkeypatch.setattr(sys, "path", [str(f) for f in folders])
    return [(e.name, e.value, e.distribution, e.version) for e in entry_points(group)]


def test_an_entry_point_of_the_group_is_found(tmp_path, monkeypatch):
    distribution(tmp_path, "alpha", "[console_scripts]\nx = a:b\n\n[rustygrad]\nc = mod.door\n")
    assert found(monkeypatch, tmp_path) == [("c", "mod.door", "alpha", "1.0")]


def test_another_group_is_left_alone(tmp_path, monkeypatch):
    distribution(tmp_path, "alpha", "[rustygrad2]\nc = mod\n[other]\nd = mod\n")
    assert found(monkeypatch, tmp_path) == []


def test_a_distribution_without_entry_points_is_skipped(tmp_path, monkeypatch):
    distribution(tmp_path, "alpha", None)
    assert found(monkeypatch, tmp_path) == []


def test_comments_blank_lines_spaces_and_extras_are_understood(tmp_path, monkeypatch):
    text = "; a comment\n[ rustygrad ]\n# c = d\n\n  a=x : y \nb = z [extra]\nnonsense\n"
    distribution(tmp_path, "alpha", text)
    assert found(monkeypatch, tmp_path) == [
        ("a", "x : y", "alpha", "1.0"), ("b", "z", "alpha", "1.0"),
    ]  # fmt: skip


def test_egg_info_counts_too(tmp_path, monkeypatch):
    distribution(tmp_path, "alpha", "[rustygrad]\na = x\n", suffix="egg", metadata="PKG-INFO")
    assert found(monkeypatch, tmp_path) == [("a", "x", "alpha", "1.0")]


def test_a_distribution_without_metadata_is_named_by_its_folder(tmp_path, monkeypatch):
    distribution(tmp_path, "alpha", "[rustygrad]\na = x\n", metadata=None)
    assert found(monkeypatch, tmp_path) == [("a", "x", "alpha", "")]


def test_metadata_without_headers_is_no_obstacle(tmp_path, monkeypatch):
    distribution(tmp_path, "alpha", "[rustygrad]\na = x\n")
    (tmp_path / "alpha-1.0.dist-info" / "METADATA").write_text("no header at all")
    assert found(monkeypatch, tmp_path) == [("a", "x", "alpha", "")]


def test_distributions_come_in_the_order_of_the_path_and_then_by_name(tmp_path, monkeypatch):
    for folder, name in (("two", "b"), ("two", "a"), ("one", "c")):
        distribution(tmp_path / folder, name, "[rustygrad]\nx = y\n")
    rows = found(monkeypatch, tmp_path / "two", tmp_path / "one")
    assert [row[2] for row in rows] == ["a", "b", "c"]


def test_a_distribution_that_lies_on_the_path_twice_counts_once(tmp_path, monkeypatch):
    distribution(tmp_path / "one", "my.Alpha", "[rustygrad]\na = first\n")
    distribution(tmp_path / "two", "my_alpha", "[rustygrad]\na = second\n")
    rows = found(monkeypatch, tmp_path / "one", tmp_path / "two")
    assert [row[1] for row in rows] == ["first"]


def test_the_first_on_the_path_hides_a_later_one_even_if_it_has_no_entry_points(
    tmp_path, monkeypatch
):
    distribution(tmp_path / "one", "alpha", None, version="2.0")
    distribution(tmp_path / "two", "alpha", "[rustygrad]\na = old\n")
    assert found(monkeypatch, tmp_path / "one", tmp_path / "two") == []


def test_a_missing_folder_and_a_zip_file_are_skipped(tmp_path, monkeypatch):
    (tmp_path / "a.zip").write_bytes(b"PK")
    assert found(monkeypatch, tmp_path / "none", tmp_path / "a.zip") == []


def test_an_empty_path_entry_is_the_current_folder(tmp_path, monkeypatch):
    distribution(tmp_path, "alpha", "[rustygrad]\na = x\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [""])
    assert [e.name for e in entry_points("rustygrad")] == ["a"]


def test_it_agrees_with_importlib_metadata_about_this_environment():
    for group in ("rustygrad", "console_scripts", "pytest11"):
        standard = importlib.metadata.entry_points(group=group)
        expected = {(e.name, e.value.split("[")[0].strip()) for e in standard}
        assert {(e.name, e.value) for e in entry_points(group)} == expected


@pytest.mark.parametrize(
    ("value", "thing"),
    [
        ("rustygrad.discovery", discovery),
        ("rustygrad.discovery:EntryPoint", EntryPoint),
        ("rustygrad.discovery : EntryPoint.load", EntryPoint.load),
    ],
)
def test_load_imports_a_module_or_an_attribute_of_one(value, thing):
    assert EntryPoint("x", value, "alpha", "1.0").load() is thing


def test_load_raises_what_the_import_raises():
    with pytest.raises(ModuleNotFoundError):
        EntryPoint("x", "rustygrad.nonsense", "alpha", "1.0").load()
    with pytest.raises(AttributeError):
        EntryPoint("x", "rustygrad.discovery:nonsense", "alpha", "1.0").load()


def test_load_of_a_module_gives_a_module():
    assert isinstance(EntryPoint("x", "json", "alpha", "1.0").load(), types.ModuleType)
