#!/usr/bin/python3
"""What a new user does first: a three-node cluster by one command, then redis-cli at any node."""
# time limit: 300 s
import json
import os
import pathlib
import re
import signal
import time

from harness import (QUORATE, Dev, Resp, answers_ping, case, contains, encode, equal, expect,
                     fastest, http_get, leader_of, main, need, note, run, settled, wait_until)


dev = Dev(3)


def cli(node, *words):
    code, out, err = run([need("redis-cli"), "-p", dev.resp(node), *words])
    equal(code, 0, f"redis-cli {words}: {err}")
    return out.rstrip("\n")


@case("quorate dev starts three nodes and prints ready once every node serves")
def starts():
    dev.start()
    for node in dev.all_nodes():
        status, _, body = http_get(dev.http(node), "/readyz")
        equal(status, 200, f"/readyz of node {node}: {body!r}")
        os.kill(dev.pid_of(node), 0)


@case("a value set at node 1 is read at once at nodes 2 and 3")
def set_and_get():
    for round_number in range(50):
        equal(cli(1, "set", "a", f"value {round_number}"), "OK")
        for node in (2, 3):
            equal(cli(node, "get", "a"), f"value {round_number}", f"node {node}")


@case("every node takes writes and passes them on")
def writes_everywhere():
    for node in dev.all_nodes():
        equal(cli(node, "incr", "counter"), str(node))
        equal(cli(node, "rpush", "list", f"from {node}"), str(node))
    equal(cli(2, "lrange", "list", "0", "-1"), "from 1\nfrom 2\nfrom 3")


@case("redis-benchmark -t set,get -n 100000 -q ends well at a leader and at a follower")
def benchmark():
    leader = leader_of(dev.status(1))
    for node in (leader, leader % 3 + 1):
        code, out, err = run([need("redis-benchmark"), "-p", dev.resp(node), "-t", "set,get",
                              "-n", "100000", "-q"], limit_s=120)
        out = out.replace("\r", "\n")
        equal(code, 0, f"redis-benchmark: {out[-500:]} {err[-500:]}")
        for command in ("SET", "GET"):
            line = re.search(rf"^{command}: ([\d.]+) requests per second.*$", out, re.M)
            expect(line, f"no result of {command} in {out!r}")
            note(f"{'leader' if node == leader else 'follower'} {line.group(0)}")


@case("redis-benchmark with pipelining ends well")
def benchmark_pipelined():
    code, out, err = run([need("redis-benchmark"), "-p", dev.resp(1), "-t",
                          "set,get,incr,lpush,rpush,lpop,rpop,lrange_100,mset", "-n", "20000", "-P",
                          "16", "-q"], limit_s=120)
    equal(code, 0, f"{out[-500:]} {err[-500:]}")
    expect("error" not in out.lower(), out[-500:])


@case("a pipeline that mixes reads and writes waits for no timer, at any node")
def mixed_pipeline():
    def measure(node):
        with Resp(dev.resp(node)) as connection:
            began = time.monotonic()
            connection.send(b"".join(encode("SET", "mixed", i) + encode("GET", "mixed")
                                     for i in range(100)))
            replies = [connection.read() for _ in range(200)]
            took = time.monotonic() - began
        equal(replies[1::2], [str(i).encode() for i in range(100)])
        note(f"node {node}: 100 times SET and GET in {took * 1000:.0f} ms")
        return took
    for node in dev.all_nodes():
        took = fastest(lambda node=node: measure(node), 0.8)
        expect(took < 0.8, f"node {node}: {took:.2f} s")


@case("quorate status -o json says who leads what, term, commit and applied index")
def status_command():
    code, out, err = run([QUORATE, "status", "--http", f"127.0.0.1:{dev.http(2)}", "-o", "json"])
    equal(code, 0, err)
    status = json.loads(out)
    expect(isinstance(status["verdict"], str) and status["verdict"], "a verdict")
    equal([node["number"] for node in status["nodes"]], [1, 2, 3])
    for node in status["nodes"]:
        for field in ("id", "addresses", "state", "leads", "lag"):
            expect(field in node, f"no {field} in {node}")
    shard = status["shards"][0]
    for field in ("id", "keyspace", "leader", "replicas", "term", "commit", "applied"):
        expect(field in shard, f"no {field} in {shard}")
    expect(shard["leader"] in (1, 2, 3), shard)
    equal(sorted(shard["replicas"]), [1, 2, 3])
    expect(shard["term"] >= 1 and shard["commit"] >= shard["applied"] > 0, shard)
    leader = next(node for node in status["nodes"] if node["number"] == shard["leader"])
    expect(shard["id"] in leader["leads"], leader)


@case("quorate status as a table or plain names every node")
def status_forms():
    for form in ("table", "plain"):
        code, out, err = run([QUORATE, "status", "--http", f"127.0.0.1:{dev.http(1)}", "-o", form])
        equal(code, 0, err)
        contains(out, str(dev.peer(1)), form)
        contains(out, str(dev.peer(3)), form)


@case("quorate status of a node that is not there exits 1 and says so")
def status_unreachable():
    code, out, err = run([QUORATE, "status", "--http", f"127.0.0.1:{dev.base + 9}"], limit_s=20)
    equal(code, 1)
    contains(err, str(dev.base + 9))


@case("a killed node is restarted and catches up")
def killed_node():
    leader = leader_of(dev.status(1))
    victim = leader % 3 + 1
    before = dev.pid_of(victim)
    os.kill(before, signal.SIGKILL)
    equal(cli(leader, "set", "while-away", "written"), "OK")

    def back():
        return dev.pid_of(victim) != before and dev.is_ready(victim)
    wait_until(back, 20, f"node {victim} is back with a new pid")
    with Resp(dev.resp(victim)) as connection:
        wait_until(lambda: connection.command("GET", "while-away", "LEVEL", "local") == b"written",
                   10, "the restarted node has caught up by itself")


@case("Ctrl-C stops all nodes and exits 0")
def ctrl_c():
    pids = [dev.pid_of(node) for node in dev.all_nodes()]
    equal(dev.process.stop(signal.SIGINT), 0, dev.process.stderr()[-1000:])
    for pid in pids:
        expect(not pathlib.Path(f"/proc/{pid}").exists(), f"{pid} still runs")


@case("data survive a restart of the whole cluster")
def restart():
    dev.start()
    equal(cli(3, "get", "counter"), "3")
    equal(cli(2, "lrange", "list", "0", "-1"), "from 1\nfrom 2\nfrom 3")
    equal(cli(1, "get", "while-away"), "written")


@case("data survive kill -9 of all nodes at once")
def kill_all():
    equal(cli(1, "set", "last", "words"), "OK")
    pids = {node: dev.pid_of(node) for node in dev.all_nodes()}
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: all(dev.pid_of(node) != pids[node] and dev.is_ready(node) for node in pids),
               20, "all nodes are back")
    equal(cli(2, "get", "last"), "words")


@case("the data directories are for their owner only")
def modes():
    for node in dev.all_nodes():
        directory = dev.directory / "data" / "nodes" / str(node)
        equal(oct(directory.stat().st_mode & 0o777), oct(0o700), str(directory))


@case("a second dev on the same ports fails at once and names the port, the first goes on")
def second_dev():
    code, out, err = run([QUORATE, "dev", "--nodes", "3", "--dir", dev.directory / "other",
                          "--base-port", dev.base], limit_s=30)
    expect(code not in (0, -9), f"exit {code}")
    expect(re.search(r"port \d+ is in use", out + err), out + err)
    expect(answers_ping(dev.resp(1)), "the first still answers")


@case("without --no-restart nodes come back; with it they stay down and the others go on")
def no_restart():
    equal(dev.process.stop(signal.SIGTERM), 0, dev.process.stderr()[-1000:])
    dev.options = ["--no-restart"]
    dev.start()
    victim = leader_of(dev.status(1))
    other = victim % 3 + 1
    pid = dev.pid_of(victim)
    os.kill(pid, signal.SIGKILL)
    equal(settled(dev.resp(other), "SET", "after", "1"), "OK")
    expect(dev.process.is_running(), "the supervisor goes on")
    wait_until(lambda: not pathlib.Path(f"/proc/{pid}").exists(), 5, "the victim is gone")
    equal(dev.process.stop(signal.SIGINT), 0)


if __name__ == "__main__":
    main()
