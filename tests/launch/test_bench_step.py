"""The table of `bench step`, and that its processes time what they say."""

import dataclasses
import pathlib
import types

import keras
import pytest
import tensorflow as tf

import reproductions
from common.errors import UsageError
from launch.bench import bench_step, step_child
from launch.bench.bench_step import Way, list_ways, rows_of
from launch.bench.rows import Request

LOOP = Way(kind="loop", batch=4)
BARE, XLA = (Way(kind="bare", jit_compile=j, batch=4) for j in (False, True))
RUN = Way(kind="run", batch=4)
FIT = Way(kind="fit", batch=4)
PRODUCT = Way(kind="product")


def process(*turns, failure="", **facts):
    return types.SimpleNamespace(turns=turns, failure=failure, facts=facts)


@pytest.fixture
def rows():
    loop = {"save_cpu": 3.0, "bytes": 3 * 2**20, "predicted": 2 * 2**20}
    found = {
        # By image: CPU seconds, seconds. The second round was a slow one.
        LOOP: process((1.1, 0.6), (9.9, 5.0), (1.1, 0.6), **loop),
        BARE: process((1.0, 0.5), (9.0, 5.0), (1.0, 0.5), flop=100, first=7.2),
        XLA: process(failure="no gradient"),
        RUN: process((1.2, 0.6), (9.9, 5.0), (1.2, 0.6), data="digits"),
        FIT: process((2.0, 1.0), (9.0, 5.0), (2.0, 1.0)),
        PRODUCT: process((0.5, 0.5), (5.0, 5.0), (0.5, 0.5), flop=100, device="A"),
    }
    return {row.what: row for row in rows_of("net", found)}


def test_each_row_stands_beside_its_limit(rows):
    bare = "net bare step, batch 4"
    found = {what: (row.ratio, row.limit, row.note) for what, row in rows.items()}
    assert found[bare] == (
        0.5,
        "net keras fit, batch 4",
        "0.00 TFLOP/s, 50% of its rate; the first took 7 s",
    )
    assert found["net keras fit, batch 4"] == (None, "", "")
    # The median over the rounds; 3 CPU s in 300 s of a loop that uses 1.1 CPU s in 0.6 s.
    loop = 1.1 * (1 + (3.0 / 300) / (1.1 / 0.6))
    note = "of this 0.5% for checkpoints"
    assert found["net loop, batch 4"] == (pytest.approx(loop), bare, note)
    assert rows["net loop, batch 4"].cpu_seconds_per_image == pytest.approx(loop)
    assert found["net run with its input, batch 4"] == (pytest.approx(1.2), bare, "on digits")
    assert rows["matrix product"].value == pytest.approx(100 / 0.5 / 1e9)
    assert found["net bare step, XLA, batch 4"] == (None, "", "impossible: no gradient")
    assert rows["net bare step, XLA, batch 4"].cpu_seconds_per_image is None
    assert (rows["net memory"].value, rows["net memory"].ratio) == (3, 1.5)


def test_on_a_gpu_the_clock_counts_and_each_arithmetic_has_its_limit():
    recipe = reproductions.load("alexnet").RECIPES["alexnet"]
    ways = list_ways(recipe, gpus=1)
    assert {w.platform for w in ways} == {"gpu"} and ways[0].jit_compile
    assert {w.batch for w in ways if w.kind != "product"} == {128}
    facts = {"save_cpu": 0.0, "bytes": 2**20, "predicted": 2**20}
    facts |= {"flop": 100, "first": 7.2, "data": "sample", "device": "B"}
    times = {"bare": 1.0, "loop": 1.05, "run": 1.1, "fit": 2.0, "product": 0.5}
    found = {way: process(*[(9.0, times[way.kind])] * 3, **facts) for way in ways}
    named = {row.what: row for row in rows_of("net", found)}
    for precision in ("", "tensorfloat32, ", "mixed_bfloat16, "):
        loop = named[f"net loop, {precision}XLA, batch 128"]
        assert loop.limit == f"net bare step, {precision}XLA, batch 128"
        assert loop.ratio == pytest.approx(1.05)
    bare = named["net bare step, tensorfloat32, XLA, batch 128"]
    assert bare.note.endswith("50% of its rate; the first took 7 s; 1 MiB at most")


def test_on_a_gpu_few_networks_share_its_memory_and_a_precision_stays_together():
    recipe = reproductions.load("resnet").RECIPES["resnet50"]
    ways = list_ways(recipe, gpus=1)
    groups = bench_step.split_by_memory(ways)
    assert sorted(map(str, ways)) == sorted(str(way) for group in groups for way in group)
    for group in groups:
        assert sum(way.kind != "product" for way in group) <= bench_step.TOGETHER
    of = {way: number for number, group in enumerate(groups) for way in group}
    assert len({(way.precision, number) for way, number in of.items()}) == 3
    # No more are made than there must be, and a CPU's take their turns together.
    assert len(groups) == 3 and groups[0][0] == ways[0]
    of_cpu = list_ways(recipe)
    assert bench_step.split_by_memory(of_cpu) == [of_cpu]


def test_of_chosen_precisions_loop_and_bare_step_are_measured():
    recipe = reproductions.load("resnet").RECIPES["resnet50"]
    asked = ("mixed_bfloat16", "tensorfloat32")
    [ways] = bench_step.list_sets(recipe, 1, asked)
    found = [(way.kind, way.precision) for way in ways]
    assert found == [(kind, p) for p in asked for kind in ("loop", "bare", "product")]
    assert all(way.platform == "gpu" for way in ways)
    assert all(way.jit_compile for way in ways if way.kind != "product")
    assert bench_step.split_by_memory(ways) == [ways]  # compiled at the same time
    facts = {"save_cpu": 0.0, "bytes": 2**20, "predicted": 2**20}
    facts |= {"flop": 1, "first": 7.2, "device": "B"}
    rows = rows_of("net", {way: process((1.0, 1.0), **facts) for way in ways})
    for loop, bare in ((rows[0], rows[1]), (rows[3], rows[4])):
        assert loop.limit == bare.what and bare.limit == ""


def test_a_network_that_does_not_fit_is_one_line_of_the_table():
    failed = process(failure="out of memory")
    found = {LOOP: failed, BARE: process((1.0, 1.0), flop=100, first=7.2), PRODUCT: failed}
    loop, bare, product = rows_of("net", found)
    assert loop.note == product.note == "impossible: out of memory"
    assert bare.note == "0.00 TFLOP/s; the first took 7 s" and bare.cpu_seconds_per_image == 1.0


def test_steps_are_waited_for_in_a_turn_and_asked_for_many_at_once(monkeypatch):
    """Of a step that is asked for in no time, and done in a hundredth of a second."""
    clock, piled = [0.0], []

    class Step:
        def numpy(self):
            clock[0] += 0.01 * len(piled)
            most.append(len(piled))
            piled.clear()

    def step():
        piled.append(1)
        return Step()

    most, said, turns = [], [], iter([1.0, 1.0])

    def await_turn():
        seconds = next(turns, None)
        if seconds is None:
            raise Told
        return (0.0, clock[0]), clock[0] + seconds

    monkeypatch.setattr(step_child.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(step_child, "await_turn", await_turn)
    monkeypatch.setattr(step_child, "say", lambda **facts: said.append(facts))
    with pytest.raises(Told):
        step_child.take_turns(step, 3)
    for turn in said[1:]:  # the first says what it is
        assert turn["seconds"] == pytest.approx(0.01 * turn["images"] / 3) and turn["seconds"] < 1.2
    assert max(most) == 8  # 0.08 of the turn's 1 s


def test_gpus_that_are_not_there_are_refused():
    recipe = reproductions.load("alexnet").RECIPES["alexnet"]
    for flags in ({"gpus": 9}, {"platform": "gpu", "gpus": 9}):
        request = Request(names=(), data=None, data_dir=pathlib.Path(), **flags)
        with pytest.raises(UsageError, match="TensorFlow sees"):
            bench_step.count_gpus(request, recipe)


def test_waiting_and_turns_are_counted_to_their_end(monkeypatch):
    """Of three ways, one of which is impossible; the first round of turns warms up."""
    shown = []
    counting = types.SimpleNamespace(show=lambda *line: shown.append(line))
    found = {
        n: types.SimpleNamespace(turns=[], wait=lambda n=n: n, turn=lambda s: s) for n in range(3)
    }
    bench_step._take_turns(found, "net", 2, counting)
    assert shown == [
        *(("net: steps compiled", done, 3) for done in range(4)),
        *(("net: turns of steps", done, 6) for done in range(7)),
    ]
    assert [one.turns for one in found.values()] == [[], [2.0] * 2, [2.0] * 2]


@pytest.mark.full
def test_lenet_is_timed(monkeypatch):
    monkeypatch.setattr(bench_step, "SECONDS", 0.2)
    request = Request(
        names=("lenet5",), data="sample", data_dir=pathlib.Path("nowhere"), rounds=2, platform="cpu"
    )
    named = {row.what: row for row in bench_step.run(request)}
    assert 0 < named["lenet5 loop, XLA, batch 1"].ratio < 1.5
    assert 0 < named["lenet5 run with its input, XLA, batch 1"].ratio < 1
    assert named["matrix product"].value > 1


@pytest.mark.full
def test_memory_is_within_a_third_of_what_was_predicted(tmp_path):
    way = Way(kind="loop", batch=128)
    request = Request(names=(), data=None, data_dir=pathlib.Path())
    one = bench_step.Process(way, "cifar_resnet20", str(tmp_path), request)
    try:
        assert one.wait(), one.failure
        assert 2 / 3 < one.facts["bytes"] / one.facts["predicted"] < 4 / 3
    finally:
        one.process.kill()
        one.process.wait()


@pytest.mark.parametrize("changes", [[], ["batch_norm=false"]])
def test_the_network_is_that_of_a_training(changes, tmp_path):
    way = dataclasses.asdict(LOOP) | {"name": "bn_mnist", "folder": str(tmp_path)}
    job = step_child.build(way | {"changes": changes}, tf.distribute.OneDeviceStrategy("CPU:0"))
    norms = [x for x in job.model.layers if isinstance(x, keras.layers.BatchNormalization)]
    assert bool(norms) == (not changes) and all(norm.synchronized for norm in norms)
    compiled = [way.jit_compile for way in bench_step.list_devices(job.recipe, gpus=2)]
    assert compiled == [True, bool(changes)]  # XLA cannot ask the other device


class Told(Exception):
    """The first turn would begin."""


@pytest.mark.parametrize("bytes_travel", [False, True])  # as on a GPU
def test_a_loop_says_what_it_took_once_it_has_compiled(bytes_travel, tmp_path, monkeypatch):
    said = {}
    monkeypatch.setattr(step_child, "on_gpus", lambda _: bytes_travel)
    monkeypatch.setattr(step_child, "say", lambda **facts: said.update(facts))
    monkeypatch.setattr(step_child, "await_turn", lambda: exec("raise Told", globals()))
    way = dataclasses.asdict(LOOP) | {"name": "lenet5", "folder": str(tmp_path), "changes": []}
    strategy = tf.distribute.OneDeviceStrategy("CPU:0")
    with pytest.raises(Told):
        step_child.run_loop(step_child.build(way, strategy), way, 0)
    assert said["bytes"] > 0 and said["predicted"] > 0 and said["save_cpu"] > 0
