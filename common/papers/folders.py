"""A paper's folder: can it be read, and what is left to do in it?

A folder that cannot be read is no paper, and breaks nothing for the others.
"""

import importlib.machinery
import pathlib
import traceback
import typing
from collections.abc import Callable, Iterable

from common.data import catalog
from common.errors import RunError, UsageError
from common.papers.expected import read_expected
from common.recipes.fields import fit
from common.recipes.recipe import Recipe

SUITE = pathlib.Path(__file__).parents[2]
_OF_A_PAPER = ("model.py", "recipe.py", "deviations.toml", "expected.toml")  # and of no contest
FILES = ("__init__.py", *_OF_A_PAPER, "README.md")
LEFT = "TODO"  # what the template has where something is missing


def find_folders(root: pathlib.Path) -> list[pathlib.Path]:
    """The papers' folders, finished or not, sorted."""
    return sorted({path.parent for name in _OF_A_PAPER for path in root.glob(f"*/{name}")})


def find_fault(folder: pathlib.Path, load: Callable[[], dict[str, Recipe]]) -> str:
    """Why the folder's code or recipes cannot be read, naming the file; "" if they can.

    Args:
        load: Imports the recipes; those of its variants.
    """
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        return f"{folder / missing[0]} is missing."
    try:
        for file in sorted(folder.glob("*.py")):  # compiled, and not imported: without TensorFlow
            importlib.machinery.SourceFileLoader(file.stem, str(file)).get_code(file.stem)
        recipes = load()
    except RunError as error:
        return str(error)
    except (Exception, SystemExit) as error:  # whatever a file that is being written does
        return locate(error, folder)
    try:
        _check(recipes)
    except UsageError as error:
        return f"{folder / 'recipe.py'}: {error}"
    return ""


def _check(recipes: dict[str, Recipe]) -> None:
    """Refuses values of wrong types and data sets that nobody knows."""
    hints = typing.get_type_hints(Recipe)
    for variant, recipe in recipes.items():
        fit(variant, str, "a name in RECIPES")
        for field, kind in hints.items():
            fit(getattr(recipe, field), kind, f"{variant}.{field}")
        for name in (recipe.data, *recipe.also_on):
            if not name.startswith(("folder:", "tfds:")):  # which would be read
                catalog.find(name)


def find_unclaimed(folder: pathlib.Path, variants: Iterable[str]) -> str:
    """Why expected.toml cannot be read, or what it or README.md lacks; "" if nothing."""
    try:
        expected = read_expected(folder)
    except RunError as error:
        return str(error)
    except Exception as error:  # such as a number where a table belongs
        return f"{folder / 'expected.toml'}: {type(error).__name__}: {error}"
    if lacking := [name for name in variants if name not in expected.parameters]:
        return f"{folder / 'expected.toml'}: networks lacks {', '.join(lacking)}, of RECIPES."
    readme = folder / "README.md"
    if "<!-- deviations -->" not in readme.read_text(encoding="utf-8", errors="replace"):
        return f"{readme} lacks <!-- deviations -->, where `report` lists them."
    return ""


def locate(error: BaseException, folder: pathlib.Path) -> str:
    """An error of a paper's code in a sentence, with the last line of the folder that it met."""
    places = [place for place in _list_places(error) if folder in place[0].parents]
    said = " ".join(str(error).split())
    if isinstance(error, SyntaxError):
        places, said = _list_places(error), error.msg
    where = ", line ".join(map(str, places[-1] if places else (folder,)))
    return f"{where}: {type(error).__name__}: {said}"


def is_of(error: BaseException, folder: pathlib.Path) -> bool:
    """Whether the folder's code is at fault, and not what it calls of the suite.

    The suite's last line that the error met is the folder's; or there is none behind the
    caller's, as where build_model is missing. Keras, called further, is not the suite's.
    """
    suite = {folder, *(SUITE / name for name in ("common", "launch", "reproductions"))}
    met = [file for file, _ in _list_places(error)[1:] if not suite.isdisjoint(file.parents)]
    return not met or folder in met[-1].parents


def _list_places(error: BaseException) -> list[tuple[pathlib.Path, int]]:
    places = [(f.filename, f.lineno) for f in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError):
        places.append((error.filename, error.lineno))
    return [(pathlib.Path(file or "?"), line) for file, line in places]


def is_finished(folder: pathlib.Path) -> bool:
    """Whether it has results, its facts among the tests, and nothing left to do."""
    facts = folder.parents[1] / "tests" / "reproductions" / "facts" / f"{folder.name}.toml"
    return (folder / "results.md").exists() and facts.exists() and not list_left(folder)


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
