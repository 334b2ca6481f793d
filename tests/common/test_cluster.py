"""Who trains with whom, and which part of a batch is whose."""

import json

import numpy as np
import pytest
import tensorflow as tf

from common.data.sharding import WorkerShard
from common.distribution.cluster import from_environment
from common.distribution.collectives import Workers
from common.errors import LostWorker, UsageError


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("TF_CONFIG", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)


def tf_config(monkeypatch, cluster, kind, index):
    config = {"cluster": cluster, "task": {"type": kind, "index": index}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))


def slurm(monkeypatch, tasks, nodes, per_node, node, local):
    for name, value in {
        "STEP_NUM_TASKS": tasks,
        "STEP_NODELIST": nodes,
        "STEP_TASKS_PER_NODE": per_node,
        "PROCID": 0,
        "LOCALID": local,
        "JOB_ID": 7,
    }.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    monkeypatch.setenv("SLURMD_NODENAME", node)


def test_alone_there_is_no_cluster(monkeypatch):
    assert from_environment() is None
    tf_config(monkeypatch, {"worker": ["a:1"]}, "worker", 0)
    assert from_environment() is None


def test_tf_config_puts_the_chief_first(monkeypatch):
    hosts = {"worker": ["b:1", "c:1"], "chief": ["a:1"]}
    tf_config(monkeypatch, hosts, "worker", 1)
    found = from_environment()
    assert (found.workers, found.index) == (("a:1", "b:1", "c:1"), 2)


CLUSTER = '"cluster": {"worker": ["a:1", "b:1"]}'
NO_TASK = f'{{{CLUSTER}, "task": {{"type": "worker", "index": 2}}}}'


@pytest.mark.parametrize("text", ["{", "{}", f"{{{CLUSTER}}}", "[]", NO_TASK])
def test_a_tf_config_that_is_none_shows_the_form(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UsageError, match="Its form"):
        from_environment()


def test_slurm_workers_find_their_own_address(monkeypatch):
    """By host and number there: ranks follow another order than names."""
    own = set()
    for node in ("n9", "n10"):
        for local in (0, 1):
            slurm(monkeypatch, 4, "n[9-10]", "2(x2)", node, local)
            found = from_environment()
            host, port = found.workers[found.index].split(":")
            assert host == node and int(port) % 64 == (10_000 + local) % 64
            own.add(found.index)
    assert own == {0, 1, 2, 3} and len(set(found.workers)) == 4


def test_slurm_without_srun_is_a_plain_error(monkeypatch):
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    monkeypatch.delenv("SLURM_PROCID", raising=False)
    with pytest.raises(UsageError, match="srun"):
        from_environment()


@pytest.mark.parametrize("examples", [0, 1, 6, 7, 11, 12, 13, 24])
def test_the_parts_of_padded_batches_make_the_whole(examples):
    size, count = 12, 3
    seen = []
    for index in range(count):
        part = WorkerShard(index, count, devices=2)
        own = part.select_records(tf.data.Dataset.range(examples), size)
        blank = tf.data.Dataset.from_tensors(tf.constant(-1, tf.int64))
        blanks = blank.repeat(part.count_missing(examples, size))
        batches = list(part.batch(own.concatenate(blanks), size))
        assert all(len(b) == 2 for b in batches)  # of one device
        seen.append(np.array(batches, np.int64).reshape(-1, size // count))
    whole = np.concatenate(seen, axis=1).ravel()
    expected = np.full(-(-examples // size) * size, -1)
    expected[:examples] = np.arange(examples)
    np.testing.assert_array_equal(whole, expected)


def test_alone_a_process_agrees_with_itself():
    workers = Workers(tf.distribute.get_strategy())
    assert workers.chief and workers.shard == WorkerShard()
    assert workers.all_gather(3, 4).tolist() == [[3, 4]]
    workers.require_same("command", "x")
    arrays = {"a": np.ones(2)}
    assert workers.broadcast(arrays) is arrays


def test_a_lost_peer_is_one_only_where_there_are_peers():
    workers = Workers(tf.distribute.get_strategy())
    gone = tf.errors.UnavailableError(None, None, "recvmsg: reset by peer")
    with pytest.raises(tf.errors.UnavailableError), workers.watched():
        raise gone
    workers.count = 2
    with pytest.raises(LostWorker, match="reset by peer"), workers.watched():
        raise gone
    with pytest.raises(tf.errors.DataLossError), workers.watched():
        raise tf.errors.DataLossError(None, None, "of its own")
