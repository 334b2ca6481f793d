"""The verb `ensemble`: its tables, files, records and refusals."""

import dataclasses
import re
import tomllib
import types

import numpy as np
import pytest

import reproductions
from common.data import imagenet
from common.errors import RunError, UsageError
from common.evaluation.metrics import wrong
from common.evaluation.predictions import Predictions, read, write
from common.papers.expected import Result
from launch.commands import ensemble
from launch.report import fusion_records, leaderboard
from launch.report.error_counts import missed, percent, without_blacklist
from launch.report.papers import read_papers
from launch.report.report import texts
from reproductions.ilsvrc2016 import fusion, spec
from tests.common.test_fusion import simulated
from tests.launch import flags, toy
from tests.launch.test_command_line import launch

CLASSES = 12


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Three files a.npz, b.npz, c.npz in the present folder."""
    monkeypatch.chdir(tmp_path)
    scores, labels = simulated(1, per_class=20)
    for name, one in zip("abc", scores, strict=True):
        save(name, one, labels)
    return ["a.npz", "b.npz", "c.npz"]


def save(name, scores, labels, *, first="image", classes=None, **record):
    record = {"data": "toys", "split": "test", "weights": f"hash {name}"} | record
    n, c = scores.shape
    predictions = Predictions(
        ids=np.array([f"{first}_{i:05d}" for i in range(n)]),
        labels=labels,
        classes=np.array(classes or [f"class {j:02d}" for j in range(c)]),
        scores=scores.astype(np.float32),
        record=record,
    )
    write(f"{name}.npz", predictions)
    return predictions


def run(*words, rules=(), **given):
    assert flags.launch("ensemble", *words, rules=rules or None, **given) == 0


def cells(text, *words):
    """The one line that begins with these words, as its columns."""
    lines = [re.split(r"  +", line) for line in text.splitlines()]
    (found,) = [line for line in lines if line[: len(words)] == list(words)]
    return found[len(words) :]


def test_every_rule_that_applies_is_counted(files, capsys):
    run(*files)
    said = capsys.readouterr().out
    a = read("a.npz")
    top1, top5 = (int(wrong(a.scores, a.labels, k).sum()) for k in (1, 5))
    found = cells(said, "a", "alone")
    assert found == [str(top1), percent(top1, 240), str(top5), percent(top5, 240)]
    for rule in fusion.RULES:
        how = "out of 5 folds" if rule.tuned else "untuned"
        if rule.name in ("multi_scale", "fused_scale"):
            assert f"{rule.name} does not apply: every model has one" in said
        else:
            assert len(cells(said, rule.name, how)) >= 4
    average = np.log(sum(np.exp(fusion.rules.log_softmax(read(f).scores)) for f in files))
    count = int(wrong(average, a.labels, 1).sum())
    assert cells(said, "simple", "untuned")[0] == str(count)


def test_nothing_is_printed_into_the_line_that_shows_how_far_it_is(files, monkeypatch):
    live = []  # lines on the screen that are redrawn
    counting = types.SimpleNamespace(show=lambda *line: live.append(line), clear=live.clear)
    monkeypatch.setattr(ensemble, "Counting", lambda: counting)
    asked = spec.spec_of(files, [])
    members = fusion.of_members(spec.read_members(asked))
    for rule, _ in ensemble._fuse_all(asked, members, 0):
        assert not live, rule

    def fail(*_):
        assert live
        raise MemoryError

    monkeypatch.setattr(ensemble, "fuse", fail)
    with pytest.raises(MemoryError):
        next(ensemble._fuse_all(asked, members, 0))
    assert not live


def test_leave_one_out_and_pairs_are_shown(files, capsys):
    run(*files, rules=["simple"])
    said = capsys.readouterr().out
    assert cells(said, "none")[0] == cells(said, "simple", "untuned")[0]
    scores = [fusion.rules.log_softmax(read(f).scores) for f in files]
    labels = read("a.npz").labels
    rest = missed(fusion.rules.average(np.stack(scores[1:])), labels)
    *_, left_out = [line for line in said.splitlines() if re.match(r"a  +\d", line)]
    change = rest.count().wrong1 - int(cells(said, "none")[0])
    row = re.split(r"  +", left_out)
    assert (row[1], row[-2]) == (str(rest.count().wrong1), f"{change:+,}")
    a, b = (wrong(s, labels, 1) for s in scores[:2])
    top1, _ = [
        re.split(r"  +", line)[2:5] for line in said.splitlines() if re.match(r"a  +b  +", line)
    ]
    only = [(a & ~b).sum(), (b & ~a).sum(), (a & b).sum()]
    assert top1 == [str(n) for n in only]


def test_a_spec_names_members_scales_and_rules(files, tmp_path, capsys):
    (tmp_path / "spec.toml").write_text(
        'title = "Two nets"\nrules = ["simple", "fused_scale"]\n'
        'unknown = ["the third"]\n'
        '[[member]]\nname = "one"\nfile = "a.npz"\nmodel = "m"\n'
        '[[member]]\nvariant = "two"\nmodel = "m"\nfile = "b.npz"\n'
        '[[member]]\nfile = "c.npz"\n[[member]]\nname = "nobody knows"\n'
    )
    run("spec.toml")
    said = capsys.readouterr().out
    assert said.startswith("Two nets\nNot known: the third\n")
    for name in ("one", "two", "c"):
        assert cells(said, name, "alone")
    assert cells(said, "fused_scale", "out of 5 folds")
    assert "geometric" not in said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('rules = ["simpel"]', "called 'simpel'. Did you mean 'simple'"),
        ("folds = 1", "has a key 'folds'"),
        ("[[member]]\nweight = 2\nfile = 'a.npz'", "has a key 'weight'"),
        ("[[member]]\nmodel = 'x'", "without name and file"),
        ("[[member]]\nname = 'x'", "cannot be run"),
        ("[[member]]\nfile = 'x.npz'", "there is no x.npz"),
    ],
)
def test_a_wrong_spec_is_refused(files, tmp_path, text, message):
    (tmp_path / "spec.toml").write_text(text)
    with pytest.raises(UsageError, match=message):
        run("spec.toml")


def test_a_team_says_which_files_it_needs(files):
    two_scales = [
        f"--views squashed_centre_crop{view} --predictions predictions/polynet_{size}.npz`"
        for view, size in (("", 331), ("_363", 363))
    ]
    one = "evaluate inception_v4 --weights", "--predictions predictions/inception_v4.npz"
    teams = {"cu_deeplink": two_scales, "trimps_soushen": one}
    for team, wanted in (teams | {"samexynos": ["Not known: The three models"]}).items():
        with pytest.raises(UsageError) as said:
            run(team)
        assert all(text in str(said.value) for text in wanted)


def test_a_file_of_another_view_or_of_another_member_is_refused(files, tmp_path, capsys):
    a = read("a.npz")
    save("large", a.scores * 1.5, a.labels, weights="hash a", view="larger")
    (tmp_path / "spec.toml").write_text(
        '[[member]]\nfile = "b.npz"\n[[member]]\nname = "a at 48"\n'
        'views = "larger"\nvariant = "net"\nfile = "large.npz"\n'
    )
    run("spec.toml", rules=["simple"])
    assert cells(capsys.readouterr().out, "a at 48", "alone")
    save("large", a.scores * 1.5, a.labels, weights="hash a", view="single")
    with pytest.raises(UsageError, match="view 'larger'.* 'single'.*--views"):
        run("spec.toml", rules=["simple"])
    save("again", a.scores, a.labels, weights="hash a")
    with pytest.raises(UsageError, match="a and again have the same scores"):
        run("a.npz", "again.npz")
    save("again", a.scores * 1.5, a.labels, weights="hash a")  # two scales of one model
    run("a.npz", "again.npz", "b.npz")
    said = capsys.readouterr().out
    assert "does not apply" not in said and cells(said, "multi_scale", "untuned")


def test_available_leaves_out_what_is_not_there_and_says_so(files, tmp_path, capsys):
    (tmp_path / "spec.toml").write_text(
        "title = 'Nets'\n" + "".join(f"[[member]]\nfile = '{n}.npz'\n" for n in ("x", "a", "b"))
    )
    with pytest.raises(UsageError, match="no x.npz. --available fuses the 2"):
        run("spec.toml")
    run("spec.toml", available=True, rules=["simple"])
    said = capsys.readouterr().out
    assert said.startswith("Nets without x\n")
    run("a.npz", "b.npz", rules=["simple"])
    assert said.partition("\n")[2] == (capsys.readouterr().out.partition("\n")[2])
    (tmp_path / "b.npz").unlink()
    with pytest.raises(UsageError, match="no x.npz, b.npz.$"):
        run("spec.toml", available=True)


def test_nan_and_other_images_are_refused(files):
    with np.load("a.npz") as file:
        arrays = dict(file)
    arrays["scores"][7, 3] = np.nan
    np.savez("nan.npz", **arrays)
    with pytest.raises(RunError, match="image_00007 for class 03 is nan"):
        run("b.npz", "nan.npz")
    a = read("a.npz")
    save("few", a.scores[:-1], a.labels[:-1])  # more differences: test_predictions
    said = "a and few.*240 and 239 images, and 'image_00239' is in the"
    with pytest.raises(UsageError, match=said):
        run("a.npz", "few.npz")


def test_the_leaderboard_is_shown(capsys):
    run("ilsvrc2016")
    said = capsys.readouterr().out
    first = cells(said, " 1", "Trimps-Soushen", "Ensemble 2")
    assert first[0] == "2,991" and first[2] == "7.7668 %"
    assert "3.046 % (" in said and "3.049 % (" in said  # of the slides' digits
    assert "not in the slides" in said
    assert '"16% better performance" (slides, ILSVRC2016): checked;' in said


def test_fused_predictions_are_a_prediction_file(files, tmp_path, capsys):
    run(*files, rules=["simple"], out=tmp_path / "fused.npz")
    found = read("fused.npz")
    assert found.record["fusion"] == "simple" and not found.record["tuned"]
    assert set(found.record["members"]) == {"a", "b", "c"}
    top1 = int(wrong(found.scores, found.labels, 1).sum())
    said = capsys.readouterr().out
    assert cells(said, "simple", "untuned")[0] == str(top1)
    run("fused.npz", "a.npz", rules=["simple"])  # untuned, so it may go on


def test_what_was_tuned_is_written_out_of_fold_and_never_tuned_again(files, tmp_path, capsys):
    run(*files, rules=["class_reweighted"], out=tmp_path / "tuned.npz")
    found = read("tuned.npz")
    assert found.record["tuned"] and found.record["folds"] == 5
    [rule] = [r for r in fusion.RULES if r.name == "class_reweighted"]
    members = [(f, f, read(f)) for f in files]
    np.testing.assert_array_equal(found.scores, fusion.fuse(rule, fusion.of_members(members), 0))
    with pytest.raises(UsageError, match="fitted to labels of these images"):
        run("tuned.npz", "a.npz")


def test_without_labels_only_an_untuned_rule_can_be_written(files, tmp_path):
    for name in "ab":
        found = read(f"{name}.npz")
        save(f"{name}_test", found.scores, np.full(len(found.ids), -1))
    words = ["a_test.npz", "b_test.npz"]
    with pytest.raises(UsageError, match="labels .* not all known"):
        run(*words)
    run(*words, rules=["geometric"], out=tmp_path / "test.npz")
    assert (read("test.npz").labels == -1).all()
    with pytest.raises(UsageError, match="fitted to labels, and not all"):
        run(*words, rules=["weighted_nll"], out=tmp_path / "more.npz")


def test_the_blacklist_is_left_out_of_the_validation_set_only():
    ids = np.array([f"ILSVRC2012_val_{i:08d}.JPEG" for i in range(1, 50_001)])
    predictions = Predictions(ids=ids, labels=ids, classes=ids, scores=ids, record={})
    kept = without_blacklist(predictions)
    assert kept.sum() == 48_238
    numbers = set((np.flatnonzero(~kept) + 1).tolist())
    assert numbers == imagenet.blacklist()
    in_folders = np.char.add("val/n01440764/", ids)
    assert (without_blacklist(dataclasses.replace(predictions, ids=in_folders)) == kept).all()
    for other in (ids[:-1], np.char.replace(ids, "val", "test")):
        assert without_blacklist(dataclasses.replace(predictions, ids=other)) is None


@pytest.fixture
def challenge(tmp_path, monkeypatch):
    """The folder of records, beside a toy paper."""
    paper = toy.make(tmp_path, monkeypatch)
    folder = paper.parent / "ilsvrc2016"
    folder.mkdir()
    folders = {"toy": paper, "ilsvrc2016": folder}
    monkeypatch.setattr("reproductions.folder", folders.get)
    return folder


def test_recorded_counts_stand_in_results_md(files, challenge, monkeypatch, capsys):
    words = ["ensemble", "/data/x/a.npz", "b.npz", "--record"]
    monkeypatch.setattr("sys.argv", ["launch", *words])
    rules = ["simple", "accuracy_weighted"]
    run("a.npz", "b.npz", rules=rules, record=True)
    said = capsys.readouterr().out
    rows = tomllib.loads((challenge / "reproduced.toml").read_text())["fusion"]
    assert [row["rule"] for row in rows].count("alone") == 2
    (simple,) = [row for row in rows if row["rule"] == "simple"]
    assert str(simple["wrong1"]) == cells(said, "simple", "untuned")[0]
    assert simple["n"] == 240 and simple["members"] == ["a", "b"]
    assert simple["weights"] == ["hash a", "hash b"]
    assert simple["predictions"][0] == read("a.npz").record["sha256"][:16]
    assert "/data" not in simple["command"]
    text = fusion_records.section()
    count, error = simple["wrong1"], percent(simple["wrong1"], 240)
    assert f"| simple | untuned | {count} | {error} |" in text
    assert "| accuracy_weighted | out of 5 folds |" in text
    assert "toys, test, 240 images: a, b" in text
    assert "| toys, test: a, b | 240 | " in text
    assert f" | simple: {error} | " in text
    assert text in "".join(texts(read_papers()).values())
    run("a.npz", "b.npz", rules=rules, record=True)  # the same measurement
    again = tomllib.loads((challenge / "reproduced.toml").read_text())["fusion"]
    assert len(again) == len(rows)


OTHERS = """  {variant = "toy", views = "ten_crop", top1_error = 0.6, source = "publisher, README"},
  {variant = "toy", views = "ten_crop", top1_error = 0.5, source = "somebody else"},
"""


def test_published_weights_stand_beside_the_number_of_their_view_and_publisher_alone(
    tmp_path, challenge, monkeypatch, capsys
):
    """Whatever their file is called; never weights that a training here made, or changed ones."""
    head, end, rest = toy.EXPECTED.partition("]\n[[claim]]")
    (challenge.parent / "toy/expected.toml").write_text(head + OTHERS + end + rest)
    monkeypatch.chdir(tmp_path)
    scores, labels = simulated(1, per_class=20)
    facts = {"data": "mnist", "variant": "toy", "view": "ten_crop"}
    save("published", scores[0], labels, **facts, layout="publisher", changes="")
    save("toy", scores[1], labels, **facts, layout="recipe")
    save("toy_small", scores[2], labels, **facts | {"view": "dense"}, layout="publisher")
    changed = {"layout": "publisher", "changes": "image_size 64"}
    save("larger", np.tile(scores[1], (2, 1)), np.tile(labels, 2), **facts, **changed)
    save("again", np.tile(scores[2], (2, 1)), np.tile(labels, 2), **facts, layout="recipe")
    run("published.npz", "toy.npz", "toy_small.npz", rules=["simple"], record=True)
    run("larger.npz", "again.npz", rules=["simple"], record=True)
    assert ": larger (image_size 64), again |" in fusion_records.section()
    page = "".join(texts(read_papers()).values())
    table = page.partition("## Published weights, tested again")[2].partition("## Every")[0]
    [line] = [line for line in table.splitlines() if line.startswith("| [toy")]
    error = 100 * wrong(scores[0], labels, 1).mean()
    assert f"| mnist, test | ten_crop | {error:.2f} % | 0.6 % |" in line


@pytest.mark.parametrize(
    ("layout", "views", "source", "stands"),
    [
        ("torchvision", "centre_crop", "torchvision, IMAGENET1K_V1", True),
        ("torchvision", "centre_crop", "Table 3", False),
        ("torchvision_232", "centre_crop", "torchvision, IMAGENET1K_V1", False),
        ("torchvision_232", "centre_crop_224_of_232", "torchvision, IMAGENET1K_V2", True),
    ],
)
def test_torchvisions_two_sets_of_weights_stand_beside_their_own_numbers(
    layout, views, source, stands
):
    where = {"variant": "resnet50_v1_5", "data": "imagenet2012", "split": "validation"}
    claim = Result(**where, views=views, source=source)
    record = where | {"view": "centre_crop", "layout": layout, "changes": ""}
    wrong = missed(np.eye(6)[[0, 1]], np.array([0, 0]))
    row = fusion_records.row({"a": record}, "alone", "", wrong, seed=0, command="")
    assert fusion_records.find_published(claim, [row]) == (row if stands else None)


def test_no_fusion_stands_there_before_one_was_measured(challenge):
    assert fusion_records.section() == ""
    assert not any("Fusion" in text for text in texts(read_papers()).values())


def test_pages_have_the_rules_in_the_order_of_the_rules():
    assert fusion_records.ORDER == ("alone", *(rule.name for rule in fusion.RULES))


def test_pages_have_the_members_of_the_specs(tmp_path, monkeypatch):
    (tmp_path / "fileless.toml").write_text('[[member]]\nfile = "a/b.npz"\n[[member]]\nname = "c"')
    assert set(leaderboard.read()["spec"].values()) == set(spec.teams())
    for folder in (reproductions.folder("ilsvrc2016"), tmp_path):
        monkeypatch.setattr(reproductions, "folder", lambda paper, folder=folder: folder)
        for team in spec.teams():
            members = spec.spec_of([team], []).members
            here, others = ([m.name for m in members if bool(m.file) == known] for known in (1, 0))
            assert leaderboard.name_members(team) == (here, others), team


def test_what_is_recorded_for_real_was_written_by_the_program():
    file = reproductions.folder("ilsvrc2016") / "reproduced.toml"
    for row in fusion_records.file().read() if file.exists() else []:
        assert set(row["rule"].split()) <= {r.name for r in fusion.RULES} | {"alone"}
        assert 0 <= row.get("wrong5", 0) <= row["wrong1"] <= row["n"]
        assert row["how"] in ("", "untuned", f"out of {fusion.FOLDS} folds")


def test_it_loads_no_tensorflow(files, tmp_path):
    # `launch` fails if TensorFlow or Keras was loaded.
    words = ("--rules", "simple,weighted_nll")
    code, said, _ = launch("ensemble", *files, *words, cwd=tmp_path)
    assert code == 0 and cells(said, "weighted_nll", "out of 5 folds")
