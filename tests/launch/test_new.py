"""A new paper's files, and folders that are not finished or broken."""

import dataclasses
import importlib
import shutil
import types

import pytest

import reproductions
from common.papers import folders
from tests.conftest import ROOT
from tests.launch.flags import run_alone

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
    return run_alone(*words, cwd=root, env={"PYTHONPATH": str(root)})


TESTS = [f"tests/reproductions/test_{name}.py" for name in ("contract", "novelnet")]


def test_a_new_paper_passes_the_contract_but_for_what_is_left_to_do(repository):
    told = run(repository, "-m", "pytest", "-q", "-k", "novelnet", *TESTS).stdout
    failed = [line for line in told.splitlines() if line.startswith("FAILED")]
    assert len(failed) == 1 and "test_nothing_is_left_to_do[novelnet]" in failed[0], told
    assert "reproductions/novelnet/recipe.py:11: data=" in told
    assert "tests/reproductions/test_novelnet.py:1: " in told
    text = (repository / "tests" / "reproductions" / "test_novelnet.py").read_text()
    assert "def test_the_layers_stand_in_their_order" in text
    assert "tests/reproductions/facts/novelnet.toml:1: " in told


def test_a_long_name_leaves_no_line_too_long():
    for file in ("model.py", "recipe.py", "test.txt"):
        text = (ROOT / "launch" / "commands" / "template" / file).read_text()
        text = text.replace("the_paper", 24 * "n").replace("THE_PAPER", 24 * "N")
        assert max(map(len, text.splitlines())) <= 100, file


CHANGED = """\
import dataclasses
from reproductions.novelnet.recipe import NOVELNET
RECIPES = {{{0!r}: dataclasses.replace(NOVELNET, {1})}}
"""
HEAD = 'title="a"\nauthors="a"\nvenue="a"\nurl="a"\n[networks]\n'
BROKEN = {  # a folder's name -> a file in it, what becomes of it, what is said
    "syntax_error": (
        "recipe.py",
        "RECIPES = {",
        "SyntaxError: '{' was never closed (recipe.py, line 1)",
    ),
    "exception": ("recipe.py", "1 / 0", "recipe.py, line 1: ZeroDivisionError: "),
    "no_recipes": ("recipe.py", "", "recipe.py has no RECIPES"),
    "no_variants": ("recipe.py", "RECIPES = {}", "recipe.py has no RECIPES"),
    "exits": ("recipe.py", "import sys\nsys.exit(3)", "recipe.py, line 2: SystemExit: 3"),
    "no_code": ("model.py", "x = (", "SyntaxError: '(' was never closed (model.py, line 1)"),
    "no_data": (
        "recipe.py",
        CHANGED.format("no_data", "data='stl10'"),
        "UsageError: There is no data set called 'stl10'.",
    ),
    "a_text": (
        "recipe.py",
        CHANGED.format("a_text", "epochs='30'"),
        "a_text/recipe.py: a_text.epochs is '30'; it takes int.",
    ),
    "no_name": ("recipe.py", CHANGED.format(3, ""), "recipe.py: 3, a name in RECIPES, is 3"),
    "a_copy": (
        "recipe.py",
        CHANGED.format("alexnet", ""),
        "a_copy: alexnet is alexnet's name; choose another.",
    ),
    "resnet18": ("__init__.py", "", "resnet18: resnet18 is resnet's name; choose another."),
    "load": ("__init__.py", "", "load: load is the suite's name; choose another."),
    "no_place": ("README.md", "# Novel", "README.md lacks <!-- deviations -->"),
    "missing_file": ("README.md", None, "README.md is missing."),
    "no_toml": ("expected.toml", "title = ", "expected.toml cannot be read: "),
    "another_key": ("deviations.toml", "[a]", "deviations.toml has keys other than"),
    "no_counts": ("expected.toml", HEAD, "expected.toml: networks lacks no_counts"),
    "count_of_text": (
        "expected.toml",
        HEAD + 'count_of_text={parameters="many",macs=1}\n',
        "expected.toml: networks.count_of_text: TypeError: parameters is 'many'",
    ),
}


@pytest.fixture
def broken(repository):
    """The copy with a folder for each of BROKEN."""
    papers = repository / "reproductions"
    for name, (file, text, _) in BROKEN.items():
        shutil.copytree(papers / "novelnet", papers / name)
        for path in (papers / name).glob("*.*"):
            path.write_text(path.read_text().replace("novelnet", name))
        (papers / name / file).unlink() if text is None else (papers / name / file).write_text(text)
    yield repository
    for name in BROKEN:
        shutil.rmtree(papers / name)


def test_an_unfinished_or_broken_folder_is_one_line_and_breaks_nothing(broken):
    listed = run(broken, "-m", "launch", "list")
    assert listed.returncode == 0 and "zfnet_b_8192" in listed.stdout
    assert "novelnet       novelnet" in listed.stdout
    assert "alexnet        alexnet " in listed.stdout
    lines = dict(line.split(" is ", 1) for line in listed.stderr.splitlines())
    assert lines.keys() == {"novelnet", *BROKEN}
    assert lines["novelnet"].startswith("unfinished: ")
    assert "reproductions/novelnet/" in lines["novelnet"]
    for name, (_, _, said) in BROKEN.items():
        assert lines[name].startswith("left out: ") and said in lines[name]
    named = run(broken, "-m", "launch", "syntax_error")
    assert named.returncode == 1 and named.stderr.count("\n") == 1
    assert named.stderr.startswith("syntax_error is unfinished: ")
    assert BROKEN["syntax_error"][2] in named.stderr


def test_a_name_is_that_of_the_finished_paper(broken):
    """Though a_copy stands before alexnet, and a folder is called resnet18."""
    names = "'alexnet', 'resnet', 'resnet18'"
    told = run(broken, "-c", f"import reproductions as r; print(*map(r.find, [{names}]))")
    assert told.stdout == "('alexnet', 'alexnet') ('resnet', 'resnet50') ('resnet', 'resnet18')\n"
    recipe = broken / "reproductions" / "alexnet" / "recipe.py"
    text = recipe.read_text()
    recipe.write_text("1 / 0")
    told = run(broken, "-m", "launch", "alexnet", "--dry_run")
    recipe.write_text(text)
    assert told.returncode == 1 and told.stderr.startswith("alexnet is unfinished: ")


def test_where_a_recipes_images_lie_is_not_read():
    """As other data sets are, they are looked for by what trains."""
    recipe = dataclasses.replace(reproductions.load("zfnet").RECIPES["zfnet"], data="tfds:nowhere")
    folders.check_recipes(reproductions.folder("zfnet"), lambda: {"zfnet": recipe})


def test_a_copied_folder_takes_no_name_from_its_paper(repository):
    shutil.copytree(repository / "reproductions" / "zfnet", repository / "reproductions" / "a_net")
    told = run(repository, "-c", "import reproductions as r; print(r.find('zfnet'), r.faults())")
    shutil.rmtree(repository / "reproductions" / "a_net")
    assert told.stdout.startswith("('zfnet', 'zfnet') {'a_net': ")


def test_a_model_that_fails_does_not_end_the_audit_of_the_others(repository):
    model = repository / "reproductions" / "novelnet" / "model.py"
    text = model.read_text()
    model.write_text("1 / 0")
    only = "import reproductions as r; r.names = r.readable = lambda: ('lenet5', 'novelnet'); "
    told = run(repository, "-c", only + "from launch.commands import audit as a; a.run([], None)")
    model.write_text(text)
    assert "lenet5: " in told.stdout
    assert "novelnet is not audited: ZeroDivisionError: division by zero" in told.stderr


def test_a_folder_without_files_is_said_to_be_no_paper(repository):
    (repository / "reproductions" / "minenet").mkdir()
    named = run(repository, "-m", "launch", "minenet")
    (repository / "reproductions" / "minenet").rmdir()
    assert named.returncode == 2
    assert "reproductions/minenet is no paper: it has no recipe.py." in named.stderr


def test_report_goes_on_beside_broken_folders_and_lists_a_new_one(broken):
    """It writes nothing but what it writes for all, and the paper's own pages."""
    before = {p: p.read_bytes() for p in broken.rglob("*") if p.suffix in (".py", ".toml")}
    told = run(broken, "-m", "launch", "report")
    assert told.returncode == 0, told.stderr
    listed = (broken / "reproductions" / "README.md").read_text()
    assert "novelnet/README.md" in listed
    for name in BROKEN:
        assert f"{name} is left out: " in told.stderr and f"{name}/README.md" not in listed
    assert {p: p.read_bytes() for p in before} == before


def test_a_saved_model_loads_beside_a_paper_that_fails(tmp_path, monkeypatch):
    reproductions.build_model("lenet5", "lenet1").save(tmp_path / "lenet1.keras")

    def read(name):
        return 1 / 0 if "zfnet" in name else importlib.import_module(name)

    monkeypatch.setattr(reproductions, "importlib", types.SimpleNamespace(import_module=read))
    assert reproductions.load_model(tmp_path / "lenet1.keras").name == "lenet1"
