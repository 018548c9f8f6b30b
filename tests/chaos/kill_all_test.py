#!/usr/bin/python3
"""kill -9 of all nodes at once, again and again, under load."""
# time limit: 600 s
import random
import signal
import time

from chaos import (Dev, Load, boottime_us, case, expect, kill_pid, main, report_gaps, rounds,
                   wait_for_write, wait_until)

RESTART_LIMIT_S = 20


@case("kill -9 of all nodes at once loses no acknowledged write")
def kill_all():
    with Dev(3) as dev:
        load = Load([dev.resp(node) for node in dev.all_nodes()])
        time.sleep(1)
        faults = []
        for number in range(rounds(3, 20)):
            pids = {node: dev.pid_of(node) for node in dev.all_nodes()}
            faults.append(boottime_us())
            for node, pid in pids.items():
                expect(kill_pid(pid, signal.SIGKILL), f"node {node} was not running")
            for node, pid in pids.items():
                wait_until(lambda n=node, p=pid: dev.pid_of(n) != p and dev.is_ready(n),
                           RESTART_LIMIT_S, f"node {node} is back")
            wait_for_write(dev.resp(1), "probe", number)
            time.sleep(random.uniform(0.3, 1.2))
        report_gaps("kill -9 of all", faults, load.stop())


main()
