"""Which way imports point, and the house rules that a parser can check."""

import ast
import pathlib
import re

import pytest

from launch import commands
from launch.commands import COMMANDS, TRAIN

ROOT = pathlib.Path(__file__).parents[1]
PACKAGES = ("common", "reproductions", "launch")
# (importer, imported), with the reason beside it.
SHARED_PAPERS: set[tuple[str, str]] = {
    # torchvision has all three in one class: one map of its names.
    ("resnext", "resnet"),
    ("wide_resnet", "resnet"),
    # The same authors' 12 and 144 crops.
    ("inception_v4", "inception_v3"),
}
# The lowest first: a package or module imports itself and lower floors.
FLOORS = (
    ("common.errors", "common.lazy"),
    ("common.files",),
    ("common.recipes",),
    (
        "common.data.dataset",
        "common.data.imagenet",
        "common.data.images",
        "common.data.processes",
        "common.data.rng",
        "common.data.sharding",
    ),
    ("common.data.transforms",),
    ("common.data.sources",),
    ("common.data.catalog", "common.data.examples", "common.data.preparation"),
    ("common.data.resident",),
    ("common.data.pipeline",),
    ("common.data.diagnosis", "common.data.statistics"),
    ("common.distribution",),
    ("common.models",),
    ("common.evaluation", "common.papers"),
    ("common.export", "common.training"),
    ("reproductions",),
    ("launch.terminal",),
    ("launch.drawing", "launch.settings"),
    ("launch.weights",),
    ("launch.session",),
    ("launch.inference", "launch.report"),
    ("launch.bench", "launch.sweep"),
    ("launch.commands",),
    ("launch.__main__",),
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
LONGEST_FUNCTION = 60  # lines
LONGEST_FILE = 500  # lines
FULLEST_FOLDER = 20  # Python files
MOST_ENTRIES = 14  # of whatever kind, directly in common and in launch


def sources(root):
    return sorted(f for p in PACKAGES for f in (root / p).rglob("*.py"))


def violations(root, shared=SHARED_PAPERS):
    """What is wrong, as 'file:line: what' lines."""
    return [
        f"{file.relative_to(root)}:{line}: {what}"
        for file in sources(root)
        for line, what in in_file(file, file.relative_to(root).parts, shared)
    ]


def in_file(file, parts, shared):
    text = file.read_text()
    lines = len(text.splitlines())
    if lines > LONGEST_FILE:
        yield lines, f"the file has more than {LONGEST_FILE} lines"
    for node in ast.walk(ast.parse(text)):
        for module in imported(node):
            if problem := import_problem(parts, module, shared):
                yield node.lineno, problem
        if isinstance(node, ast.ImportFrom) and node.level:
            yield node.lineno, "relative import"
        if isinstance(node, ast.FunctionDef):
            length = node.end_lineno - node.lineno + 1
            if length > LONGEST_FUNCTION:
                yield node.lineno, f"{node.name} has {length} lines"
        if parts[0] != "launch" and prints(node):
            yield node.lineno, "print outside launch"


def imported(node):
    """The full names of what a node imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def import_problem(parts, module, shared):
    package, words = parts[0], module.split(".")
    allowed = {
        "common": {"common"},
        "reproductions": {"common", "reproductions"},
        "launch": set(PACKAGES),
    }
    if words[0] in PACKAGES and words[0] not in allowed[package]:
        return f"{package} imports {module}"
    if words[0] == "absl" and "flags" in words and package != "launch":
        return f"flags outside launch: {module}"
    if package == words[0] == "reproductions":
        paper = parts[1] if len(parts) > 2 else None
        if words[1:2] not in ([paper], []) and (paper, words[1]) not in shared:
            return f"{paper} imports another paper: {module}"
    own, other = room_of(".".join(parts).removesuffix(".py")), room_of(module)
    if own and other and own != other and FLOOR_OF[own] <= FLOOR_OF[other]:
        return f"{own} imports {other}, which is not below it"
    return None


def room_of(module):
    """The package or module of FLOORS that a module is, or is in; or None."""
    while module and module not in FLOOR_OF:
        module = module.rpartition(".")[0]
    return module or None


def prints(node):
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    )


def test_house_rules_hold():
    assert not violations(ROOT)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_has_its_floor(package):
    names = (f.relative_to(ROOT).with_suffix("") for f in (ROOT / package).rglob("*.py"))
    assert not [n for n in names if n.name != "__init__" and not room_of(".".join(n.parts))]


def test_every_floor_is_of_a_room_that_exists():
    for room in FLOOR_OF:
        place = ROOT.joinpath(*room.split("."))
        assert place.is_dir() or place.with_suffix(".py").is_file(), room


def test_folders_are_small_enough_to_find_ones_way_in():
    folders = {file.parent for file in sources(ROOT)} - {ROOT / "launch" / "commands"}
    assert not [f for f in folders if len(list(f.glob("*.py"))) > FULLEST_FOLDER]
    for package in ("common", "launch"):
        entries = [f for f in (ROOT / package).iterdir() if f.name != "__pycache__"]
        assert len(entries) <= MOST_ENTRIES


def test_a_command_is_a_module_and_nothing_else_is_there():
    verbs = {commands.load(verb).__name__.rpartition(".")[2] for verb in (TRAIN, *COMMANDS)}
    there = {file.stem for file in (ROOT / "launch" / "commands").glob("*.py")}
    assert there == verbs | {"__init__", "names"}


PLANTED = {
    "common imports a paper": ("common/a.py", "from reproductions import alexnet\n"),
    "launch imports its own upper floor": (
        "launch/settings/a.py",
        "from launch.commands import train\n",
    ),
    "common imports launch": ("common/a.py", "import launch.settings.options\n"),
    "a paper imports launch": ("reproductions/vgg/model.py", "from launch import options\n"),
    "a paper imports another": (
        "reproductions/vgg/model.py",
        "import reproductions.alexnet.model\n",
    ),
    "a paper imports another, from the package": (
        "reproductions/vgg/model.py",
        "from reproductions import alexnet\n",
    ),
    "an import upwards": ("common/data/rng.py", "from common.data import pipeline\n"),
    "one across a floor": ("common/papers/a.py", "from common.evaluation import views\n"),
    "one hidden in a function": (
        "common/recipes/recipe.py",
        "def f():\n    import common.training.optimizers\n",
    ),
    "a sweep that imports a command": (
        "launch/sweep/child.py",
        "def f():\n    from launch.__main__ import main\n",
    ),
    "a session that imports the report": (
        "launch/session/a.py",
        "from launch.report import records\n",
    ),
    "relative import": ("reproductions/vgg/model.py", "from . import recipe\n"),
    "hidden in a function": ("common/data/a.py", "def f():\n    import reproductions\n"),
    "flags in common": ("common/a.py", "from absl import flags\n"),
    "flags in a paper": ("reproductions/vgg/recipe.py", "import absl.flags\n"),
    "print in common": ("common/a.py", "print('hello')\n"),
    "a long function": ("launch/a.py", "def f():\n" + "    pass\n" * 60),
    "a long file": ("launch/a.py", "x = 1\n" * 501),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_violation_is_found(tmp_path, name):
    path, text = PLANTED[name]
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(text)
    assert len(violations(tmp_path)) == 1


def test_what_is_allowed_is_not_a_violation(tmp_path):
    allowed = {
        "launch/a.py": "from absl import flags\nimport reproductions\n",
        "reproductions/vgg/model.py": "from common import layers\n"
        "from reproductions.vgg import recipe\n",
        "reproductions/resnext/model.py": "import reproductions.resnet\n",
        "launch/b.py": "def f():\n" + "    pass\n" * 39,
    }
    for path, text in allowed.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert not violations(tmp_path, {("resnext", "resnet")})
    assert len(violations(tmp_path, set())) == 1


def test_what_contributing_names_as_a_place_is_there():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    table = text.partition("## Where things happen")[2].partition("\n## ")[0]
    rows = [line.split("|")[2] for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 10
    for row in rows:
        for place in row.split(";"):
            file, *names = re.findall(r"`([\w./]+)`", place) or [""]
            if "/" not in file:  # a command, or a file that each paper has
                continue
            known = {
                getattr(node, "name", None) or getattr(node, "id", None)
                for node in ast.walk(ast.parse((ROOT / file).read_text()))
            }
            assert {part for name in names for part in name.split(".")} <= known, place
