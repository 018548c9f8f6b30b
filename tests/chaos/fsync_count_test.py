#!/usr/bin/python3
"""An acknowledged write is on two disks: counted by strace, not believed."""
import re

from chaos import Cluster, Resp, case, equal, expect, leader, main, need, note

WRITES = 100


def syncs(trace):
    """Calls begun; a call that another thread interrupts is printed in two parts."""
    return len(re.findall(r"\bfdatasync\(\d", trace.read_text(errors="replace")))


class Traced(Cluster):
    """Each node runs under strace, which notes every fdatasync in node<i>.trace."""

    def trace(self, node):
        return self.directory / f"node{node}.trace"

    def command(self, node, **changes):
        return [need("strace"), "-f", "-qq", "-e", "trace=fdatasync", "-o", self.trace(node), "--",
                *super().command(node, **changes)]


def count_syncs(cluster):
    """fdatasyncs by node while one client writes, one after another."""
    nodes = list(cluster.processes)
    with Resp(cluster.resp(leader(cluster, nodes))) as connection:
        equal(connection.ok("SET", "warm", "up"), "OK")
        before = {node: syncs(cluster.trace(node)) for node in nodes}
        for number in range(WRITES):
            equal(connection.ok("SET", "counted", number), "OK")
    spent = {node: syncs(cluster.trace(node)) - before[node] for node in nodes}
    note(f"fdatasyncs for {WRITES} writes by node: {spent}")
    return spent


@case("100 writes of one client cost at least 100 fdatasyncs on each of two nodes of three")
def two_of_three():
    with Traced(3) as cluster:
        cluster.start_all()
        # Without the third node both others must sync every write before it is acknowledged.
        absent = leader(cluster) % 3 + 1
        cluster.processes.pop(absent).kill()
        spent = count_syncs(cluster)
        expect(min(spent.values()) >= WRITES, f"a write was acknowledged unsynced: {spent}")


@case("100 writes of one client cost at least 200 fdatasyncs on three nodes")
def all_three():
    # A write is acknowledged when two nodes have synced since it was sent, whichever these are: the
    # third may take several in one sync, so no single node's count says anything.
    with Traced(3) as cluster:
        cluster.start_all()
        spent = count_syncs(cluster)
        expect(sum(spent.values()) >= 2 * WRITES, f"a write was acknowledged unsynced: {spent}")


main()
