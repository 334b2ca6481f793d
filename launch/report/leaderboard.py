"""`python -m launch ensemble ilsvrc2016`: the leaderboard of the slides."""

import pathlib

import tomli

import reproductions
from launch.report.error_counts import percent
from launch.terminal.tables import show


def read() -> dict:
    """leaderboard.toml; empty where there is none."""
    file = _file("leaderboard")
    return tomli.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def _file(name: str) -> pathlib.Path:
    return reproductions.folder("ilsvrc2016") / f"{name}.toml"


def name_members(team: str) -> tuple[list[str], list[str]]:
    """Names in a team's spec: the members that are built here, and the others.

    Read here, as reproductions.ilsvrc2016.spec takes NumPy, and so a third of `report`'s time.
    """
    spec = tomli.loads(_file(team).read_text(encoding="utf-8"))
    found: dict[bool, list[str]] = {True: [], False: []}
    for row in spec.get("member", []):
        file = row.get("file")
        name = row.get("name") or row.get("variant") or pathlib.Path(file).stem
        found[bool(file)].append(name)
    return found[True], found[False]


def run() -> None:
    """Prints the 22 rows, then what is known of each team's members."""
    data = read()
    images = data["classification_images"]
    rows = [
        [str(place), one["team"], one["entry"], *errors(one, images), one["rule"]]
        for place, one in enumerate(data["entry"], 1)
    ]
    head = [">", "team", "entry", ">wrong", ">top-5 error", ">localisation"]
    show(data["title"], [*head, "our reading"], rows)
    print(f"\n{claims(data)}")
    teams = []
    for team, name in data["spec"].items():
        known, others = name_members(name)
        teams.append([team, ", ".join(known) or "none", ", ".join(others), name])
    head = ["team", "members here", "missing", "python -m launch ensemble"]
    show("\nMembers", head, teams)


def errors(entry: dict, images: int) -> list[str]:
    """Wrong images of `images`, top-5 error, localisation error.

    With all of the slides' digits: five and six, of shares.
    """
    boxes = f"{100 * entry['localisation']:.4f} %"
    if "classification" not in entry:
        return ["", "not in the slides", boxes]
    wrong = round(entry["classification"] * images)
    return [f"{wrong:,}", percent(wrong, images, digits=3), boxes]


def claims(data: dict) -> str:
    """The slides' statements, each with its verdict; a line each."""
    return "\n".join(
        f'"{one["text"]}" ({one["source"]}): {one["verdict"]}; {one["note"]}.'
        for one in data["claim"]
    )
