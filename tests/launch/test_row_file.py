"""The files of recorded rows: what is read back, kept and refused."""

import pytest

from common.errors import RunError
from launch.report.row_file import RowFile


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "rows.toml"
    return RowFile(path=path, kind="row", key=("name", "seed"), header="# Rows.\n")


def row(name, seed=0, **more):
    return {"name": name, "seed": seed, "x": 1.5} | more


def test_rows_come_back_as_they_were_in_the_order_of_their_keys(file):
    assert file.read() == []
    odd = row('a "b"\\\n\té€', list=["x", 'y"'], numbers=[1, 2.5], nothing=[], yes=True)
    file.add([row("z"), row("a", 10), row("a", 9), odd])
    assert file.read() == [row("a", 9), row("a", 10), odd, row("z")]
    assert file.path.read_text().startswith("# Rows.\n\n[[row]]\nname = ")


def test_the_later_of_two_rows_with_one_key_stays(file):
    file.add([row("a", x=1), row("b", x=2)])
    before = file.path.read_bytes()
    file.add([row("a", x=3), row("a", x=1)])
    assert file.path.read_bytes() == before
    file.add([row("a", x=4)])
    assert [one["x"] for one in file.read()] == [4, 2]


def test_a_damaged_file_is_named(file):
    file.path.write_text("no toml")
    with pytest.raises(RunError, match="rows.toml cannot be read"):
        file.read()


def test_what_toml_has_no_word_for_is_never_written(file):
    file.add([row("a")])
    before = file.path.read_bytes()
    with pytest.raises(ValueError):
        file.add([row("b", x=float("nan"))])
    assert file.path.read_bytes() == before
