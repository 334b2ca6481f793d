import threading
import time

from launch.session.watchdog import Watchdog


def waits_for_input(event):
    event.wait(10)


def test_a_stalled_run_shows_the_stacks_of_all_threads(tmp_path):
    event = threading.Event()
    threading.Thread(target=waits_for_input, args=[event]).start()
    with open(tmp_path / "shown", "w") as screen, Watchdog(0.05, screen):
        time.sleep(0.3)
    event.set()
    shown = (tmp_path / "shown").read_text()
    assert "Timeout" in shown
    assert shown.count("waits_for_input") >= 2  # it repeats


def test_steps_tests_and_the_end_keep_it_silent(tmp_path):
    with open(tmp_path / "shown", "w") as screen:
        with Watchdog(0.5, screen) as watchdog:
            for _ in range(4):
                time.sleep(0.1)
                watchdog.on_train_batch_end(0)
                time.sleep(0.1)
                watchdog.fed_by(lambda done, total: None)(1, 2)
        time.sleep(0.6)
    assert (tmp_path / "shown").read_text() == ""
