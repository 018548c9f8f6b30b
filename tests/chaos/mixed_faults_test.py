#!/usr/bin/python3
"""Kills and pauses of any nodes in any mix, sometimes while others are still down, under load."""
# time limit: 900 s
import contextlib
import os
import random
import signal
import time

from chaos import (Dev, Load, case, kill_pid, main, note, rounds, wait_for_write, wait_until)

RESTART_LIMIT_S = 30
PAUSE_MAX_S = 2.0


def strike(dev, dice):
    """One fault. Returns what it was and the pids that must be woken later."""
    nodes = dice.sample(list(dev.all_nodes()), dice.choice([1, 1, 1, 2, 2, 3]))
    number = dice.choice([signal.SIGKILL, signal.SIGSTOP])
    pids = []
    for node in nodes:
        with contextlib.suppress(FileNotFoundError):  # It is down already.
            pids.append(dev.pid_of(node))
    for pid in pids:
        kill_pid(pid, number)
    word = "kill" if number == signal.SIGKILL else "pause"
    return f"{word} {nodes}", pids if number == signal.SIGSTOP else []


@case("any mix of kills and pauses loses no acknowledged write and breaks no order")
def mix():
    seed = int(os.environ.get("CHAOS_SEED", random.randrange(1 << 32)))
    dice = random.Random(seed)
    note(f"seed {seed} (CHAOS_SEED); timing is the machine's")
    asleep = []
    faults = []
    with Dev(3) as dev:
        load = Load([dev.resp(node) for node in dev.all_nodes()], rate=3000)
        try:
            for number in range(rounds(6, 60)):
                time.sleep(dice.uniform(0.1, 1.0))
                for _ in range(dice.choice([1, 1, 2])):
                    fault, pids = strike(dev, dice)
                    faults.append(fault)
                    asleep += pids
                    time.sleep(dice.uniform(0, PAUSE_MAX_S if asleep else 0.3))
                while asleep:
                    kill_pid(asleep.pop(), signal.SIGCONT)
                if dice.random() < 0.5:  # Otherwise the next fault meets a cluster in disorder.
                    for node in dev.all_nodes():
                        wait_until(lambda n=node: dev.is_ready(n), RESTART_LIMIT_S,
                                   f"node {node} is ready")
                    wait_for_write(dev.resp(1), "probe", number)
        finally:
            for pid in asleep:
                kill_pid(pid, signal.SIGCONT)
        note("; ".join(faults))
        load.stop()


main()
