#!/usr/bin/python3
"""Signals and orderly stops: exit 0, leadership handed over, nothing acknowledged lost."""
# time limit: 300 s
import signal
import threading
import time

from harness import (Error, Resp, Serve, case, equal, expect, fastest, leader_of, main, note, resp,
                     wait_until)

cluster = Serve(3)


class Writer(threading.Thread):
    """Writes through one node without pause; keeps the acknowledged number and the longest gap."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port = port
        self.stopping = False
        self.acknowledged = 0
        self.longest_gap_s = 0.0
        self.errors = []

    def run(self):
        last = time.monotonic()
        with Resp(self.port) as connection:
            while not self.stopping:
                reply = connection.command("SET", "written", str(self.acknowledged + 1))
                if reply == "OK":
                    self.acknowledged += 1
                    now = time.monotonic()
                    self.longest_gap_s = max(self.longest_gap_s, now - last)
                    last = now
                else:
                    self.errors.append(str(reply))

    def finish(self):
        self.stopping = True
        self.join(20)
        expect(not self.is_alive(), "the writer hangs")


@case("a node of a cluster stops on SIGTERM with 0 and comes back")
def term():
    cluster.start_all()
    follower = cluster.leader() % 3 + 1
    equal(cluster.processes[follower].stop(signal.SIGTERM), 0)
    cluster.start(follower)
    cluster.wait_ready()


@case("SIGINT does the same")
def interrupt():
    follower = cluster.leader() % 3 + 1
    equal(cluster.processes[follower].stop(signal.SIGINT), 0)
    cluster.start(follower)
    cluster.wait_ready()


@case("a stopping leader hands over: writes through another node pause for less than 300 ms")
def hand_over():
    def median():
        gaps = sorted(write_gaps(5))
        note(f"longest write gap per stop, ms: {[round(gap * 1000) for gap in gaps]}")
        return gaps[len(gaps) // 2]
    took = fastest(median, 0.3, tries=3)
    expect(took < 0.3, f"median gap {took:.3f} s")


def write_gaps(stops):
    """The longest time without an acknowledged write around each stop of a leader."""
    gaps = []
    for _ in range(stops):
        leader = cluster.leader()
        writer = Writer(cluster.resp(leader % 3 + 1))
        writer.start()
        wait_until(lambda: writer.acknowledged > 50, 10, "writes flow")
        equal(cluster.processes[leader].stop(signal.SIGTERM), 0)
        count = writer.acknowledged
        wait_until(lambda: writer.acknowledged > count + 50, 10, "writes flow again")
        writer.finish()
        equal(writer.errors, [], "refused writes")
        gaps.append(writer.longest_gap_s)
        expect(int(resp(writer.port, "GET", "written")) == writer.acknowledged, "the last write")
        cluster.start(leader)
        cluster.wait_ready()
    return gaps


@case("requests in flight at a stopping node get their answer or an honest error")
def in_flight():
    leader = cluster.leader()
    with Resp(cluster.resp(leader)) as connection:
        for number in range(200):
            connection.send(b"*3\r\n$3\r\nSET\r\n$6\r\nflight\r\n$3\r\n%03d\r\n" % number)
        cluster.processes[leader].send_signal(signal.SIGTERM)
        last = -1
        try:
            for number in range(200):
                reply = connection.read()
                expect(reply == "OK" or isinstance(reply, Error), repr(reply))
                last = number if reply == "OK" else last
        except (EOFError, ConnectionResetError):
            pass  # Not read any more: those have no answer, and may or may not have happened.
    equal(cluster.processes[leader].wait(), 0)
    value = int(wait_until(lambda: resp(cluster.resp(leader % 3 + 1), "GET", "flight"), 10,
                           "a value"))
    expect(value >= last, f"acknowledged {last}, found {value}")
    cluster.start(leader)
    cluster.wait_ready()


@case("USR1 and HUP do not end a node")
def other_signals():
    process = cluster.processes[1]
    process.send_signal(signal.SIGUSR1)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    expect(process.is_running(), "ended")
    equal(resp(cluster.resp(1), "PING"), "PONG")


@case("all three stop at once within the limit, and everything is there after the restart")
def all_at_once():
    equal(resp(cluster.resp(1), "SET", "final", "value"), "OK")
    for process in cluster.processes.values():
        process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    for process in cluster.processes.values():
        equal(process.wait(), 0)
    note(f"{time.monotonic() - began:.2f} s for three nodes")
    cluster.start_all()
    equal(resp(cluster.resp(2), "GET", "final"), b"value")


@case("started in any order, with pauses, the three form one cluster")
def start_order():
    for order in ((3, 1, 2), (2, 3, 1)):
        with Serve(3) as fresh:
            for node in order:
                fresh.start(node)
                time.sleep(0.3)
            fresh.wait_ready()
            leaders = {leader_of(fresh.status(node)) for node in fresh.all_nodes()}
            equal(len(leaders), 1, "leaders")


if __name__ == "__main__":
    main()
