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
    model: str | None
    file: pathlib.Path | None
    variant: str | None
    views: str | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spec:
    """Members and the rules that fuse them."""

    title: str
    members: tuple[Member, ...]
    rules: tuple[Rule, ...]
    unknown: tuple[str, ...]


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

    Raises:
        UsageError: if one file or none is there, as `read_members` does.
    """
    missing = _missing(spec)
    if not missing or len(_known(spec)) - len(missing) < 2:
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
    known, missing = _known(spec), _missing(spec)
    there = len(known) - len(missing)
    if missing:
        raise UsageError(
            f"{spec.title}: there is no "
            + ", ".join(str(m.file) for m in missing)
            + "."
            + "".join(_how_to_write(m) for m in missing if m.variant)
            + (f" --available fuses the {there} that are there." if there > 1 else "")
        )
    if len(known) < 2:
        raise UsageError(
            f"{spec.title} cannot be run: an ensemble takes at least two "
            f"prediction files, and it has {len(known)}. "
            + " ".join(f"Not known: {what}" for what in spec.unknown)
        )
    found = [(m, read(m.file)) for m in known]
    for member, predictions in found:
        _check_view(member, predictions)
    _check_scores(found)
    # Two views of the same weights are one model.
    return [(m.name, m.model or str(p.record.get("weights") or m.name), p) for m, p in found]


def _known(spec: Spec) -> list[Member]:
    return [m for m in spec.members if m.file is not None]


def _missing(spec: Spec) -> list[Member]:
    return [m for m in _known(spec) if not m.file.is_file()]


def _check_view(member: Member, predictions: Predictions) -> None:
    view = predictions.record.get("view")
    if member.views and view != member.views:
        again = _how_to_write(member) if member.variant else ""
        raise UsageError(
            f"{member.name} is to have the view {member.views!r}, but the "
            f"scores of {member.file} are of {view!r}. Put another file "
            f"there.{again}"
        )


def _check_scores(found: list[tuple[Member, Predictions]]) -> None:
    first: dict[str, Member] = {}
    for member, predictions in found:
        other = first.setdefault(predictions.record["sha256"], member)
        if other.name != member.name:
            raise UsageError(
                f"{other.name} and {member.name} have the same scores "
                f"({other.file} and {member.file}): that is one member, not "
                "two. Evaluate one of them again, with its own weights and "
                "--views."
            )


def _how_to_write(member: Member) -> str:
    views = f"--views {member.views} " if member.views else ""
    return (
        f" `python -m launch evaluate {member.variant} --weights "
        f"{member.variant}.weights.h5 {views}--predictions {member.file}` "
        "writes one."
    )


def _of_files(files: list[pathlib.Path]) -> Spec:
    names = [file.stem for file in files]
    if len(set(names)) < len(names):  # a/x.npz and b/x.npz
        names = [str(file.with_suffix("")) for file in files]
    return Spec(
        title="ensemble",
        members=tuple(
            Member(name=name, model=None, file=file, variant=None, views=None)
            for name, file in zip(names, files, strict=True)
        ),
        rules=RULES,
        unknown=(),
    )


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
    path = row.get("file")
    return Member(
        name=row.get("name") or row.get("variant") or pathlib.Path(path).stem,
        model=row.get("model"),
        file=path and pathlib.Path(path).expanduser(),
        variant=row.get("variant"),
        views=row.get("views"),
    )


def _check_keys(data: dict, known: tuple[str, ...], file: pathlib.Path) -> None:
    odd = sorted(set(data) - set(known))
    if odd:
        raise UsageError(f"{file} has a key {odd[0]!r}; known are {', '.join(known)}.")
    if known is _MEMBER_KEYS and not {"name", "variant", "file"} & set(data):
        raise UsageError(f"{file} has a [[member]] without name and file.")


def _rules(names: list[str]) -> tuple[Rule, ...]:
    known = {rule.name: rule for rule in RULES}
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known)
            raise UsageError(
                f"There is no rule of fusion called {name!r}.{hint} Known: {', '.join(known)}."
            )
    return tuple(known[name] for name in names)
