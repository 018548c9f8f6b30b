#!/usr/bin/python3
"""Booting from a list with real processes: any order, kill -9 in the middle, always one cluster."""
# time limit: 300 s
import json
import os
import random
import re
import time

from harness import (Dev, Serve, case, contains, equal, expect, fastest, http_get, main, note, resp,
                     wait_until)

SEED = int(os.environ.get("SEED", random.randrange(2**32)))


def ids_of_node_1(cluster):
    """As each node knows it; the cluster's id is a part of it."""
    ids = {cluster.status(node)["nodes"][0]["id"] for node in cluster.all_nodes()}
    expect(all(re.fullmatch(r"[0-9a-f]{16}-1", name) for name in ids), ids)
    return ids


@case("ten random boots with kill -9 in the middle each form one cluster that serves")
def random_boots():
    note(f"SEED={SEED}")
    source = random.Random(SEED)
    for _ in range(10):
        with Serve(source.choice([2, 3, 5])) as cluster:
            order = list(cluster.all_nodes())
            source.shuffle(order)
            for node in order:
                cluster.start(node)
                time.sleep(source.random() * 0.15)
                if source.random() < 0.5:
                    victim = source.choice(list(cluster.processes))
                    cluster.processes[victim].kill()
                    cluster.start(victim)
            cluster.wait_ready()
            equal(resp(cluster.resp(1), "SET", "boot", "ed"), "OK")
            for node in cluster.all_nodes():
                equal(resp(cluster.resp(node), "GET", "boot"), b"ed", f"node {node}")
            equal(len(ids_of_node_1(cluster)), 1, "clusters")


@case("a node that waits says for whom, in /readyz, the status and every 5 s in the log")
def waiting():
    with Serve(3) as cluster:
        cluster.start(1)
        cluster.start(2)
        wait_until(lambda: http_get(cluster.http(2), "/livez")[0] == 200, 10, "/livez")
        missing = f"127.0.0.1:{cluster.peer(3)}"

        def says_so():
            status, _, body = http_get(cluster.http(2), "/readyz")
            equal(status, 503)
            return missing.encode() in body and f":{cluster.peer(1)}".encode() not in body
        wait_until(says_so, 5, "/readyz names node 3 only")
        contains(json.dumps(cluster.status(2)), missing, "/status")
        wait_until(lambda: sum(f"waiting for {missing}" in line for line in
                               cluster.processes[2].stderr().split("\n")) >= 2, 12, "two log lines")
        cluster.start(3)
        cluster.wait_ready()
        equal(http_get(cluster.http(2), "/readyz")[0], 200)


@case("a cluster of one serves by itself at once")
def one():
    with Serve(1) as cluster:
        began = time.monotonic()
        cluster.start_all()
        took = time.monotonic() - began
        note(f"ready after {took * 1000:.0f} ms")
        equal(resp(cluster.resp(1), "SET", "k", "v"), "OK")
        equal(resp(cluster.resp(1), "GET", "k"), b"v")
        equal(cluster.processes[1].stop(), 0)
        cluster.start_all()
        equal(resp(cluster.resp(1), "GET", "k"), b"v")


@case("clusters of five and seven form and serve with two or three nodes down")
def larger():
    for nodes, down in ((5, 2), (7, 3)):
        with Serve(nodes) as cluster:
            cluster.start_all()
            equal(resp(cluster.resp(1), "SET", "k", "v"), "OK")
            victims = [cluster.leader()]
            victims += [node for node in cluster.all_nodes() if node not in victims][:down - 1]
            for node in victims:
                cluster.processes[node].kill()
            for node in cluster.all_nodes():
                if node not in victims:
                    equal(resp(cluster.resp(node), "GET", "k"), b"v", f"node {node} of {nodes}")


@case("the time from start to ready of a new cluster of three is within two seconds")
def quick():
    def measure():
        began = time.monotonic()
        with Dev(3):
            took = time.monotonic() - began
        note(f"ready after {took * 1000:.0f} ms")
        return took
    expect(fastest(measure, 2) < 2)


if __name__ == "__main__":
    main()
