#!/usr/bin/python3
"""kill -9 of the leader, again and again, under a mixed load of 16 clients."""
# time limit: 600 s
import random
import signal
import time

from chaos import (Dev, Load, boottime_us, case, expect, kill_pid, leader, main, note, report_gaps,
                   rounds, wait_for_write, wait_until)

RESTART_LIMIT_S = 20


@case("kill -9 of the leader loses no acknowledged write and breaks no order")
def kill_the_leader():
    with Dev(3) as dev:
        load = Load([dev.resp(node) for node in dev.all_nodes()])
        time.sleep(1)
        faults = []
        killed = []
        for _ in range(rounds(4, 20)):
            victim = leader(dev)
            pid = dev.pid_of(victim)
            faults.append(boottime_us())
            expect(kill_pid(pid, signal.SIGKILL), f"node {victim} was not running")
            killed.append(victim)
            wait_until(lambda v=victim, p=pid: dev.pid_of(v) != p and dev.is_ready(v),
                       RESTART_LIMIT_S, f"node {victim} is back")
            wait_for_write(dev.resp(victim), "probe", len(faults))
            time.sleep(random.uniform(0.2, 1.0))
        gaps = load.stop()
        note(f"leaders killed: {killed}")
        report_gaps("kill -9 of the leader", faults, gaps)


main()
