"""Several workers on one sweep, by keras-tuner's chief and worker protocol.

$KERASTUNER_ORACLE_IP and $KERASTUNER_ORACLE_PORT say where the chief serves the
oracle by gRPC, $KERASTUNER_TUNER_ID which of them a process is: with "chief" in
it the chief, which trains nothing, else a worker.
"""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from common.errors import RunError, UsageError
from common.training.signals import Stopped
from launch.sweep import child
from launch.sweep.sweep_request import MEMBER, Request
from launch.sweep.trials import POLL_SECONDS
from launch.sweep.tuners import Tuner
from launch.terminal.exits import SIGNALS
from launch.terminal.quiet import count_visible_gpus


def read_role() -> str:
    """Of this process: "chief", "worker", or "" where it sweeps alone."""
    name = os.environ.get(MEMBER[2], "")
    return "chief" if "chief" in name else "worker" if name else ""


def serve(request: Request, watch: Callable[[], None]) -> None:
    """Serves the oracle until all trials are done; starts local workers.

    Args:
        watch: Called a few times a second; raises Stopped once a signal has come.

    Raises:
        RunError: if a worker ends before its time.
        Stopped: after a signal; the workers have written their checkpoints.
    """
    environments = [] if read_role() else _make_members(request)
    chief, ended = Tuner(request, watch), []

    def search() -> None:
        try:
            chief.search()
            ended.append(None)
        except Exception as error:
            ended.append(error)

    threading.Thread(target=search, daemon=True).start()
    workers = []
    try:
        for number, environment in enumerate(environments):
            output = request.folder / f"worker{number}.txt"
            words = [*sys.argv[1:], "--workers=1", f"--workdir={request.folder}"]
            workers.append(child.start(words, output, environment))
        _wait(workers, chief, ended, watch)
    finally:
        for worker in workers:
            if worker.poll() is None:
                worker.terminate()
        for worker in workers:
            worker.wait()


def _make_members(request: Request) -> list[dict[str, str]]:
    """The environment of each worker here; this process becomes the chief."""
    devices = request.training.devices
    shares = share_gpus(request.workers, _name_gpus(devices.platform), devices.gpus)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    address = {MEMBER[0]: "127.0.0.1", MEMBER[1]: port}
    os.environ |= address | {MEMBER[2]: "chief"}
    return [address | {MEMBER[2]: f"worker{i}"} | share for i, share in enumerate(shares)]


def _name_gpus(platform: str) -> list[str]:
    """The names that CUDA knows the visible GPUs by."""
    if platform == "cpu":
        return []
    count = count_visible_gpus()
    names = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return (names or list(map(str, range(count))))[:count]


def share_gpus(workers: int, names: list[str], each: int | None) -> list[dict[str, str]]:
    """Environments that give each worker GPUs of its own; {} without any.

    Args:
        names: Of the GPUs here.
        each: GPUs that a trial wants; None: one.

    Raises:
        UsageError: if there are GPUs, and fewer than that takes.
    """
    each = 1 if each is None else each
    if not names or not each:
        return [{}] * workers
    if workers * each > len(names):
        raise UsageError(
            f"--workers {workers} with {each} GPU(s) each takes {workers * each}; "
            f"there are {len(names)}. Take fewer, or --platform cpu."
        )
    shares = [names[i * each : (i + 1) * each] for i in range(workers)]
    return [{"CUDA_VISIBLE_DEVICES": ",".join(share)} for share in shares]


def _wait(
    workers: list[subprocess.Popen], chief: Tuner, ended: list, watch: Callable[[], None]
) -> None:
    """Until the workers here are done; without any, until the server is.

    Args:
        ended: Of the server: empty, [None] after all trials, or [its error].
    """
    codes = [None] * len(workers)
    while not any(ended) and (None in codes if workers else not ended):
        watch()
        time.sleep(POLL_SECONDS)
        chief.require_successes()  # the workers that were told so have ended
        codes = [worker.poll() for worker in workers]
        for number, code in enumerate(codes):
            if code in SIGNALS:
                raise Stopped(SIGNALS[code], 0)
            if code:
                said = child.last_words(chief.request.folder / f"worker{number}.txt")
                raise RunError(f"Worker {number} has ended with exit code {code}: {said}")
    if any(ended):
        raise RunError(
            "The chief cannot serve the oracle: is its address, "
            f"{':'.join(os.environ[name] for name in MEMBER[:2])}, in use? ({ended[0]})"
        )
