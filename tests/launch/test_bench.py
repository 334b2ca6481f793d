import dataclasses
import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common.data import examples
from common.errors import RunError, UsageError
from launch.bench import bench_input, bench_start
from launch.bench.rows import Request, Row, list_rows
from launch.commands import bench
from tests.common.data_fixtures import noise_image, write_image


@pytest.fixture
def photographs(tmp_path):
    """Six JPEG files, as a training and a validation set."""
    for i in range(6):
        image = noise_image(280 + 9 * i, 300 - 9 * i, seed=i)
        for split in ("train", "validation"):
            write_image(tmp_path / split / "ab"[i % 2] / f"{i}.jpg", image)
    return f"folder:{tmp_path}"


def asked(data, *names, rounds=2, images=32):
    return Request(
        names=names, data=data, data_dir=pathlib.Path("nowhere"), rounds=rounds, images=images
    )


def test_input_stands_beside_its_limits_in_table_and_file(
    photographs, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(bench_input, "BATCH", 8)
    file = tmp_path / "bench.json"
    request = asked(photographs, "resnet34", rounds=1, images=8)
    assert bench.measure(("input",), request, file) == 0
    shown = capsys.readouterr().out
    assert "resnet34 input" in shown and "6 images of" in shown
    written = json.loads(file.read_text())
    assert written["machine"]["cores"] >= 1 and written["machine"]["processor"]
    assert {"load", "processor", "cores"} == written["machine"].keys()
    assert {"measured", "command", "commit", "versions"} < written.keys()
    rows = {row["what"]: row for row in written["input"]}
    own, crop = rows["resnet34 input"], rows[bench_input.CROP]
    assert own["limit"] == bench_input.CROP and crop["limit"] == ""
    assert rows[bench_input.KERAS]["limit"] == "resnet34 input"
    for row in rows.values():
        assert 1e-5 < row["cpu_seconds_per_image"] < 1
        assert f"{1e3 * row['cpu_seconds_per_image']:.3f}" in shown
    assert own["ratio"] > 0.5


def test_input_and_start_are_of_what_was_asked_for(photographs, monkeypatch):
    request = dataclasses.replace(
        asked(photographs, "resnet34"), changes=("image_size=64",), gpus=2, platform="cpu"
    )
    seen = []
    monkeypatch.setattr(bench_input, "encode", lambda recipe, _: seen.append(recipe.image_size))
    with pytest.raises(AttributeError):  # there is no source
        bench_input.run(request)
    assert seen == [64]
    *_, train = bench_start.list_commands(request, "folder").values()
    assert train[-5:] == ["--platform", "cpu", "--set=image_size=64", "--gpus", "2"]


def test_bare_loop_decodes_the_windows_that_the_suite_drew(photographs, monkeypatch):
    """Those that `realize` asks for, without its margin of two pixels."""
    recipe = reproductions.load("googlenet").RECIPES["googlenet"]
    source = bench_input.encode(recipe, asked(photographs))
    boxes = np.array(list(bench_input.draw_windows(recipe, source)))
    assert boxes.shape == (32, 4)
    cut = []
    decode = tf.io.decode_and_crop_jpeg

    def decoded(file, box, **options):
        cut.append(box.numpy())
        return decode(file, box, **options)

    known = bench_input.compute(source, recipe)
    shuffled = source.shuffled("train", seed=0, epoch=0, skip=0)
    make = examples.make_example(source, recipe, known, seed=0, epoch=0, for_device=False)
    monkeypatch.setattr(tf.io, "decode_and_crop_jpeg", decoded)
    for position, record in shuffled.elements.take(8):
        make(position, record)
    cut, boxes = np.array(cut), boxes[:8]
    assert cut.shape == boxes.shape
    assert (0 <= boxes[:, :2] - cut[:, :2]).all()
    assert (abs(boxes - cut)[:, :2] <= 2).all()
    assert (abs(boxes - cut)[:, 2:] <= 4).all()


def test_ratio_is_the_median_over_rounds():
    turns = {"alexnet input": [(2, 1), (9, 1), (80, 1)]}
    turns[bench_input.CROP] = [(1, 1), (3, 1), (2, 1)]
    rows = list_rows(turns, {"alexnet input": bench_input.CROP}, images=10, note="six")
    assert [row.ratio for row in rows] == [3, None] and rows[0].limit == bench_input.CROP
    assert rows[0].cpu_seconds_per_image == 0.9


def test_what_cannot_be_measured_is_refused_at_once(tmp_path):
    for split in ("train", "test"):
        write_image(tmp_path / split / "a" / "0.png", noise_image(40, 40))
    with pytest.raises(UsageError, match="JPEG"):
        bench_input.run(asked(f"folder:{tmp_path}", "alexnet"))
    assert bench.read_parts([]) == (bench.PARTS, [])
    assert bench.read_parts(["input", "alexnet", "vgg16"]) == (("input",), ["alexnet", "vgg16"])


def test_starts_are_compared_with_the_import_of_tensorflow(monkeypatch):
    programs = {
        bench_start.IMPORT: ["-c", "sum(range(2_000_000))"],
        bench_start.FIRST: ["-c", "sum(range(8_000_000))"],
    }
    monkeypatch.setattr(bench_start, "list_commands", lambda *_: programs)
    imported, first = bench_start.run(asked(None))
    assert isinstance(first, Row) and first.limit == bench_start.IMPORT
    assert imported.ratio is None and 1 < first.ratio < 8
    assert first.value > imported.value > 0
    with pytest.raises(RunError, match="list ended with exit code 3.*out of luck"):
        words = ["-c", "import sys; print('out of luck', file=sys.stderr); sys.exit(3)"]
        bench_start.run_python("list", words)


@pytest.mark.full
def test_first_step_is_measured(tmp_path):
    request = asked("sample")
    words = bench_start.list_commands(request, str(tmp_path))
    cpu, _ = bench_start.run_python("first", list(words.values())[-1])
    assert cpu > 1 and (tmp_path / "run" / "run.json").exists()
