#!/usr/bin/python3
"""An acknowledged write is on two disks: counted by strace, not believed."""
import re

from chaos import Cluster, Resp, case, equal, expect, main, need, note

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


@case("100 writes of one client cost at least 100 fdatasyncs on at least two nodes")
def count_syncs():
    with Traced(3) as cluster:
        cluster.start_all()
        with Resp(cluster.resp(cluster.leader())) as connection:
            equal(connection.ok("SET", "warm", "up"), "OK")
            before = {node: syncs(cluster.trace(node)) for node in cluster.all_nodes()}
            for number in range(WRITES):
                equal(connection.ok("SET", "counted", number), "OK")
        after = {node: syncs(cluster.trace(node)) for node in cluster.all_nodes()}
        spent = {node: after[node] - before[node] for node in cluster.all_nodes()}
        note(f"fdatasyncs for {WRITES} writes by node: {spent}")
        enough = [node for node, count in spent.items() if count >= WRITES]
        expect(len(enough) >= 2, f"only nodes {enough} synced every write: {spent}")


main()
