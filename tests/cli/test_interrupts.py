"""Ctrl-C at awkward moments: in code that swallows exceptions, and between threads that share locks."""

import concurrent.futures
import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from ugosa_jax import interrupts, threads

PROGRAM = """
import gc, os, signal, sys, time
import ugosa_jax.cli.main
from ugosa_jax.__main__ import program

def press(*_):
    gc.callbacks.clear()
    os.kill(os.getpid(), signal.SIGINT)

class Finalized:
    def __del__(self):
        press()

def main():
    {how}
    print("goes on", flush=True)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        time.sleep(0.01)
    print("was not interrupted")
    return 0

ugosa_jax.cli.main.main = main
program()
"""
SWALLOWED = {
    "finalizer": "Finalized()",
    "collector": "gc.callbacks.append(press); gc.collect()",
    "except": """
    try:
        press()
    except BaseException:
        pass""",
}


@pytest.mark.parametrize("how", SWALLOWED)
def test_an_interrupt_that_is_swallowed_comes_again(how):
    """Without `Interrupt`, each of these programs goes on to its end and returns 0."""
    code = PROGRAM.format(how=SWALLOWED[how])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert (done.stderr, done.returncode) == ("interrupted\n", interrupts.EXIT_CODE)
    assert done.stdout in ("goes on\n", "")  # on a loaded machine, the interrupt may come again before the line


def test_the_third_signal_ends_a_process_that_takes_its_time():
    code = """
        import os, signal, time
        import ugosa_jax.cli.main
        from ugosa_jax.__main__ import program

        def main():
            try:
                os.kill(os.getpid(), signal.SIGINT)
            finally:
                for _ in range(2):
                    try:
                        os.kill(os.getpid(), signal.SIGTERM)
                        time.sleep(30)
                    except KeyboardInterrupt:
                        print("cleaning up", flush=True)
                time.sleep(30)

        ugosa_jax.cli.main.main = main
        program()
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("cleaning up\n", "interrupted\n", interrupts.EXIT_CODE)


def test_ctrl_c_that_a_shell_ignores_stays_ignored():
    code = """
        import os, signal
        import ugosa_jax.cli.main
        from ugosa_jax.__main__ import program
        ugosa_jax.cli.main.main = lambda: os.kill(os.getpid(), signal.SIGINT) or 0
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        program()
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    assert subprocess.run(command, capture_output=True, timeout=120, check=False).returncode == 0


def test_a_deferred_interrupt_waits_for_the_question():
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts.defer() as check:
        check()
        os.kill(os.getpid(), signal.SIGINT)
        done.append("what must not be torn apart")
        check()
        done.append("the rest")
    assert done == ["what must not be torn apart"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_deferred_interrupt_comes_at_the_end_at_the_latest():
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts.defer():
        os.kill(os.getpid(), signal.SIGINT)
        done.append("all of it")
    assert done == ["all of it"]


def test_the_second_interrupt_does_not_wait():
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts.defer():
        os.kill(os.getpid(), signal.SIGINT)
        done.append("first")
        os.kill(os.getpid(), signal.SIGINT)
        done.append("second")
    assert done == ["first"]


def test_other_threads_defer_nothing():
    def work() -> None:
        with interrupts.defer() as check:
            check()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_no_interrupt_leaves_the_lock_of_a_future_closed():
    """Without deferring, half of the interrupts do: they come while Python's `Condition.__enter__` holds the lock."""
    future: concurrent.futures.Future = concurrent.futures.Future()
    before = signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    try:
        for _ in range(200):
            with pytest.raises(KeyboardInterrupt), interrupts.defer() as check:
                signal.setitimer(signal.ITIMER_REAL, 0.0005)
                while True:
                    future.done()
                    check()
            with concurrent.futures.ThreadPoolExecutor(1) as another:
                assert another.submit(future._condition.acquire, blocking=False).result()
            future = concurrent.futures.Future()
    finally:
        signal.signal(signal.SIGALRM, before)


def test_an_interrupt_ends_work_in_threads_between_two_items():
    def work(item: int) -> int:
        if item == 3:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        return item

    done = []
    with pytest.raises(KeyboardInterrupt):
        for item in threads.iterate_in_threads(work, range(1000)):
            done.append(item)
    assert done == [*range(len(done))] and len(done) < 1000
