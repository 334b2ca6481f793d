"""A paper's folder: can it be read, and what is left to do in it?

A folder that cannot be read is no paper, and breaks nothing for the others.
"""

import importlib.machinery
import pathlib
import traceback
import typing
from collections.abc import Callable, Iterable

from common.data import catalog
from common.errors import RunError
from common.papers.expected import read_expected
from common.recipes.fields import fit
from common.recipes.recipe import Recipe

_OF_A_PAPER = ("model.py", "recipe.py", "deviations.toml", "expected.toml")  # and of no contest
FILES = ("__init__.py", *_OF_A_PAPER, "README.md")
LEFT = "TODO"  # what the template has where something is missing


def find_folders(root: pathlib.Path) -> list[pathlib.Path]:
    """The papers' folders, finished or not, sorted."""
    return sorted({path.parent for name in _OF_A_PAPER for path in root.glob(f"*/{name}")})


def find_fault(folder: pathlib.Path, read: Callable[[], None]) -> str:
    """What `read` finds wrong in a paper's folder, a line that names the file; "" if nothing."""
    try:
        read()
    except RunError as error:
        return str(error)
    except (Exception, SystemExit) as error:  # whatever a file that is being written does
        met = traceback.extract_tb(error.__traceback__)
        lines = [one for one in met if folder in pathlib.Path(one.filename).parents]
        where = f"{lines[-1].filename}, line {lines[-1].lineno}" if lines else folder
        return f"{where}: {type(error).__name__}: {' '.join(str(error).split())}"
    return ""


def check_recipes(folder: pathlib.Path, load: Callable[[], dict[str, Recipe]]) -> None:
    """Raises if the folder's code or recipes cannot be read; `load` imports the recipes."""
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise RunError(f"{folder / missing[0]} is missing.")
    for file in sorted(folder.glob("*.py")):  # compiled, and not imported: without TensorFlow
        importlib.machinery.SourceFileLoader(file.stem, str(file)).get_code(file.stem)
    hints = typing.get_type_hints(Recipe)
    for variant, recipe in load().items():
        where = f"{folder / 'recipe.py'}: {variant}"
        fit(variant, str, f"{where}, a name in RECIPES,")
        for field, kind in hints.items():
            fit(getattr(recipe, field), kind, f"{where}.{field}")
        for name in (recipe.data, *recipe.also_on):
            if not name.startswith(("folder:", "tfds:")):  # which would be read
                catalog.find(name)


def check_claims(folder: pathlib.Path, variants: Iterable[str]) -> None:
    """Raises if expected.toml cannot be read, or it or README.md lacks what `report` needs."""
    expected = read_expected(folder)
    if lacking := [name for name in variants if name not in expected.parameters]:
        raise RunError(f"{folder / 'expected.toml'}: networks lacks {', '.join(lacking)}.")
    readme = folder / "README.md"
    if "<!-- deviations -->" not in readme.read_text(encoding="utf-8", errors="replace"):
        raise RunError(f"{readme} lacks <!-- deviations -->, where `report` lists them.")


def list_left(folder: pathlib.Path) -> list[str]:
    """What the template's words say is missing, and where: "file:line: the line"."""
    root, name = folder.parents[1], folder.name
    tests = root / "tests" / "reproductions"
    own = [folder / each for each in FILES]
    found = []
    for file in [*own, tests / f"test_{name}.py", tests / "facts" / f"{name}.toml"]:
        text = file.read_bytes().decode(errors="replace") if file.exists() else ""
        lines = enumerate(text.splitlines(), 1) if LEFT in text else ()
        place = file.relative_to(root)
        found += [f"{place}:{number}: {line.strip()}" for number, line in lines if LEFT in line]
    return found
