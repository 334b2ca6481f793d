"""The loop, on real digits and a small network."""

import dataclasses
import json
import math
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common.data import catalog
from common.errors import NotFinite, RunError
from common.evaluation.views import FrameView
from common.recipes.losses import SoftmaxCrossEntropy, WithAuxiliary
from common.recipes.recipe import Sgd
from common.recipes.schedules import ByEpoch, ByStep, DivideOnPlateau
from common.training.health import require_finite, require_moved
from common.training.loop import Job, Loop, State, has_stalled
from common.training.optimizers import build_optimizer
from common.training.run_record import open_run
from common.training.signals import Signals, Stopped
from tests.common.device_runs import digits_shaped
from tests.launch import first_updates, killed_runs

BATCH, EPOCHS, STEPS = 64, 3, 1437 // 64
STILL = Sgd(learning_rate=0.0, momentum=0.9, nesterov=False)


def recipe(**changes):
    fields = dict(
        data="sample",
        epochs=EPOCHS,
        global_batch_size=BATCH,
        optimizer=Sgd(learning_rate=0.02, momentum=0.9, nesterov=False),
        schedule=ByEpoch(starts=(0, 2), factors=(1.0, 0.1)),
        loss=SoftmaxCrossEntropy(),
        before_epoch=None,
        healthy_after=2,
    )
    lenet5 = reproductions.load("lenet5").RECIPES["lenet5"]
    return dataclasses.replace(lenet5, **(fields | changes))


def network():
    keras.utils.set_random_seed(0)
    return digits_shaped()


def two_heads():
    """A network with an auxiliary head, as GoogLeNet's."""
    main = network()
    aux = keras.layers.Dense(10, name="aux")(main.layers[-2].output)
    return keras.Model(main.input, [main.output, aux])


@pytest.fixture(scope="module")
def source():
    return catalog.open_source(catalog.find("sample", channels=1))


def loop(source, folder, callbacks=(), net=network, recover=0, **changes):
    changed = recipe(**changes)
    model = net()
    job = Job(
        recipe=changed,
        source=source,
        statistics=None,
        resident=None,
        model=model,
        optimizer=build_optimizer(changed),
        strategy=tf.distribute.get_strategy(),
        run=open_run(folder, {}, {}),
        seed=0,
        microbatches=1,
        jit_compile=False,
        checkpoint_seconds=math.inf,
        recover=recover,
    )
    return Loop(job, list(callbacks))


def train(made, signals=None):
    return made.train(signals or Signals(), lambda done, total: None)


def noting(calls):
    """A callback that notes its calls: (which, the epoch or update, logs)."""
    return keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: calls.append(("train", 0, logs)),
        on_epoch_begin=lambda epoch, logs: calls.append(("epoch", epoch, logs)),
        on_train_batch_end=lambda batch, logs: calls.append(("update", batch, logs)),
        on_epoch_end=lambda epoch, logs: calls.append(("end", epoch, logs)),
        on_train_end=lambda logs: calls.append(("over", 0, logs)),
    )


PLATEAU = DivideOnPlateau(divisor=10.0, patience=1, max_drops=2, metric="val_loss", min_delta=10.0)
STAIRS, AVERAGE = "stairs", "average, plateaus, two heads"
KINDS = {
    STAIRS: {},
    AVERAGE: {
        "net": two_heads,
        "average_decay": 0.9,
        "schedule": PLATEAU,
        "loss": WithAuxiliary(main=SoftmaxCrossEntropy(), weight=0.3, heads=1),
        "updates": 2 * STEPS + 5,
    },
}


@pytest.fixture(scope="module")
def whole_runs(source, tmp_path_factory):
    """kind -> (its loop, trained to the end; its callback's calls; its folder)."""
    made = {}
    for kind, changes in KINDS.items():
        calls, folder = [], tmp_path_factory.mktemp("whole")
        made[kind] = loop(source, folder, [noting(calls)], **changes), calls, folder
        train(made[kind][0])
    return made


def test_it_learns_and_drives_keras_callbacks(whole_runs):
    made, calls, folder = whole_runs[STAIRS]
    state = made.state
    epochs = [(which, epoch) for epoch in range(EPOCHS) for which in ("epoch", "end")]
    others = [call[:2] for call in calls if call[0] != "update"]
    assert others == [("train", 0), *epochs, ("over", 0)]
    *_, update, (_, _, logs), _ = calls
    assert update[:2] == ("update", state.step - 1) and state.step == EPOCHS * STEPS
    assert made.job.optimizer.iterations.numpy() == state.step
    assert logs["val_top1_error"] == state.history[-1]["val_top1_error"]
    assert state.history[-1]["loss"] < 0.5 * state.history[0]["loss"]
    assert "cross_entropy" not in state.history[-1]  # the loss is that
    assert state.history[-1]["val_top1_error"] < 20
    rows = (folder / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row) for row in rows] == state.history


@pytest.mark.parametrize("kind", KINDS)  # stairs at epoch 2; it drops after two
def test_rates_are_on_record(whole_runs, kind):
    rates = [row["learning_rate"] for row in whole_runs[kind][0].state.history]
    assert rates == pytest.approx([0.02, 0.02, 0.002])


def test_an_epochs_rate_is_that_of_its_last_update(source, tmp_path):
    """Here it drops with the first update of the second epoch."""
    stairs = ByStep(starts=(0, STEPS), factors=(1.0, 0.1))
    history = train(loop(source, tmp_path, schedule=stairs, epochs=2)).history
    assert [row["learning_rate"] for row in history] == pytest.approx([0.02, 0.002])


def test_beside_auxiliary_heads_the_main_ones_loss_is_kept(whole_runs):
    *_, row = whole_runs[AVERAGE][0].state.history
    assert 1.1 * row["cross_entropy"] < row["loss"] < 1.6 * row["cross_entropy"]


def test_without_their_weight_it_is_the_loss(source, tmp_path):
    loss = WithAuxiliary(main=SoftmaxCrossEntropy(), weight=0.0, heads=1)
    [row] = train(loop(source, tmp_path, net=two_heads, loss=loss, updates=2)).history
    assert row["cross_entropy"] == row["loss"]


def test_a_callback_can_stop_the_training(source, tmp_path):
    calls, stop = [], keras.callbacks.EarlyStopping("val_loss", mode="max")  # as it falls
    assert train(loop(source, tmp_path, [noting(calls), stop])).epoch == 2 < EPOCHS
    assert calls[-1][0] == "over"


class StopAt(keras.callbacks.Callback):
    """A SIGTERM that arrives after some call."""

    def __init__(self, signals, calls):
        super().__init__()
        self.signals, self.left = signals, calls

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            self.signals.received = signal.SIGTERM


@pytest.mark.parametrize(("kind", "calls"), [(STAIRS, 2), (AVERAGE, 6)])
def test_stopped_anywhere_it_continues_to_the_same_end(source, tmp_path, whole_runs, kind, calls):
    whole, *_ = whole_runs[kind]
    signals = Signals()
    stopped = loop(source, tmp_path, [StopAt(signals, calls)], **KINDS[kind])
    with pytest.raises(Stopped):
        train(stopped, signals)
    stopped.job.run._lock.close()
    again = loop(source, tmp_path, **KINDS[kind])
    assert whole.state.step > again.resumed_from == stopped.state.step > 0
    train(again)
    averages = sum("average" in name for name in again.variables)
    assert averages == (6 if "average_decay" in KINDS[kind] else 0)
    assert_same_end(whole, again)


def assert_same_end(whole, again):
    rows, found = whole.state.history, again.state.history
    assert [row | {"seconds": 0} for row in found] == [row | {"seconds": 0} for row in rows]
    for name, variable in whole.variables.items():
        np.testing.assert_array_equal(variable.numpy(), again.variables[name].numpy(), err_msg=name)


@pytest.mark.parametrize(
    ("kind", "first", "steps"),
    [
        (STAIRS, {"epochs": 1}, [STEPS]),
        (AVERAGE, {"updates": STEPS + 5}, [STEPS, STEPS + 5]),
        (AVERAGE, {"updates": 2 * STEPS + 1}, [STEPS, 2 * STEPS, 2 * STEPS + 1]),
    ],
    ids=["epochs", "within an epoch", "the same epoch"],
)
def test_a_training_that_ended_goes_on_as_if_it_had_not(
    source, tmp_path, whole_runs, kind, first, steps
):
    whole, *_ = whole_runs[kind]
    ended = loop(source, tmp_path, **KINDS[kind] | first)
    state = train(ended)
    assert state.step == ended.job.optimizer.iterations.numpy() == steps[-1]
    assert [row["step"] for row in state.history] == steps
    ended.job.run._lock.close()
    again = loop(source, tmp_path, **KINDS[kind])
    assert again.resumed_from == steps[-1] and not again.is_over()
    train(again)
    assert_same_end(whole, again)
    again.job.run._lock.close()
    over = loop(source, tmp_path, **KINDS[kind])
    assert over.is_over() and train(over).step == whole.state.step


def test_the_sums_of_an_epoch_that_was_cut_are_read_from_an_early_runs_row():
    row = {"epoch": 2, "loss": 1.5, "cross_entropy": 1.25, "top1_error": 100 * 9 / (7 * BATCH)}
    state = State(epoch=2, step=STEPS + 7, history=[{"epoch": 1}, row])
    state.reopen(STEPS, recipe())
    assert (state.epoch, state.history) == (1, [{"epoch": 1}])
    assert (state.losses, state.plain_losses, state.wrong) == (7 * 1.5, 7 * 1.25, 9)
    kept = State(epoch=2, step=STEPS + 7, losses=10.4, wrong=9, history=[{"epoch": 1}, row])
    kept.reopen(STEPS, recipe())
    assert kept.losses == 10.4  # to the last digit


@pytest.mark.parametrize(
    ("errors", "patience", "over"),
    [
        ([], 1, False),
        ([9, 8, 7], 1, False),
        ([9, 8, 8], 1, True),  # no lower one
        ([9, 8, 8], 2, False),
        ([7, 9, 8], 2, True),
        ([7, 9, 8, 6], 2, False),
        ([7, 9, 9, 9], None, False),
    ],
)
def test_patience_counts_the_epochs_since_the_best(errors, patience, over):
    assert has_stalled([{"val_top1_error": error} for error in errors], patience) is over


def test_the_averaged_weights_are_tested_and_the_last_ones_trained(whole_runs):
    made, *_ = whole_runs[AVERAGE]
    [kernel, *_] = made.job.model.trainable_variables
    [average, *_] = made.job.optimizer.averages

    def loss():
        view = FrameView(name="single", size=32)
        return made.evaluator.measure("single", view, lambda done, total: None).loss

    last, of_last = kernel.numpy(), loss()
    with made.tested_weights():
        np.testing.assert_array_equal(kernel.numpy(), average.numpy())
        of_average = loss()
    np.testing.assert_array_equal(kernel.numpy(), last)
    assert abs(average.numpy() - last).max() > 1e-4
    assert made.state.history[-1]["val_loss"] == of_average != of_last


def test_stopped_while_testing_it_keeps_the_epoch(source, tmp_path):
    signals = Signals()
    stopped = loop(source, tmp_path)

    def progress(done, total):
        signals.received = signal.SIGTERM

    with pytest.raises(Stopped):
        stopped.train(signals, progress)
    stopped.job.run._lock.close()
    again = loop(source, tmp_path, updates=STEPS)
    assert again.resumed_from == STEPS and again.state.epoch == 0
    assert train(again).history[0]["step"] == STEPS


class Spoil(keras.callbacks.Callback):
    """Puts a NaN into the weights after some updates, each time once."""

    def __init__(self, *steps):
        super().__init__()
        self.left = list(steps)

    def on_train_batch_end(self, batch, logs=None):
        if self.left and batch >= self.left[0]:
            self.left.pop(0)
            bias = self.model.get_layer("fc").bias
            bias.assign(tf.fill(bias.shape, np.nan))


def test_a_test_loss_that_is_not_finite_ends_the_training(source, tmp_path):
    with pytest.raises(NotFinite, match="1 to 128 of the split 'test' under"):
        train(loop(source, tmp_path, [Spoil(STEPS - 1)], epochs=1))
    assert (tmp_path / "metrics.jsonl").read_text() == ""


def test_a_training_that_diverges_goes_back_with_a_smaller_rate(source, tmp_path):
    """To the end of the first epoch; twice."""
    spoil = Spoil(STEPS + 5, STEPS + 9)
    made = loop(source, tmp_path, [spoil], recover=2)
    state = train(made)
    assert state.step == EPOCHS * STEPS and state.recovered == 2
    assert [row["epoch"] for row in state.history] == [1, 2, 3]
    rates = [row["learning_rate"] for row in state.history]
    assert rates == pytest.approx([0.02, 0.0002, 0.00002])
    record = json.loads((tmp_path / "run.json").read_text())
    backs = [fact["back_to"] for fact in record["recoveries"]]
    assert backs == [STEPS, STEPS]
    assert "The loss is nan" in record["recoveries"][0]["reason"]
    [override] = record["overrides"]
    assert override["field"] == "recovered"
    assert override["new"].startswith("2 times back")
    assert "0.01 of the learning rate" in override["new"]
    made.job.run._lock.close()
    assert loop(source, tmp_path).state.recovered == 2  # after a kill, too


def test_it_goes_back_into_the_epoch_that_an_earlier_end_had_cut(source, tmp_path):
    ended = loop(source, tmp_path, updates=STEPS + 5)
    train(ended)
    ended.job.run._lock.close()
    made = loop(source, tmp_path, [Spoil(STEPS + 7)], recover=1)
    state = train(made)
    assert made.resumed_from == STEPS + 5 and state.recovered == 1
    assert [row["step"] for row in state.history] == [STEPS, 2 * STEPS, 3 * STEPS]
    assert state.step == made.job.optimizer.iterations.numpy() == EPOCHS * STEPS


def test_what_comes_before_an_epoch_sees_no_more_than_there_is(source, tmp_path):
    seen = []

    class Look:
        samples = 5_000

        def __call__(self, model, optimizer, loss, examples):
            seen.append([len(part) for part in examples])

    train(loop(source, tmp_path, before_epoch=Look(), updates=1))
    assert seen == [[1437, 1437]]


def test_it_goes_back_as_often_as_it_may(source, tmp_path):
    spoil = Spoil(0, 0, 0)  # before the first checkpoint of its own
    with pytest.raises(NotFinite, match="The loss is nan at step"):
        train(loop(source, tmp_path, [spoil], recover=2))
    assert spoil.left == []


def test_the_step_that_is_named_is_the_first_bad_one(tmp_path):
    losses = np.array([2.3, 2.2, np.nan, np.inf])
    with pytest.raises(RunError, match=r"nan at step 102 \(epoch 6\).* no checkpoint"):
        require_finite(losses, first_step=100, epoch=5, folder=tmp_path)


def test_a_loss_that_does_not_move_stops_with_a_diagnosis(source, tmp_path):
    # Uniform scores: a loss of ln(10) in every epoch.
    frozen = loop(source, tmp_path, optimizer=STILL, healthy_after=1)
    for variable in frozen.job.model.trainable_variables:
        variable.assign(tf.zeros_like(variable))
    with pytest.raises(RunError, match="epoch 1 the loss is 2.303.*labels"):
        train(frozen)


def test_guessing_costs_more_with_auxiliary_heads():
    # 1.6 ln(10) = 3.68 is what guessing costs with two heads of 0.3.
    loss = WithAuxiliary(main=SoftmaxCrossEntropy(), weight=0.3, heads=2)
    assert loss.guessing(10) == pytest.approx(1.6 * math.log(10))
    row = {"epoch": 2, "loss": 3.5, "top1_error": 90.0}
    require_moved(row, recipe(loss=loss))
    with pytest.raises(RunError, match="classes gives 3.684"):
        require_moved(row | {"loss": 3.68}, recipe(loss=loss))


@pytest.mark.parametrize(
    "epoch, loss, error",
    [(1, 2.4, 90), (2, 2.2, 90), (3, 2.4, 90), (2, 5.0, 30)],
    ids=["too early", "has moved", "past", "a loss of another scale"],
)
def test_a_healthy_epoch_does_not_stop(epoch, loss, error):
    row = {"epoch": epoch, "loss": loss, "top1_error": error}
    assert require_moved(row, recipe()) is None


def test_what_hooks_into_the_loop_hooks_what_there_is():
    """Programs of the tests that are run by hand would say nothing of a method's new name."""
    hooks = {name for name in vars(first_updates.Recorded) if name.startswith("_m")}
    assert hooks and not {*hooks, *killed_runs.HOOKS} - set(dir(Loop))
