"""`python -m launch ensemble ilsvrc2016`: the leaderboard of the slides."""

import tomllib

import reproductions
from launch.ensemble_spec import CHALLENGE, spec_of
from launch.error_counts import percent
from launch.tables import show

FILE = reproductions.folder(CHALLENGE) / "leaderboard.toml"


def read() -> dict:
    """leaderboard.toml."""
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def run() -> None:
    """Prints the 22 rows, then what is known of each team's members."""
    data = read()
    images = data["classification_images"]
    rows = [
        [
            str(place),
            one["team"],
            one["entry"],
            *_classification(one, images),
            f"{100 * one['localisation']:.2f} %",
            one["rule"],
        ]
        for place, one in enumerate(data["entry"], 1)
    ]
    head = [">", "team", "entry", ">wrong", ">top-5 error", ">localisation"]
    show(data["title"], [*head, "our reading"], rows)
    teams = []
    for team, name in data["spec"].items():
        spec = spec_of([name], [])
        known = [m.name for m in spec.members if m.file is not None]
        others = [m.name for m in spec.members if m.file is None]
        teams.append(
            [team, ", ".join(known) or "none", ", ".join(others), name]
        )
    head = ["team", "members here", "missing", "python -m launch ensemble"]
    show("\nMembers", head, teams)


def _classification(entry: dict, images: int) -> list[str]:
    if "classification" not in entry:
        return ["", "not in the slides"]
    wrong = round(entry["classification"] * images)
    return [f"{wrong:,}", percent(wrong, images)]
