"""`python -m launch ensemble ilsvrc2016`: the leaderboard of the slides."""

import tomli

import reproductions
from launch.report.error_counts import percent
from launch.terminal.tables import show
from reproductions.ilsvrc2016.spec import CHALLENGE, spec_of

FILE = reproductions.folder(CHALLENGE) / "leaderboard.toml"


def read() -> dict:
    """leaderboard.toml."""
    return tomli.loads(FILE.read_text(encoding="utf-8"))


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
        spec = spec_of([name], [])
        known = [m.name for m in spec.members if m.file is not None]
        others = [m.name for m in spec.members if m.file is None]
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
