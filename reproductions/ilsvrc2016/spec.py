"""What to fuse: prediction files, a spec in TOML, or a team of ILSVRC2016."""

import dataclasses
import pathlib
from typing import Any

import tomli

import reproductions
from common.errors import RunError, UsageError, did_you_mean
from common.evaluation.predictions import Predictions, read
from reproductions.ilsvrc2016.fusion import RULES, Rule

CHALLENGE = "ilsvrc2016"
_SPEC_KEYS = ("title", "rules", "unknown", "member")
_MEMBER_KEYS = ("name", "model", "views", "variant", "file", "note")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Member:
    """One prediction file.

    Attributes:
        name: Unique.
        model: Members of one model are its scales or views; None: those with
            the same weights are.
        file: None if nobody knows what the member was.
        variant: Of this suite, for the command that would write the file.
        views: The view that the file must be of; None: any.
    """

    name: str
    model: str | None = None
    file: pathlib.Path | None = None
    variant: str | None = None
    views: str | None = None

    def how_to_write(self) -> str:
        """The command that writes the file; "" if it is of no variant."""
        if not self.variant:
            return ""
        views = f"--views {self.views} " if self.views else ""
        return (
            f" `python -m launch evaluate {self.variant} --weights "
            f"{self.variant}.weights.h5 {views}--predictions {self.file}` writes one."
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spec:
    """Members and the rules that fuse them; `unknown` says what nobody knows of them."""

    title: str
    members: tuple[Member, ...]
    rules: tuple[Rule, ...] = RULES
    unknown: tuple[str, ...] = ()

    def known(self) -> list[Member]:
        """Those that have a file, were it there."""
        return [member for member in self.members if member.file]

    def missing(self) -> list[Member]:
        """The known ones whose file is not there."""
        return [member for member in self.known() if not member.file.is_file()]


def teams() -> dict[str, pathlib.Path]:
    """The teams of ILSVRC2016 by name, and their specs."""
    folder = reproductions.folder(CHALLENGE)
    data = ("leaderboard", "reproduced")
    found = {file.stem: file for file in sorted(folder.glob("*.toml"))}
    return {name: file for name, file in found.items() if name not in data}


def spec_of(words: list[str], rules: list[str]) -> Spec:
    """The spec that a command's words and --rules mean.

    Raises:
        UsageError: for words that are neither, a key, a rule or a file that
            there is not.
        RunError: if the spec is not TOML.
    """
    if words and all(word.endswith(".npz") for word in words):
        spec = _of_files([pathlib.Path(word).expanduser() for word in words])
    elif len(words) == 1 and words[0].endswith(".toml"):
        spec = _read(pathlib.Path(words[0]).expanduser())
    elif len(words) == 1 and words[0] in teams():
        spec = _read(teams()[words[0]])
    else:
        known = (CHALLENGE, *teams())
        hint = did_you_mean(" ".join(words), known)
        raise UsageError(
            "ensemble takes prediction files (.npz), one spec (.toml), or one "
            f"of {', '.join(known)}; it was given {' '.join(words)!r}.{hint}"
        )
    if rules:
        return dataclasses.replace(spec, rules=_rules(rules))
    return spec


def only_available(spec: Spec) -> Spec:
    """The spec without the members whose file is not there; its title says so.

    With fewer than two left it stays whole: `read_members` says what is missing.
    """
    missing = spec.missing()
    if not missing or len(spec.known()) - len(missing) < 2:
        return spec
    return dataclasses.replace(
        spec,
        title=f"{spec.title} without {', '.join(m.name for m in missing)}",
        members=tuple(m for m in spec.members if m not in missing),
    )


def read_members(spec: Spec) -> list[tuple[str, str, Predictions]]:
    """(name, model, predictions) of every member that is known.

    Raises:
        UsageError: if a file is not there, with the command that writes it;
            if one is of another view, or has the scores of another member.
        RunError: if one is damaged.
    """
    known, missing = spec.known(), spec.missing()
    there = len(known) - len(missing)
    if missing:
        raise UsageError(
            f"{spec.title}: there is no {', '.join(str(m.file) for m in missing)}."
            + "".join(m.how_to_write() for m in missing)
            + (f" --available fuses the {there} that are there." if there > 1 else "")
        )
    if len(known) < 2:
        raise UsageError(
            f"{spec.title} cannot be run: an ensemble takes at least two "
            f"prediction files, and it has {len(known)}. "
            + " ".join(f"Not known: {what}" for what in spec.unknown)
        )
    found = [(member, read(member.file)) for member in known]
    _check_members(found)
    # Two views of the same weights are one model.
    return [(m.name, m.model or str(p.record.get("weights") or m.name), p) for m, p in found]


def _check_members(found: list[tuple[Member, Predictions]]) -> None:
    first: dict[str, Member] = {}
    for member, predictions in found:
        view = predictions.record.get("view")
        if member.views and view != member.views:
            raise UsageError(
                f"{member.name} is to have the view {member.views!r}, but the scores of "
                f"{member.file} are of {view!r}. Put another file there.{member.how_to_write()}"
            )
        other = first.setdefault(predictions.record["sha256"], member)
        if other.name != member.name:
            raise UsageError(
                f"{other.name} and {member.name} have the same scores ({other.file} and "
                f"{member.file}): that is one member, not two. Evaluate one of them again, with "
                "its own weights and --views."
            )


def _of_files(files: list[pathlib.Path]) -> Spec:
    names = [file.stem for file in files]
    if len(set(names)) < len(names):  # a/x.npz and b/x.npz
        names = [str(file.with_suffix("")) for file in files]
    members = [Member(name=n, file=file) for n, file in zip(names, files, strict=True)]
    return Spec(title="ensemble", members=tuple(members))


def _read(file: pathlib.Path) -> Spec:
    if not file.is_file():
        raise UsageError(f"There is no spec {file}.")
    try:
        data = tomli.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{file} cannot be read: {error}.") from error
    _check_keys(data, _SPEC_KEYS, file)
    return Spec(
        title=data.get("title", file.stem),
        members=tuple(_member(row, file) for row in data.get("member", [])),
        rules=_rules(data["rules"]) if "rules" in data else RULES,
        unknown=tuple(data.get("unknown", [])),
    )


def _member(row: dict[str, Any], file: pathlib.Path) -> Member:
    _check_keys(row, _MEMBER_KEYS, file)
    if not {"name", "variant", "file"} & set(row):
        raise UsageError(f"{file} has a [[member]] without name and file.")
    path = pathlib.Path(row["file"]).expanduser() if row.get("file") else None
    facts = {key: row.get(key) for key in ("model", "variant", "views")}
    return Member(name=row.get("name") or row.get("variant") or path.stem, file=path, **facts)


def _check_keys(data: dict, known: tuple[str, ...], file: pathlib.Path) -> None:
    if odd := sorted(set(data) - set(known)):
        raise UsageError(f"{file} has a key {odd[0]!r}; known are {', '.join(known)}.")


def _rules(names: list[str]) -> tuple[Rule, ...]:
    known = {rule.name: rule for rule in RULES}
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known)
            raise UsageError(
                f"There is no rule of fusion called {name!r}.{hint} Known: {', '.join(known)}."
            )
    return tuple(known[name] for name in names)
