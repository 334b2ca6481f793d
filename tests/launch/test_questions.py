"""Questions to recorded runs: which runs count, and what is said of them."""

import dataclasses
import math

import pytest

import reproductions
from common.errors import RunError
from common.recipes.losses import SmoothedCrossEntropy, SoftmaxCrossEntropy, WithAuxiliary
from common.recipes.serialization import spell
from launch import commands
from launch.report import baseline_records, curves, records
from launch.report.experiments import name_settings
from launch.report.figures import depth
from launch.report.html import tables
from launch.report.measurements import changes_of
from launch.report.papers import Paper, read_papers
from launch.report.questions import question_spec, questions
from launch.report.questions.question_runs import compare_errors, find_lines
from launch.report.questions.question_spec import Question, Wanted
from launch.report.questions.questions import describe_loss, judge, make_rows
from launch.settings.flags import parse
from launch.settings.options import read_experiment
from tests.launch import toy

TOY = Wanted(variant="toy", flags="--set epochs=2", seeds=(0, 1))
SMALL = Wanted(variant="toy_small", what="smaller", against="toy", claim="higher")
QUESTION = Question(
    name="size",
    title="Does size help?",
    kind="differences",
    text="Toys 1998.",
    data="mnist",
    split="test",
    views="single",
    flags="--precision float32",
    run=(TOY, SMALL),
)


@pytest.fixture
def record(tmp_path, monkeypatch):
    """Records runs given as write_run's arguments; the toy paper."""
    folder = toy.make(tmp_path, monkeypatch)
    monkeypatch.setattr(baseline_records, "of", lambda row: None)

    def run(*runs):
        for number, one in enumerate(runs):
            about = {"history": toy.history(4)} | one
            run = toy.write_run(tmp_path / f"run{number}", **about)
            records.add([run])
            curves.add([run])
        return {"toy": Paper("toy")}

    run.folder = folder
    return run


def only(question, **changed):
    return dataclasses.replace(question, **changed)


def cells(question, papers):
    """Each row as {heading: cell}."""
    return make_rows(question, papers, name_settings(papers))


EPOCHS = {"settings": ["epochs=2"]}
BASELINE = {"wrong": 61, "num_images": 100, "top1_error": 61.0}
LATE = {"finished": "2026-02-01T00:00:00+00:00"}
BFLOAT = {"precision": "mixed_bfloat16"}


@pytest.mark.parametrize(
    ("must", "must_not", "error"),
    [
        (("epochs 2",), (), 2.0),
        (("epochs",), (), 3.0),  # of several the longest
        ((), ("epochs",), 1.0),
        (("precision mixed_bfloat16",), (), 4.0),
        ((), ("epochs", "precision"), 1.0),
        (("epochs 3",), (), None),  # not those of 30 epochs
        (("epochs 2", "precision"), (), None),
    ],
)
def test_runs_are_chosen_by_what_was_changed(record, must, must_not, error):
    papers = record(
        {"error": 1.0},
        {"error": 2.0, **EPOCHS, **LATE},
        {"error": 3.0, "settings": ["epochs=30"]},
        {"error": 4.0, **BFLOAT},
    )
    asked = only(QUESTION, must_contain=must, must_not_contain=must_not)
    found = find_lines(asked, papers)[0].measured
    assert (found and found.mean("top1_error")) == error


@pytest.mark.parametrize(
    "other", [{"data": "cifar10"}, {"split": "validation"}, {"views": "dense"}]
)
def test_another_protocol_is_another_question(record, other):
    papers = record({"error": 1.0})
    assert find_lines(only(QUESTION, **other), papers)[0].measured is None


def test_of_runs_as_long_the_latest_counts(record):
    papers = record({"error": 1.0, **LATE}, {"error": 2.0, "settings": ["image_size=28"]})
    assert find_lines(QUESTION, papers)[0].tests() == {0: (100.0, 10_000)}


def test_a_later_run_of_one_seed_does_not_replace_all_seeds(record):
    later = {"error": 9.0, "settings": ["train_images=600"], **LATE}
    papers = record({"error": 1.0}, {"error": 2.0, "seed": 1}, later)
    assert list(find_lines(QUESTION, papers)[0].tests()) == [0, 1]


def test_what_is_missing_is_said_with_its_command(record):
    first, second = cells(QUESTION, record())
    command = "python -m launch toy --precision float32 --set epochs=2"
    assert first["Error"] == (f"no finished run yet: `{command}`, `--seed 1`")
    assert second["Network"] == "toy_small: smaller"
    assert "`python -m launch toy_small --precision float32`" in second["Error"]
    (half, _) = cells(QUESTION, record({"error": 1.0}))
    assert half["Seeds"] == f"1; not yet: `{command} --seed 1`"


def test_other_papers_questions_are_left_out(record):
    papers = record()
    assert "## " not in questions.page(papers, {})
    assert not make_rows(question_spec.read()[0], papers, {})
    assert "learn" not in "".join(tables.make_parts(papers))
    assert depth.show(papers) == []


def test_the_page_of_all_results_has_the_table_too(record, monkeypatch):
    papers = record({"error": 1.0})
    monkeypatch.setattr(question_spec, "read", lambda: (QUESTION,))
    text = tables.make_parts(papers)[0]
    assert '<h2 id="size">Does size help?</h2>' in text
    assert "0.95 % (Table 1)" in text and "launch toy_<wbr>" not in text
    assert "python -m launch toy_small" in text and "`" not in text


def seeds(variant, *errors):
    return [{"variant": variant, "seed": seed, "error": error} for seed, error in enumerate(errors)]


THREE = seeds("toy", 1.0, 1.2, 1.1)
ONE = seeds("toy", 1.0)
GUESSED = "no verdict: toy_small learned nothing, only guesses"


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        # Seeds are compared in pairs ...
        (THREE + seeds("toy_small", 2.0, 2.1, 2.2), "3 seeds, paired): as the paper says"),
        (THREE + seeds("toy_small", 0.2, 0.1, 0.3), "3 seeds, paired): the other way"),
        (THREE + seeds("toy_small", 0.2, 1.1, 2.3), "3 seeds, paired): undecided"),
        # ... and single runs, whatever their seeds, by their images.
        *(
            ([*seeds("toy", one), {"variant": "toy_small", "seed": 5, "error": other}],
             f"1 run each of 10,000 images): {said}")
            for one, other, said in
            ((1.0, 2.0, "as the paper says"), (2.0, 1.0, "the other way"), (1.0, 1.1, "undecided"))
        ),
        # A network that guesses, among ten classes, shows nothing of its parts.
        (ONE + seeds("toy_small", 90.0), GUESSED),
        (ONE + seeds("toy_small", 90.5), GUESSED),
        (ONE + seeds("toy_small", 89.0), "1 run each of 10,000 images): as the paper says"),
    ],
)  # fmt: skip
def test_a_difference_is_judged_by_what_chance_leaves_open(record, runs, said):
    _, small = cells(QUESTION, record(*runs))
    assert small["Difference"].endswith(said) and "toy (" not in small["Difference"]


def test_a_difference_of_seeds_is_their_mean():
    one = {0: (30.0, 1000), 1: (50.0, 1000), 7: (900.0, 1000)}
    other = {0: (20.0, 1000), 1: (20.0, 1000), 9: (0.0, 1000)}
    found = compare_errors(one, other)
    assert found.mean == pytest.approx(2.0)
    # 1 and 3 points: 2 +- 12.706 * 1.
    assert (found.low, found.high) == pytest.approx((-10.706, 14.706), abs=1e-3)


def test_without_a_claim_the_direction_is_said():
    found = compare_errors({0: (20.0, 1000)}, {0: (200.0, 1000)})
    assert found.verdict("") == "lower"
    assert found.text().startswith("-18.00 points (-2")


def test_runs_that_were_changed_differently_are_not_compared(record):
    papers = record({"error": 1.0, **EPOCHS}, {"variant": "toy_small", "error": 2.0})
    _, small = cells(QUESTION, papers)
    assert small["Difference"].startswith("not compared")


def test_training_errors_are_of_the_last_epochs_images(record):
    # 6,000 steps of 10 an epoch; the fourth has 2,000 of them.
    *epochs, last = toy.history(4)
    short = {"settings": ["updates=20_000"], "history": [*epochs, last | {"step": 20_000}]}
    papers = record(short, {"variant": "toy_small", **short})
    (line, _) = find_lines(QUESTION, papers)
    assert line.trainings() == {0: (pytest.approx(200.0), 20_000)}
    old = {0: dataclasses.replace(line.curves[0], images=0)}  # not known
    assert not dataclasses.replace(line, curves=old).trainings()
    toys, small = cells(only(QUESTION, training=True), papers)
    assert toys["Error"].startswith("training: 1.00 %; test: 0.93 % (1 run")
    assert small["Difference"].startswith("minus toy: training: +0.00 points (-0.2")
    assert "20,000 images): undecided; test: +0.00" in small["Difference"]


def test_the_papers_number_stands_beside_an_unchanged_run_only(record):
    papers = record(*seeds("toy", 1.0), {"error": 2.0, **EPOCHS})
    changed = only(QUESTION, must_contain=("epochs",))
    assert cells(changed, papers)[0]["In the paper"] == "no claim"
    unchanged = only(QUESTION, must_not_contain=("epochs",))
    assert cells(unchanged, papers)[0]["In the paper"] == "0.95 % (Table 1)"


def test_the_papers_difference_is_of_one_protocol(record):
    wanted = dataclasses.replace(SMALL, size=("toy_small", "toy"), source="Table 3")
    papers = record()
    (line,) = find_lines(only(QUESTION, run=(wanted,)), papers)
    assert line.printed_size() == pytest.approx(1.7 - 0.95)
    (row,) = cells(only(QUESTION, run=(wanted,)), papers)
    assert row["In the paper"] == "higher by 0.75 points than toy (Table 3)"


@pytest.mark.parametrize(
    ("loss", "error", "baseline", "epochs", "said"),
    [
        (1.0, 45.0, 60.0, 10, "working"),
        (1.15, 45.0, 60.0, 10, "fails: training loss 1.15, not below 1.15"),
        (math.nan, 45.0, 60.0, 10, "fails: training loss nan, not below 1.15"),
        (1.0, 50.0, 60.0, 10, "fails: error 10.0 points below the baseline's, not 15"),
        (1.0, 70.0, 60.0, 10, "fails: error 10.0 points above the baseline's, not 15"),
        (2.0, 70.0, 60.0, 10, "fails: training loss 2.00, not below 1.15; error 10.0"),
        (None, 45.0, 60.0, 10, "undecided"),
        (None, 70.0, 60.0, 10, "fails: error"),
        # A short run that fails is no failure.
        (2.0, 70.0, 60.0, 9, "too short to say: training loss 2.00"),
        (1.0, 45.0, 60.0, 9, "working"),
        # Without a baseline nothing works.
        (1.0, 1.0, None, 10, "undecided"),
        (2.0, 1.0, None, 10, "fails: training loss"),
    ],
)
def test_a_network_works_by_its_loss_and_by_its_error(loss, error, baseline, epochs, said):
    assert judge(loss, 1.15, error, baseline, epochs).startswith(said)


def test_the_table_has_loss_error_and_baseline(record, monkeypatch):
    papers = record({"error": 45.0, **EPOCHS})
    asked = only(QUESTION, kind="working")
    row, missing = cells(asked, papers)
    assert (row["Epochs"], row["Setting"], missing["Verdict"]) == ("4", "mnist-2ep", "not run")
    assert row["Training loss at the end"] == "0.25 (no cross-entropy)"
    assert row["Error"] == "45.00 % (44.03 to 45.98)"
    assert "baseline mnist --record" in row["Baseline"]
    assert row["Verdict"].startswith("undecided")
    monkeypatch.setattr(baseline_records, "of", lambda row: BASELINE)
    row, _ = cells(asked, papers)
    assert row["Baseline"].startswith("61.00 % (") and row["Verdict"] == "working"


def test_of_two_training_losses_the_comparable_one_is_judged(record, monkeypatch):
    # 2.4 of three heads is too much, the main head's 1.1 is not.
    three = WithAuxiliary(main=SoftmaxCrossEntropy(), weight=0.3, heads=2)
    recipe = dataclasses.replace(toy.RECIPE, loss=three)
    monkeypatch.setitem(toy.RECIPES, "toy", recipe)
    monkeypatch.setattr(baseline_records, "of", lambda row: BASELINE)
    last = toy.history(4)[-1] | {"loss": 2.4}
    asked = only(QUESTION, kind="working")
    about = " (with 0.3 of that of 2 auxiliary heads: 0.00 at best, 3.68 by "
    about += "guessing)"
    row, _ = cells(asked, record({"history": [last], "error": 45.0}))
    assert row["Training loss at the end"] == f"2.40{about}"
    assert "training loss 2.40, not below" in row["Verdict"]
    last["cross_entropy"] = 1.1
    row, _ = cells(asked, record({"history": [last], "error": 45.0}))
    said = f"1.10; as it is minimised 2.40{about}"
    assert row["Training loss at the end"] == said
    assert row["Verdict"] == "working"


def test_every_seed_is_judged(record):
    papers = record(*seeds("toy", 1.0, 2.0))
    rows = cells(only(QUESTION, kind="working"), papers)
    names = [row["Network"] for row in rows]
    assert names == ["toy, seed 0", "toy, seed 1", "toy_small: smaller"]


def test_a_loss_says_what_it_holds_besides_cross_entropy():
    plain, smooth = SoftmaxCrossEntropy(), SmoothedCrossEntropy(smoothing=0.1)
    assert describe_loss(plain, 10) == "" == describe_loss(SmoothedCrossEntropy(smoothing=0), 10)
    # 0.91 for the label, 0.01 for each of the nine others.
    least = -0.91 * math.log(0.91) - 9 * 0.01 * math.log(0.01)
    assert describe_loss(smooth, 10) == (
        f" (labels smoothed by 0.1: {least:.2f} at best, {math.log(10):.2f} by guessing)"
    )
    assert describe_loss(WithAuxiliary(main=smooth, weight=0.4, heads=1), 10) == (
        f" (labels smoothed by 0.1, with 0.4 of that of 1 auxiliary head: "
        f"{1.4 * least:.2f} at best, {1.4 * math.log(10):.2f} by guessing)"
    )
    two = WithAuxiliary(main=plain, weight=0.3, heads=2)
    assert f"{two.guessing(10):.2f} by guessing" in describe_loss(two, 10)
    assert describe_loss(None, 10) is None
    assert describe_loss(WithAuxiliary(main=None, weight=0.4, heads=1), 10) is None


FILE = """
[[question]]
name = "size"
title = "Does size help?"
kind = "differences"
text = ""
data = "mnist"
split = "test"
views = "single"
flags = ""
[[question.run]]
variant = "toy"
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not toml", "cannot be read"),
        ("", r"has no \[\[question\]\]"),
        (FILE.replace('title = "Does size help?"\n', ""), "question 1: .*missing .*'title'"),
        (FILE + 'agianst = "toy"\n', "question 1, run: .*'agianst'"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path, text, said):
    file = tmp_path / "questions.toml"
    file.write_text(text)
    with pytest.raises(RunError, match=said):
        question_spec.read(file)


WANTED = {
    f"{question.name}-{wanted.variant}": (question, wanted)
    for question in question_spec.read()
    for wanted in question.run
}


@pytest.mark.parametrize(("question", "wanted"), list(WANTED.values()), ids=list(WANTED))
def test_the_command_of_each_line_makes_a_run_that_it_takes(question, wanted):
    words, declared = question.command(wanted, 0).split(), commands.load(commands.TRAIN).FLAGS
    assert words[:4] == ["python", "-m", "launch", wanted.variant]
    _, flags = parse(wanted.variant, declared, words[4:])
    assert {flag for flag in declared if flags[flag].present} <= {"data", "precision", "set"}
    paper, variant = reproductions.find(wanted.variant)
    own = reproductions.load(paper).RECIPES[variant]
    asked = {"data_dir": flags.data_dir, "data": flags.data, "changes": flags.set}
    recipe = read_experiment(paper, variant, own, **asked).recipe
    row = {
        "deviations": [f"{one.field} {spell(one.new)}" for one in recipe.overrides],
        "precision": flags.precision,
        "recipe": records.recipe_hash(recipe),
    }
    assert question.takes(changes_of(row, own)) and recipe.data == question.data
    assert question.views in recipe.views
    assert recipe.monitor == question.views  # whose errors the curves have


def test_the_questions_of_results_md_name_what_the_papers_say():
    papers = read_papers()
    text = questions.page(papers, name_settings(papers))
    for question in question_spec.read():
        assert f"## {question.title}" in text and question.kind in ("working", "differences")
        found = find_lines(question, papers)
        assert len(found) == len(question.run)
        variants = [line.wanted.variant for line in found]
        for line in found:
            assert line.wanted.claim in ("", "higher", "lower")
            assert line.wanted.against in (None, *variants)
            if line.wanted.size:
                higher = line.printed_size() > 0
                assert line.wanted.claim == ("higher" if higher else "lower")
            if line.wanted.claim:
                assert line.wanted.source and line.wanted.against


def test_the_degradation_is_drawn_once_all_four_runs_are_there(monkeypatch):
    papers = {"resnet_cifar": Paper("resnet_cifar")}
    found, shown = find_lines(depth.find_question(), papers), depth.show(papers)
    every = [line.wanted.variant for line in found]
    assert [[run["variant"] for run in panel] for panel in shown] == [every[:2], every[2:]]
    left, right = depth.draw(shown).axes
    assert len(left.get_lines()) == len(right.get_lines()) == 4
    assert [line.is_dashed() for line in left.get_lines()] == [True, False, True, False]
    changed = dataclasses.replace(found[3].measured, changes=("another",))
    for other in ({"curves": {}}, {"measured": None, "curves": {}}, {"measured": changed}):
        lines = [*found[:3], dataclasses.replace(found[3], **other)]
        monkeypatch.setattr(depth, "find_lines", lambda *_, lines=lines: lines)
        assert depth.show(papers) == []
