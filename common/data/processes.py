"""The same function over many arguments, in several processes."""

import concurrent.futures
import contextlib
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from common.errors import RunError

Each = Callable[[Callable, Iterable[tuple]], Iterator[tuple[int, Any]]]


@contextlib.contextmanager
def workers(jobs: int) -> Iterator[Each]:
    """Gives `each(function, arguments)`: (place, result), as they come.

    With one job everything happens here; else in new processes, which die
    with this one, and leave nothing to wait for after an error.

    Raises:
        RunError: if a process died.
    """
    if jobs == 1:
        yield lambda f, tasks: ((place, f(*task)) for place, task in enumerate(tasks))
        return
    context = multiprocessing.get_context("spawn")
    pool = concurrent.futures.ProcessPoolExecutor(
        jobs, context, initializer=_end_with, initargs=(os.getpid(),)
    )

    def each(function: Callable, arguments: Iterable[tuple]) -> Iterator[tuple[int, Any]]:
        places = {pool.submit(function, *values): place for place, values in enumerate(arguments)}
        for future in concurrent.futures.as_completed(places):
            yield places[future], future.result()

    try:
        yield each
    except BrokenProcessPool as error:
        raise RunError(
            "A process that was at work died, killed perhaps for want of memory. What was "
            "finished is kept: run the same command again, with fewer --jobs if it happens again."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _end_with(parent: int) -> None:
    """Ends this process when its parent has gone.

    It has one thread for TensorFlow, and says nothing: TensorFlow's native
    code would, on every start and every damaged image.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
