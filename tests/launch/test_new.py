"""A new paper's files, and folders that are not finished or broken."""

import shutil
import subprocess
import sys

import pytest

from common.papers import folders
from launch.commands import new
from tests.conftest import ROOT
from tests.launch.flags import launch

COPIED = ("common", "launch", "reproductions", "pyproject.toml", "results.md", "README.md")


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A copy with the paper `novelnet`, as `new` writes it."""
    root = tmp_path_factory.mktemp("repository")
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, root / name)
    shutil.copytree(ROOT / "tests" / "reproductions", root / "tests" / "reproductions")
    shutil.copy(ROOT / "tests" / "__init__.py", root / "tests")
    told = run(root, "-m", "launch", "new", "novelnet")
    assert "lines say TODO" in told.stdout and "-k novelnet" in told.stdout, told.stderr
    return root


def run(root, *words):
    return subprocess.run(
        [sys.executable, *words], cwd=root, env={"PYTHONPATH": str(root)}, **TEXT, check=False
    )


TESTS = [f"tests/reproductions/test_{name}.py" for name in ("contract", "novelnet")]
TEXT = {"capture_output": True, "text": True}


def test_a_new_paper_passes_the_contract_but_for_what_is_left_to_do(repository):
    told = run(repository, "-m", "pytest", "-q", "-k", "novelnet", *TESTS).stdout
    failed = [line for line in told.splitlines() if line.startswith("FAILED")]
    assert len(failed) == 1 and "test_nothing_is_left_to_do[novelnet]" in failed[0], told
    assert "reproductions/novelnet/recipe.py:11: data=" in told
    assert "tests/reproductions/test_novelnet.py:1: " in told
    assert "tests/reproductions/facts/novelnet.toml:1: " in told


BROKEN = {
    "a syntax error": ("recipe.py", "RECIPES = {", "recipe.py, line 1: SyntaxError: "),
    "an exception on import": ("recipe.py", "1 / 0", "recipe.py, line 1: ZeroDivisionError: "),
    "no RECIPES": ("recipe.py", "", "recipe.py has no RECIPES"),
    "no variants": ("recipe.py", "RECIPES = {}", "recipe.py has no RECIPES"),
    "no place for deviations": ("README.md", "# Novel", "README.md lacks <!-- deviations -->"),
    "a missing file": ("README.md", None, "README.md is missing."),
    "TOML that is none": ("expected.toml", "title = ", "expected.toml cannot be read: "),
    "another TOML's key": ("deviations.toml", "[a]", "deviations.toml has keys other than"),
    "a variant without counts": (
        "expected.toml",
        'title="a"\nauthors="a"\nvenue="a"\nurl="a"\n[networks]\n',
        "expected.toml: networks lacks novelnet",
    ),
    "a number that is a text": (
        "expected.toml",
        'title="a"\nauthors="a"\nvenue="a"\nurl="a"\n[networks]\n'
        'novelnet={parameters="many",macs=1}\n',
        "expected.toml: parameters of networks.novelnet is 'many', which is no number",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_folder_is_one_line_and_breaks_nothing(repository, fault):
    name, text, said = BROKEN[fault]
    file = repository / "reproductions" / "novelnet" / name
    kept = file.read_text()
    file.unlink() if text is None else file.write_text(text)
    try:
        listed = run(repository, "-m", "launch", "list")
        [line] = listed.stderr.splitlines()
        assert line.startswith("novelnet is left out: ") and said in line
        assert listed.returncode == 0 and "zfnet_b_8192" in listed.stdout
        if fault == "a syntax error":
            named = run(repository, "-m", "launch", "novelnet")
            assert named.returncode == 1 and named.stderr.count("\n") == 1
            assert named.stderr.startswith("novelnet is unfinished: ") and said in named.stderr
    finally:
        file.write_text(kept)


def test_an_unfinished_paper_is_said_to_be_one(repository):
    listed = run(repository, "-m", "launch", "list")
    assert "novelnet       novelnet" in listed.stdout
    [line] = listed.stderr.splitlines()
    assert line.startswith("novelnet is unfinished: ") and "reproductions/novelnet/" in line


def test_report_goes_on_beside_a_broken_folder_and_lists_a_new_one(repository):
    """It writes nothing but what it writes for all, and the paper's own pages."""
    before = {p: p.read_bytes() for p in repository.rglob("*") if p.suffix in (".py", ".toml")}
    told = run(repository, "-m", "launch", "report")
    assert told.returncode == 0, told.stderr
    assert "novelnet/README.md" in (repository / "reproductions" / "README.md").read_text()
    for name in ("recipe.py", "expected.toml"):
        file = repository / "reproductions" / "novelnet" / name
        kept = file.read_text()
        file.write_text("RECIPES = {")
        try:
            told = run(repository, "-m", "launch", "report")
            assert told.returncode == 0 and "novelnet is left out: " in told.stderr
            assert "novelnet" not in (repository / "reproductions" / "README.md").read_text()
        finally:
            file.write_text(kept)
    assert {p: p.read_bytes() for p in before} == before


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("zf-2", "cannot be a paper's name"),
        ("class", "cannot be a paper's name"),
        ("ZFNet", "cannot be a paper's name"),
        ("zfnet", "reproductions/zfnet is there"),
        ("alexnet_no_lrn", "is called that"),
        ("list", "is called that"),
    ],
)
def test_a_name_that_cannot_be_or_is_taken_is_refused(name, said):
    with pytest.raises(new.UsageError, match=said):
        launch("new", name)


def test_an_error_is_placed_in_the_papers_own_folder(tmp_path):
    """What Keras raises deep inside is of the line that called it."""
    file = tmp_path / "model.py"
    file.write_text("import json\n\njson.loads('')\n")
    try:
        exec(compile(file.read_text(), file, "exec"), {})
    except ValueError as error:
        assert folders.locate(error, tmp_path).startswith(f"{file}, line 3: JSONDecodeError: ")
