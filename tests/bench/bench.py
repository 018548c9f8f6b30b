#!/usr/bin/python3
"""`make bench`: Quorate beside redis-server and etcd, in one run on one machine.

usage: tests/bench/bench.py [--rounds N] [--seconds S] [--only SYSTEM,...] [--target leader|all]

Three Quorate nodes and three etcd nodes, both with every write on the disks of a majority, and one
redis-server with appendfsync always (no replication: less work, shown as a yardstick). All data lie
below build/bench-data. The client is our own load generator (tests/bench/loadgen.c) for all: RESP
for two, gRPC for etcd; the same 16-byte keys, 128-byte values, connections and requests in flight.
The systems take turns in every round, so that a slow minute of the machine hits all of them; shown
are medians over the rounds with the smallest and the largest. Prints Markdown, also to
build/bench.md.
"""
import argparse
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from harness import Process, Resp, free_base_port, leader_of, wait_until  # noqa: E402

QUORATE = os.path.abspath(os.environ.get("QUORATE_BIN", ROOT / "build/release/quorate"))
LOADGEN = ROOT / "build/release/tools/loadgen"
DATA = ROOT / "build/bench-data"
KEYS = 10000
SHAPES = [(1, 1), (50, 1), (256, 1), (50, 16)]  # Connections, requests in flight on each.


def loadgen(system, operation, clients, pipeline, seconds):
    command = [LOADGEN, "--protocol", system.protocol, "--port", system.ports(), "--op", operation,
               "--clients", clients, "--pipeline", pipeline, "--seconds", seconds, "--keys", KEYS,
               "--value-size", 128]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=seconds + 60, check=False)
    if done.returncode != 0:
        raise SystemExit(f"loadgen on {system.name}: {done.stdout}{done.stderr}")
    return {key: float(value) for key, value in re.findall(r"(\w+)=([\d.]+)", done.stdout)}


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(system, operation, shape, seconds):
    """One run of the load, with the CPU time that the servers spent on it."""
    before = sum(cpu_seconds(pid) for pid in system.server_pids())
    run = loadgen(system, operation, *shape, seconds)
    spent = sum(cpu_seconds(pid) for pid in system.server_pids()) - before
    # The first fifth is not counted as operations, but is work all the same.
    run["cpu_us"] = spent * 1e6 / max(1, run["ops_per_s"] * seconds)
    return run


class System:
    """One competitor: started once, measured many times."""
    protocol = "resp"
    program = None  # What must be on PATH.

    def __init__(self, target):
        self.target = target
        self.processes = []
        self.directory = DATA / self.name
        self.directory.mkdir(parents=True)

    def spawn(self, command, name):
        process = Process(command, self.directory, name)
        self.processes.append(process)
        return process

    def stop(self):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(20)
            except AssertionError:
                process.kill()

    def server_pids(self):
        return [process.pid for process in self.processes]

    def ports(self):
        """Of the leader, or of all nodes."""
        if self.target == "all":
            return ",".join(str(port) for port in self.client_ports)
        return str(self.leader_port())


class Quorate(System):
    name = "quorate"
    title = "Quorate, 3 nodes"

    def start(self):
        base = free_base_port(3)
        self.client_ports = [base, base + 10, base + 20]
        dev = self.spawn([QUORATE, "dev", "--nodes", 3, "--dir", self.directory / "data",
                          "--base-port", base], "dev")
        wait_until(lambda: "ready" in dev.stdout().split(), 30, f"ready; {dev.stderr()[-500:]}")

    def server_pids(self):
        return [int(path.read_text()) for path in (self.directory / "data" / "nodes").glob("*/pid")]

    def leader_port(self):
        def find():
            url = f"http://127.0.0.1:{self.client_ports[0] + 1}/status"
            with urllib.request.urlopen(url, timeout=5) as answer:
                leader = leader_of(json.load(answer))
            return leader and self.client_ports[leader - 1]
        return wait_until(find, 20, "Quorate has a leader")

    def version(self):
        return subprocess.run([QUORATE, "--version"], capture_output=True, text=True,
                              check=True).stdout.strip()


class Etcd(System):
    name = "etcd"
    title = "etcd, 3 nodes"
    protocol = "etcd"
    program = "etcd"

    def start(self):
        base = free_base_port(3)
        self.client_ports = [base, base + 10, base + 20]
        cluster = ",".join(f"n{port}=http://127.0.0.1:{port + 1}" for port in self.client_ports)
        for port in self.client_ports:
            self.spawn(["etcd", "--name", f"n{port}", "--data-dir", self.directory / str(port),
                        "--listen-client-urls", f"http://127.0.0.1:{port}",
                        "--advertise-client-urls", f"http://127.0.0.1:{port}",
                        "--listen-peer-urls", f"http://127.0.0.1:{port + 1}",
                        "--initial-advertise-peer-urls", f"http://127.0.0.1:{port + 1}",
                        "--initial-cluster", cluster, "--log-level", "error",
                        "--quota-backend-bytes", 8 << 30], f"n{port}")
        self.leader_port()

    def leader_port(self):
        def find():
            for port in self.client_ports:
                request = urllib.request.Request(
                    f"http://127.0.0.1:{port}/v3/maintenance/status", data=b"{}")
                with urllib.request.urlopen(request, timeout=5) as answer:
                    status = json.load(answer)
                if status.get("leader") == status["header"]["member_id"]:
                    return port
            return None
        return wait_until(find, 30, "etcd has a leader")

    def version(self):
        return subprocess.run(["etcd", "--version"], capture_output=True, text=True,
                              check=True).stdout.split("\n")[0]


class Redis(System):
    name = "redis"
    title = "redis-server, 1 node, appendfsync always"
    program = "redis-server"

    def start(self):
        self.client_ports = [free_base_port(1)]
        self.spawn(["redis-server", "--port", self.client_ports[0], "--bind", "127.0.0.1", "--dir",
                    self.directory, "--appendonly", "yes", "--appendfsync", "always", "--save", ""],
                   "redis")
        wait_until(lambda: Resp(self.client_ports[0]).ok("PING") == "PONG", 20, "redis answers")

    def leader_port(self):
        return self.client_ports[0]

    def version(self):
        return subprocess.run(["redis-server", "--version"], capture_output=True, text=True,
                              check=True).stdout.split(" sha")[0]


def micro(value):
    return f"{value / 1000:.2f} ms" if value >= 1000 else f"{value:.0f} us"


def rate(value):
    return f"{value / 1000:.1f}k" if value >= 1000 else f"{value:.0f}"


def table(systems, results, operation):
    """One row per shape, four columns per system."""
    lines = [f"### {operation.upper()}", "",
             "| clients x in flight | " + " | ".join(
                 f"{system.title}: ops/s (min-max) | p50 | p99 | CPU/op" for system in systems) +
             " | Quorate / etcd | Quorate / redis |"]
    lines.append("|---" * (3 + 4 * len(systems)) + "|")
    for shape in SHAPES:
        cells = [f"{shape[0]} x {shape[1]}"]
        medians = {}
        for system in systems:
            runs = results[system.name, operation, shape]
            rates = [run["ops_per_s"] for run in runs]
            medians[system.name] = statistics.median(rates)
            cells += [f"**{rate(medians[system.name])}** ({rate(min(rates))}-{rate(max(rates))})",
                      micro(statistics.median(run["p50_us"] for run in runs)),
                      micro(statistics.median(run["p99_us"] for run in runs)),
                      micro(statistics.median(run["cpu_us"] for run in runs))]
        for other in ("etcd", "redis"):
            both = "quorate" in medians and other in medians
            cells.append(f"{medians['quorate'] / medians[other]:.2f}" if both else "-")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def machine():
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return f"{os.cpu_count()} CPUs ({cpu.group(1) if cpu else platform.machine()}), " \
           f"Linux {platform.release()}, load before the run {os.getloadavg()[0]:.2f}"


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--only", default="quorate,etcd,redis")
    parser.add_argument("--target", choices=["leader", "all"], default="leader")
    options = parser.parse_args()
    for program in (QUORATE, LOADGEN):
        if not os.access(program, os.X_OK):
            raise SystemExit(f"bench: {program} is missing: build first (make release; tools)")
    before = machine()
    shutil.rmtree(DATA, ignore_errors=True)
    chosen = options.only.split(",")
    systems = []
    for kind in (Quorate, Etcd, Redis):
        if kind.name in chosen:
            if kind.program is not None and shutil.which(kind.program) is None:
                print(f"bench: {kind.name} is not installed, left out", file=sys.stderr)
                continue
            systems.append(kind(options.target))
    results = {}
    try:
        for system in systems:
            system.start()
            loadgen(system, "fill", 8, 16, 1)
        for number in range(options.rounds):
            for operation in ("set", "get"):
                for shape in SHAPES:
                    # Another one begins each round.
                    for turn in range(len(systems)):
                        system = systems[(number + turn) % len(systems)]
                        run = measure(system, operation, shape, options.seconds)
                        results.setdefault((system.name, operation, shape), []).append(run)
                        print(f"round {number + 1} {operation} {shape[0]} x {shape[1]} "
                              f"{system.name}: {run['ops_per_s']:.0f}/s", file=sys.stderr)
    finally:
        for system in systems:
            system.stop()
        shutil.rmtree(DATA, ignore_errors=True)
    where = "the leader" if options.target == "leader" else "all nodes in turn"
    lines = ["# Bench", "", f"- {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, {before}",
             *(f"- {system.version()}" for system in systems),
             "- client: tests/bench/loadgen (own; epoll, one thread; RESP, for etcd gRPC), "
             f"connected to {where}; it shares the CPUs with all the servers",
             f"- {KEYS} keys of 16 bytes, values of 128 bytes; {options.rounds} rounds of "
             f"{options.seconds} s each (the first fifth not counted), systems in turn; medians",
             "- Quorate and etcd: every SET is on the disks of two of three nodes when it is "
             "acknowledged, every GET is linearizable. redis: one node, one disk.",
             "- CPU/op: CPU time of all the system's servers together per operation; unlike the "
             "rates it hardly depends on what else the machine does.", ""]
    for operation in ("set", "get"):
        lines += table(systems, results, operation) + [""]
    text = "\n".join(lines)
    (ROOT / "build" / "bench.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
