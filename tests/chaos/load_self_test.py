#!/usr/bin/python3
"""Is the load program blind? A store that forgets must be noticed, one that does not must pass."""
import os
import signal
import socket
import time

from chaos import (Load, Process, case, contains, expect, main, need, resp, scratch_directory,
                   wait_until)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_forgetful_store(port):
    """A redis-server that keeps nothing on disk."""
    directory = scratch_directory()
    process = Process([need("redis-server"), "--port", port, "--bind", "127.0.0.1", "--save", "",
                       "--appendonly", "no", "--dir", directory], directory, "redis")
    wait_until(lambda: resp(port, "PING") == "PONG", 10, "redis-server answers")
    return process


def load_over_restart(restarts):
    port = free_port()
    process = start_forgetful_store(port)
    load = Load([port, port], no_cas=None)
    for _ in range(restarts):
        time.sleep(1)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process = start_forgetful_store(port)
    time.sleep(1)
    try:
        return load.stop()
    finally:
        process.kill()


@case("the load finds nothing wrong with a store that stays up")
def honest_store():
    load_over_restart(0)


@case("the load notices that a store has lost acknowledged writes")
def forgetful_store():
    try:
        load_over_restart(1)
    except AssertionError as problem:
        contains(str(problem), "verdict: violation")
        return
    expect(False, "lost writes went unnoticed")


main()
