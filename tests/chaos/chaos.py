"""What the chaos tests share: load with a judged history, nodes to be killed, gaps to be told.

Rests on tests/e2e/harness.py (TAP, processes, RESP). A suite is short by default, which is what CI
runs; CHAOS_ROUNDS=N or QUORATE_CHAOS=full make it long. Only processes started by the suite are
ever signalled: a node is looked up by its pid file and must be the program under test.
"""
import atexit
import contextlib
import ctypes
import os
import pathlib
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import harness  # noqa: E402 (its directory is known only now)
from harness import (Error, Process, Resp, Serve, Skip, case, encode, equal,  # noqa: E402
                     contains, expect, leader_of, main, need, note, resp, run,
                     wait_until)

TOOLS = pathlib.Path(os.environ.get("CHAOS_TOOLS", ROOT / "build" / "release" / "tools"))
LOAD = TOOLS / "chaos_load"
POWER_CUT = TOOLS / "power_cut"

# How long the load waits for an answer: longer than the server's own limit of 5 s.
ANSWER_LIMIT_MS = 8000
CLOSING_LIMIT_S = 30
# A history of a violation is kept here.
KEPT = ROOT / "build" / "test-logs"

CLONE_NEWNS = 0x20000
MS_REC_PRIVATE = 0x4000 | 0x40000


def rounds(short, full):
    """How often a suite repeats its fault."""
    wanted = os.environ.get("CHAOS_ROUNDS")
    if wanted:
        return int(wanted)
    return full if os.environ.get("QUORATE_CHAOS") == "full" else short


def boottime_us():
    """The clock of the load program's gaps."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * 1e6)


def scratch_directory():
    """Gone when the suite ends."""
    path = tempfile.mkdtemp(prefix="quorate-chaos-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return pathlib.Path(path)


# --- Load -----------------------------------------------------------------------------------------


class Load:
    """tests/chaos/chaos_load.c in the background; stop() judges what it saw."""

    def __init__(self, ports, name="load", **options):
        expect(LOAD.exists(), f"{LOAD} is not built")
        self.directory = scratch_directory()
        self.name = name
        KEPT.mkdir(parents=True, exist_ok=True)
        self.history = KEPT / f"{pathlib.Path(sys.argv[0]).stem}-{name}.history"
        self.seed = random.randrange(1 << 32)
        flags = {"seconds": 0, "timeout-ms": ANSWER_LIMIT_MS, "closing-seconds": CLOSING_LIMIT_S,
                 "seed": self.seed, "prefix": name, "history": self.history,
                 "gaps": self.directory / "gaps"}
        flags.update({key.replace("_", "-"): value for key, value in options.items()})
        command = [LOAD, "--ports", ",".join(str(port) for port in ports)]
        for key, value in flags.items():
            command += [f"--{key}"] if value is None else [f"--{key}", value]
        self.process = Process(command, self.directory, "load")

    def stop(self):
        """Ends the load, prints its figures, fails unless the verdict is ok. Returns the gaps:
        (start, end) in microseconds of boottime_us."""
        code = self.process.stop(signal.SIGTERM, ANSWER_LIMIT_MS / 1000 + CLOSING_LIMIT_S + 60)
        output = self.process.stdout()
        note(f"{self.name}, seed {self.seed}:")
        note(output)
        expect(code == 0 and "verdict: ok" in output,
               lambda: f"{output}{self.process.stderr()}history: {self.history}")
        self.figures = dict(re.findall(r"(\w+)=([\d.]+)", output))
        expect(int(self.figures["ok"]) > 0, "the load did nothing")
        gaps = (self.directory / "gaps").read_text().split("\n")
        return [tuple(int(word) for word in line.split()) for line in gaps if line]


def report_gaps(name, faults, gaps):
    """The longest time without an acknowledged write around each fault, in ms. Told, not asserted:
    absolute times on a shared machine prove nothing."""
    longest = [0.0] * len(faults)
    for start, end in gaps:
        # Each pause belongs to the last fault before its end.
        number = sum(fault < end for fault in faults) - 1
        if number >= 0:
            longest[number] = max(longest[number], (end - start) / 1000)
    if longest:
        note(f"{name}: write gaps in ms: median {statistics.median(longest):.0f}, max "
             f"{max(longest):.0f} (goals 1000 and 3000), each "
             f"{' '.join(f'{gap:.0f}' for gap in longest)}")
    return longest


# --- Nodes ----------------------------------------------------------------------------------------


def is_program_under_test(pid):
    try:
        return os.path.realpath(f"/proc/{pid}/exe") == os.path.realpath(harness.QUORATE)
    except OSError:
        return False


def kill_pid(pid, number=signal.SIGKILL):
    """Signals a node of ours; False when it was gone already."""
    if not is_program_under_test(pid):
        return False
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _leader_now(cluster, nodes):
    """The node that most of `nodes` take for the leader, with the newest term. None if unclear."""
    votes = {}
    for node in nodes:
        with contextlib.suppress(OSError, ValueError, AssertionError, EOFError):
            status = cluster.status(node)
            number = leader_of(status)
            if number:
                votes[number] = votes.get(number, 0) + 1
    best = max(votes, key=votes.get, default=None)
    return best if best is not None and votes[best] * 2 > cluster.nodes else None


def leader(cluster, nodes=None, limit_s=20):
    """The number of the leading node."""
    nodes = list(nodes or cluster.all_nodes())
    return wait_until(lambda: _leader_now(cluster, nodes), limit_s, "a leader that most agree on")


def wait_for_write(port, key, value, limit_s=30):
    """Writes until it is acknowledged; the value must be harmless when written twice."""
    def attempt():
        with Resp(port) as connection:
            return connection.command("SET", key, value) == "OK"
    wait_until(attempt, limit_s, f"a write through port {port}")


def crashes(directory):
    """What no log of a node may say, however it ended: a restart would hide it."""
    found = []
    for path in pathlib.Path(directory).rglob("*"):
        if path.name == "log" or path.suffix == ".stderr":
            for line in path.read_text(errors="replace").split("\n"):
                if re.search(r"check failed at|Sanitizer|runtime error:|out of memory", line):
                    found.append(f"{path.name}: {line}")
    return found


class Dev(harness.Dev):
    """`quorate dev`, held to crashing only when it is killed."""

    def __exit__(self, kind, *rest):
        self.process.stop()
        found = crashes(self.directory)
        super().__exit__(kind, *rest)
        expect(kind is not None or not found, lambda: "\n".join(found))


class Cluster(Serve):
    """Single `quorate serve` processes, for faults that need a grip on one of them."""

    def __init__(self, nodes=3, options=(), directories=None):
        super().__init__(nodes, options)
        self.directories = directories or {}
        self.starts = 0

    def __exit__(self, kind, *rest):
        found = crashes(self.directory)
        super().__exit__(kind, *rest)
        expect(kind is not None or not found, lambda: "\n".join(found))

    def start(self, node, env=None, name=None, **changes):
        """As in Serve, but the log of every start is kept."""
        self.starts += 1
        name = name or f"node{node}.{self.starts}"
        self.processes[node] = super().start(node, env, name, **changes)
        return self.processes[node]

    def data_directory(self, node):
        return self.directories.get(node, self.directory / f"node{node}")

    def command(self, node, **changes):
        flags = {"data-dir": self.data_directory(node), "cluster": self.cluster(),
                 "listen": f"127.0.0.1:{self.resp(node)}", "http": f"127.0.0.1:{self.http(node)}",
                 "peer": f"127.0.0.1:{self.peer(node)}"}
        flags.update({key.replace("_", "-"): value for key, value in changes.items()})
        words = [harness.QUORATE, "serve"]
        for key, value in flags.items():
            if value is not None:
                words += [f"--{key}", value]
        return words + self.options

    def resp_ports(self):
        return [self.resp(node) for node in self.all_nodes()]

    def local_value(self, node, *words):
        """A read of what this node itself holds, or the Error it answers."""
        with Resp(self.resp(node)) as connection:
            return connection.command(*words, "LEVEL", "local")


# --- Privileges -----------------------------------------------------------------------------------


def private_mounts():
    """From here on mounts are this process's own and end with it. Skips without the right to."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 or libc.unshare(CLONE_NEWNS) != 0:
        raise Skip("NOT TESTED HERE: needs root and CAP_SYS_ADMIN to mount filesystems")
    if libc.mount(b"none", b"/", None, MS_REC_PRIVATE, None) != 0:
        raise Skip("NOT TESTED HERE: may not make its mounts private")


def mount(*words):
    done = subprocess.run(["mount", *[str(word) for word in words]], capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        raise Skip(f"NOT TESTED HERE: mount {' '.join(map(str, words))}: {done.stderr.strip()}")
