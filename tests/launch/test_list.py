import dataclasses

import reproductions
from launch.report import report
from tests.launch import toy
from tests.launch.flags import launch

paper = toy.paper


def lines(capsys):
    assert launch("list") == 0
    return capsys.readouterr().out.splitlines()


def test_a_line_for_each_variant_with_size_data_and_cost(paper, capsys):
    head, first, second = lines(capsys)
    assert head.split()[:3] == ["paper", "variant", "parameters"]
    # 3 x 2,000 MACs x 60,000 images x 20 epochs
    expected = ["toy", "toy", "1,000", "2,000", "mnist", "7.2e9", "MAC"]
    assert first.split() == [*expected, "not", "run"]
    assert second.split()[1] == "toy_small"
    right = head.index("parameters") + len("parameters")
    assert first[:right].endswith(" 1,000") and second[:right].endswith("   500")


def test_the_measured_error_stands_beside_the_papers(paper, tmp_path, capsys):
    run = toy.write_run(tmp_path / "a", error=0.93)
    report.run([run], tmp_path / "results.md")
    capsys.readouterr()
    _, first, second = lines(capsys)
    assert first.endswith("0.93 % (paper 0.95 %)")
    assert second.endswith("not run")


def test_a_changed_run_is_not_passed_off_as_the_papers(paper, tmp_path, capsys):
    run = toy.write_run(tmp_path / "a", settings=["epochs=8"])
    report.run([run], tmp_path / "results.md")
    capsys.readouterr()
    assert lines(capsys)[1].endswith("with deviations only")


def test_a_recipe_on_data_that_is_not_here_is_listed(paper, tmp_path, monkeypatch, capsys):
    recipe = dataclasses.replace(toy.RECIPE, data=f"folder:{tmp_path}/nowhere")
    found = reproductions.Paper(RECIPES={"toy": recipe}, VIEWS={})
    monkeypatch.setattr("reproductions.load", lambda _: found)
    assert lines(capsys)[1].split()[-3:] == ["unknown", "not", "run"]
    report.run([], tmp_path / "results.md")
    assert "unknown in all" in (paper / "results.md").read_text()
