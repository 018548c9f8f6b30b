#!/usr/bin/python3
"""Disks that fail: a node that cannot keep its promise stops, and the others go on without it."""
# time limit: 300 s
import contextlib
import time

from chaos import (Cluster, Load, Process, boottime_us, case, contains, expect, leader, main, mount,
                   need, note, private_mounts, report_gaps, run, scratch_directory, wait_for_write,
                   wait_until)

STOP_LIMIT_S = 15
CATCH_UP_LIMIT_S = 30


def break_fdatasync(cluster, node):
    """From now on every fdatasync of the node fails with EIO."""
    return Process([need("strace"), "-f", "-qq", "-p", cluster.processes[node].pid, "-o",
                    cluster.directory / f"inject{node}.trace", "-e", "trace=fdatasync", "-e",
                    "inject=fdatasync:error=EIO"], cluster.directory, f"inject{node}")


def wait_caught_up(cluster, node):
    """The node itself holds what was written last."""
    other = next(n for n in cluster.all_nodes() if n != node)
    mark = f"mark{time.monotonic_ns()}"
    wait_for_write(cluster.resp(other), "mark", mark)
    wait_until(lambda: cluster.local_value(node, "GET", "mark") == mark.encode(),
               CATCH_UP_LIMIT_S, f"node {node} has caught up")


def fail_sync(role):
    with Cluster(3) as cluster:
        cluster.start_all()
        load = Load(cluster.resp_ports(), name=role)
        time.sleep(1)
        lead = leader(cluster)
        victim = lead if role == "leader" else lead % 3 + 1
        others = [node for node in cluster.all_nodes() if node != victim]
        process = cluster.processes[victim]
        began = boottime_us()
        injector = break_fdatasync(cluster, victim)
        code = process.wait(STOP_LIMIT_S)
        log = process.stderr()
        note(f"{role} {victim} ended with {code} after {(boottime_us() - began) / 1e6:.1f} s; its "
             f"last lines:")
        note("\n".join(log.strip().split("\n")[-4:]))
        expect(code != 0, "a node whose disk fails must not end as if all were well")
        contains(log, "writing the log failed", "the log must name what failed")
        wait_for_write(cluster.resp(others[0]), "probe", 1, STOP_LIMIT_S)
        leader(cluster, others)
        injector.wait()
        cluster.start(victim)
        cluster.wait_ready([victim])
        wait_caught_up(cluster, victim)
        report_gaps(f"EIO at the {role}", [began], load.stop())


@case("EIO from fdatasync stops a follower; the others go on and nothing is lost")
def fail_at_follower():
    fail_sync("follower")


@case("EIO from fdatasync stops the leader; another one takes over and nothing is lost")
def fail_at_leader():
    fail_sync("leader")


class SmallDisks:
    """A small filesystem for each node, and a balloon that fills one."""

    def __init__(self, nodes):
        self.directory = scratch_directory()
        self.nodes = nodes
        for node in nodes:
            self.path(node).mkdir()
            mount("-t", "tmpfs", "-o", "size=64m", "none", self.path(node))

    def path(self, node):
        return self.directory / f"disk{node}"

    def fill(self, node):
        with open(self.path(node) / "balloon", "wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(4096))

    def empty(self, node):
        (self.path(node) / "balloon").unlink()

    def close(self):
        for node in self.nodes:
            run(["umount", "-l", self.path(node)])


def fill_disk(disks, role):
    directories = {node: disks.path(node) / "data" for node in disks.nodes}
    with Cluster(3, ["--wal-segment-size", "1M"], directories) as cluster:
        cluster.start_all()
        load = Load(cluster.resp_ports(), name=f"full-{role}")
        time.sleep(1)
        lead = leader(cluster)
        victim = lead if role == "leader" else lead % 3 + 1
        others = [node for node in cluster.all_nodes() if node != victim]
        process = cluster.processes[victim]
        began = boottime_us()
        disks.fill(victim)
        end = time.monotonic() + 8
        while time.monotonic() < end and process.is_running():
            time.sleep(0.1)
        wait_for_write(cluster.resp(others[0]), "probe", 1, STOP_LIMIT_S)
        note(f"{role} {victim} {(boottime_us() - began) / 1e6:.1f} s after its disk was full; "
             f"last lines:")
        note("\n".join(process.stderr().strip().split("\n")[-4:]))
        expect(process.is_running(), "a node whose disk is full waits for space")
        contains(process.stderr(), "event=waiting_for_space", "the log must say what it waits for")
        disks.empty(victim)
        cluster.wait_ready([victim])  # Nobody has started it.
        wait_caught_up(cluster, victim)
        report_gaps(f"full disk at the {role}", [began], load.stop())


def on_small_disks(role):
    private_mounts()
    disks = SmallDisks([1, 2, 3])
    try:
        fill_disk(disks, role)
    finally:
        disks.close()


@case("a follower whose disk is full waits, and comes back by itself when there is space again")
def fill_follower():
    on_small_disks("follower")


@case("a leader whose disk is full leaves at once, and comes back by itself; nothing is lost")
def fill_leader():
    on_small_disks("leader")


main()
