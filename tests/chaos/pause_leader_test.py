#!/usr/bin/python3
"""A leader that sleeps through its own replacement must not answer from its old state."""
# time limit: 300 s
import signal
import time

from chaos import (Dev, Error, Load, Resp, boottime_us, case, encode, equal, expect, kill_pid,
                   leader, main, note, report_gaps, rounds, wait_for_write)

PAUSE_S = 5


def pause_once(dev, number):
    """One pause. Returns (when it began, the replies of the woken node)."""
    victim = leader(dev)
    other = victim % 3 + 1
    old, new = f"old{number}", f"new{number}"
    wait_for_write(dev.resp(victim), "paused", old)
    pid = dev.pid_of(victim)
    waiting = Resp(dev.resp(victim))
    asked_after = Resp(dev.resp(victim))
    equal(waiting.ok("GET", "paused"), old.encode())
    equal(asked_after.ok("GET", "paused"), old.encode())
    began = boottime_us()
    expect(kill_pid(pid, signal.SIGSTOP), "the leader was not running")
    try:
        stop_at = time.monotonic() + PAUSE_S
        wait_for_write(dev.resp(other), "paused", new)
        time.sleep(max(0, stop_at - time.monotonic()))
        # One read waits in the socket of the sleeper, one is asked the moment it wakes up.
        waiting.send(encode("GET", "paused"))
    finally:
        kill_pid(pid, signal.SIGCONT)
    asked_after.send(encode("GET", "paused"))
    replies = [asked_after.read(), waiting.read()]
    for connection in (waiting, asked_after):
        connection.close()
    for reply in replies:
        expect(isinstance(reply, Error) or reply == new.encode(),
               f"round {number}: node {victim} answered {reply!r} after {new} was acknowledged")
    return began, replies


@case("a leader paused for 5 s answers no stale read when it wakes up")
def pause_the_leader():
    with Dev(3) as dev:
        load = Load([dev.resp(node) for node in dev.all_nodes()])
        faults = []
        for number in range(rounds(3, 10)):
            began, replies = pause_once(dev, number)
            faults.append(began)
            note(f"round {number}: {replies}")
        report_gaps("SIGSTOP of the leader", faults, load.stop())


main()
