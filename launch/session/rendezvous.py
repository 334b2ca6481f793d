"""Says whom a worker waits for, while TensorFlow waits in silence.

TensorFlow holds the interpreter's lock meanwhile, so that no thread of the
worker could speak: this file is run as a program beside it.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

TELL_SECONDS = 20  # of silence before the first word, and between two
GIVE_UP_SECONDS = 600


@contextlib.contextmanager
def waiting(cluster: Any) -> Iterator[None]:
    """Inside, the workers that do not answer are named on stderr.

    After ten minutes the waiting process gets a SIGTERM: TensorFlow itself
    would wait for an hour.

    Args:
        cluster: A common.distribution.cluster.Cluster; with None nothing happens.
    """
    if cluster is None:
        yield
        return
    about = [str(os.getpid()), str(cluster.index), *cluster.workers]
    with subprocess.Popen([sys.executable, "-P", __file__, *about]) as teller:
        try:
            yield
        finally:
            teller.kill()


def tell(parent: int, index: int, workers: list[str]) -> None:
    """Names those that do not answer, for as long as `parent` lives."""
    began = time.monotonic()
    while True:
        time.sleep(TELL_SECONDS)
        if os.getppid() != parent:
            return
        silent = [address for address in workers if not _answers(address)]
        waited = time.monotonic() - began
        whom = ", ".join(silent) or "one that has not joined yet"
        told = [
            f"Worker {index} of {len(workers)} has waited {waited:.0f} s for the others; "
            f"no answer from {whom}."
        ]
        if waited >= GIVE_UP_SECONDS:
            told += [
                "It gives up. Start the same command on all hosts; the ports must be open "
                "between them."
            ]
        print(*told, sep="\n", file=sys.stderr, flush=True)
        if waited >= GIVE_UP_SECONDS:
            os.kill(parent, signal.SIGTERM)
            return


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    own, place, *hosts = sys.argv[1:]
    tell(int(own), int(place), hosts)
