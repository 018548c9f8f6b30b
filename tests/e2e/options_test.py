#!/usr/bin/python3
"""Quorate's own command options with real nodes: LEVEL, MAXSTALE, REQID."""
import time

from harness import (Error, Resp, Serve, case, contains, equal, expect, main, resp, settled,
                     wait_until)

cluster = Serve(3)


def new_id(name):
    return f"{int(time.time() * 1000)}-{name}"


@case("LEVEL local reads what the replica has; LEVEL linearizable is the default")
def levels():
    cluster.start_all()
    equal(resp(cluster.resp(1), "SET", "k", "v"), "OK")
    for node in cluster.all_nodes():
        equal(resp(cluster.resp(node), "GET", "k", "LEVEL", "linearizable"), b"v")
        wait_until(lambda node=node: resp(cluster.resp(node), "GET", "k", "level", "LOCAL") == b"v",
                   5, f"node {node} has it")
    contains(str(resp(cluster.resp(1), "GET", "k", "LEVEL", "causal")), "LEVEL")
    reply = resp(cluster.resp(1), "SET", "k", "w", "LEVEL", "local")
    expect(isinstance(reply, Error), f"a local write must be refused: {reply!r}")


@case("MAXSTALE refuses a local read at a replica that lags, and serves one that does not")
def max_stale():
    leader = cluster.leader()
    survivor = leader % 3 + 1
    equal(resp(cluster.resp(survivor), "GET", "k", "LEVEL", "local", "MAXSTALE", "10000"), b"v")
    for node in cluster.all_nodes():
        if node != survivor:
            cluster.processes[node].kill()
    time.sleep(1.5)
    equal(resp(cluster.resp(survivor), "GET", "k", "LEVEL", "local"), b"v")
    reply = resp(cluster.resp(survivor), "GET", "k", "LEVEL", "local", "MAXSTALE", "200")
    expect(isinstance(reply, Error), f"a stale read: {reply!r}")
    for node in cluster.all_nodes():
        if node != survivor:
            cluster.start(node)
    cluster.wait_ready()


@case("a write repeated with its REQID is carried out once, at any node")
def request_id():
    identity = new_id("once")
    for node in (1, 2, 3, 1):
        equal(resp(cluster.resp(node), "INCR", "counted", "REQID", identity), 1, f"node {node}")
    equal(resp(cluster.resp(1), "GET", "counted"), b"1")
    equal(resp(cluster.resp(1), "INCR", "counted", "REQID", new_id("other")), 2)


@case("the first reply is kept, an error and a list pop too")
def first_reply():
    with Resp(cluster.resp(2)) as connection:
        connection.ok("RPUSH", "popped", "a", "b", "c")
        identity = new_id("pop")
        equal([connection.ok("LPOP", "popped", "REQID", identity) for _ in range(3)], [b"a"] * 3)
        equal(connection.ok("LLEN", "popped"), 2)
        connection.ok("SET", "text", "abc")
        identity = new_id("error")
        first = str(connection.command("INCR", "text", "REQID", identity))
        contains(first, "not an integer")
        connection.ok("SET", "text", "1")
        equal(str(connection.command("INCR", "text", "REQID", identity)), first)
        equal(connection.ok("GET", "text"), b"1")


@case("a REQID is known after a change of leader and after a restart of all nodes")
def request_id_survives():
    identity = new_id("survives")
    equal(resp(cluster.resp(1), "INCR", "survived", "REQID", identity), 1)
    leader = cluster.leader()
    cluster.processes[leader].kill()
    equal(settled(cluster.resp(leader % 3 + 1), "INCR", "survived", "REQID", identity), 1)
    cluster.start(leader)
    cluster.wait_ready()
    for process in cluster.processes.values():
        process.kill()
    cluster.start_all()
    equal(resp(cluster.resp(leader), "INCR", "survived", "REQID", identity), 1)
    equal(resp(cluster.resp(leader), "GET", "survived"), b"1")


@case("a write survives its leader being killed at once, seen through any other node")
def kill_leader():
    for number in range(5):
        leader = cluster.leader()
        other = leader % 3 + 1
        equal(resp(cluster.resp(leader), "SET", "survivor", str(number)), "OK")
        cluster.processes[leader].kill()
        equal(resp(cluster.resp(other), "GET", "survivor"), str(number).encode())
        cluster.start(leader)
        cluster.wait_ready()


if __name__ == "__main__":
    main()
