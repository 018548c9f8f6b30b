#!/usr/bin/python3
"""A leader that sleeps through its own replacement must not answer from its old state."""
# time limit: 300 s
import signal
import time

from chaos import (Dev, Error, Load, Resp, boottime_us, case, encode, equal, expect, kill_pid,
                   leader, main, note, report_gaps, rounds, wait_for_write, wait_until)

PAUSE_S = 5
RESTART_LIMIT_S = 20
ANSWER_LIMIT_S = 20


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


def deceive_once(dev, number):
    """Pauses the leader and lets the others come back as new processes meanwhile: all it finds when
    it wakes up are broken connections, and the client's read is the first thing that makes sense.
    Without asking a majority it would answer that from its old state."""
    victim = leader(dev)
    others = [node for node in dev.all_nodes() if node != victim]
    old, new = f"before{number}", f"after{number}"
    wait_for_write(dev.resp(victim), "deceived", old)
    pid = dev.pid_of(victim)
    with Resp(dev.resp(victim), ANSWER_LIMIT_S) as waiting:
        equal(waiting.ok("GET", "deceived"), old.encode())
        expect(kill_pid(pid, signal.SIGSTOP), "the leader was not running")
        try:
            pids = {node: dev.pid_of(node) for node in others}
            for other in pids.values():
                kill_pid(other)
            for node, other in pids.items():
                wait_until(lambda n=node, p=other: dev.pid_of(n) != p and dev.is_ready(n),
                           RESTART_LIMIT_S, f"node {node} is back")
            wait_for_write(dev.resp(others[0]), "deceived", new)
            waiting.send(encode("GET", "deceived"))
        finally:
            kill_pid(pid, signal.SIGCONT)
        reply = waiting.read()
    expect(isinstance(reply, Error) or reply == new.encode(),
           f"round {number}: node {victim} answered {reply!r} after {new} was acknowledged")
    return reply


@case("a paused leader whose peers were all replaced answers no stale read when it wakes up")
def deceive_the_leader():
    with Dev(3) as dev:
        for number in range(rounds(2, 10)):
            note(f"round {number}: {deceive_once(dev, number)}")


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
