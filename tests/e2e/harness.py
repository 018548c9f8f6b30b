"""What every end-to-end test needs: TAP output, real processes with bounded waits, raw clients.

A suite is a file <name>_test.py whose functions are decorated with @case("a sentence") and which
ends with `harness.main()`. Cases run in the order of the file. A case fails by any exception, is
skipped by `raise Skip("why")`.

The program under test is build/release/quorate or $QUORATE_BIN. Every process started here dies
with the test (PR_SET_PDEATHSIG, and a group kill at the end); nothing else is ever killed.
"""
import atexit
import contextlib
import ctypes
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
QUORATE = os.path.abspath(os.environ.get("QUORATE_BIN", ROOT / "build" / "release" / "quorate"))

READY_LIMIT_S = 30
STOP_LIMIT_S = 15
IO_LIMIT_S = 10
PR_SET_PDEATHSIG = 1

_cases = []
_processes = []
_directories = []
_reported = set()
_libc = ctypes.CDLL(None, use_errno=True)


class Skip(Exception):
    """The case cannot be judged here; its text says why."""


# --- TAP ----------------------------------------------------------------------------------------


def case(sentence):
    def register(function):
        _cases.append((sentence, function))
        return function
    return register


def note(text):
    for line in str(text).rstrip().split("\n"):
        print("# " + line, flush=True)


def main():
    """Runs the cases, prints TAP, exits 1 when one failed."""
    wanted = sys.argv[1:]
    chosen = [entry for entry in _cases if not wanted or any(w in entry[0] for w in wanted)]
    failed = 0
    if not os.access(QUORATE, os.X_OK):
        sys.exit(f"{QUORATE} is missing: build it first (make release), or set QUORATE_BIN")
    print(f"1..{len(chosen)}", flush=True)
    for number, (sentence, function) in enumerate(chosen, 1):
        began = time.monotonic()
        try:
            function()
            _expect_no_crash()
            print(f"ok {number} - {sentence}", flush=True)
        except Skip as why:
            print(f"ok {number} - {sentence} # SKIP {why}", flush=True)
        except Exception:  # Every kind of failure of a case is reported, then the next one runs.
            failed += 1
            print(f"not ok {number} - {sentence}", flush=True)
            note(traceback.format_exc())
        took = time.monotonic() - began
        if took > 5:
            note(f"{took:.1f} s")
    _stop_everything()
    sys.exit(1 if failed else 0)


def _expect_no_crash():
    """No process that a case started may have failed a check or a sanitizer, whoever noticed."""
    for process in _processes:
        for path in process.logs():
            if path in _reported or not path.exists():
                continue
            with open(path, errors="replace") as log:
                bad = [line for line in log if "check failed" in line or "Sanitizer:" in line]
            if bad:
                _reported.add(path)
                raise AssertionError(f"{path}: {bad[0]}")


def expect(condition, text="expectation failed"):
    if not condition:
        raise AssertionError(text() if callable(text) else text)


def equal(got, wanted, what=""):
    if got != wanted:
        raise AssertionError(f"{what + ': ' if what else ''}got {got!r}, wanted {wanted!r}")


def contains(text, part, what=""):
    text = text.decode(errors="replace") if isinstance(text, bytes) else text
    if part.lower() not in text.lower():
        raise AssertionError(f"{what + ': ' if what else ''}no {part!r} in {text!r}")


def wait_until(predicate, limit_s, what):
    """Polls until `predicate` returns something true, and returns that."""
    end = time.monotonic() + limit_s
    problem = None
    while time.monotonic() < end:
        try:
            result = predicate()
            if result:
                return result
            problem = None
        except (OSError, http.client.HTTPException, ValueError, EOFError) as error:
            problem = error
        time.sleep(0.02)
    raise AssertionError(f"not within {limit_s} s: {what}" + (f" ({problem})" if problem else ""))


# --- Processes ----------------------------------------------------------------------------------


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Process:
    """A child in its own process group, its output in files."""

    def __init__(self, command, directory, name="out", env=None, cwd=None, user=None):
        self.command = [str(word) for word in command]
        self.out_path = pathlib.Path(directory) / f"{name}.stdout"
        self.err_path = pathlib.Path(directory) / f"{name}.stderr"
        self.more_logs = []  # Of processes that this one starts.
        environment = {key: value for key, value in os.environ.items()
                       if not key.startswith("QUORATE_")}
        environment.update(env or {})
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.child = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment,
                cwd=cwd, start_new_session=True, preexec_fn=_die_with_parent, user=user,
                group=user, extra_groups=[] if user is not None else None)
        self.pid = self.child.pid
        _processes.append(self)

    def stdout(self):
        return self.out_path.read_text(errors="replace")

    def stderr(self):
        return self.err_path.read_text(errors="replace")

    def logs(self):
        return [self.err_path, *self.more_logs]

    def is_running(self):
        return self.child.poll() is None

    def wait(self, limit_s=STOP_LIMIT_S):
        """The exit code, negative for a signal."""
        try:
            return self.child.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{' '.join(self.command)} did not end within {limit_s} s; "
                                 f"stderr ends: {self.stderr()[-2000:]}") from None

    def send_signal(self, number):
        if self.is_running():
            self.child.send_signal(number)

    def stop(self, number=signal.SIGTERM, limit_s=STOP_LIMIT_S):
        self.send_signal(number)
        return self.wait(limit_s)

    def kill(self):
        """Ends the child and what it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.child.wait(STOP_LIMIT_S)


def _stop_everything():
    for process in _processes:
        if process.is_running():
            process.kill()
    _processes.clear()
    for path in _directories:
        shutil.rmtree(path, ignore_errors=True)
    _directories.clear()


def _on_signal(number, frame):
    _stop_everything()
    os._exit(128 + number)


atexit.register(_stop_everything)
signal.signal(signal.SIGTERM, _on_signal)
signal.signal(signal.SIGINT, _on_signal)


def run(command, limit_s=60, stdin=b"", env=None, cwd=None, user=None):
    """Runs to the end: (exit code, stdout, stderr) as text. A hang is a failure."""
    environment = {key: value for key, value in os.environ.items()
                   if not key.startswith("QUORATE_")}
    environment.update(env or {})
    try:
        done = subprocess.run([str(word) for word in command], input=stdin, capture_output=True,
                              timeout=limit_s, env=environment, cwd=cwd, user=user, group=user,
                              extra_groups=[] if user is not None else None,
                              preexec_fn=_die_with_parent)
    except subprocess.TimeoutExpired as late:
        raise AssertionError(f"{command} did not end within {limit_s} s; "
                             f"stderr: {late.stderr}") from None
    return (done.returncode, done.stdout.decode(errors="replace"),
            done.stderr.decode(errors="replace"))


def need(program):
    path = shutil.which(program)
    if path is None:
        raise Skip(f"{program} is not installed")
    return path


def new_directory():
    """Removed when the test ends."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="quorate-e2e-"))
    _directories.append(path)
    return path


@contextlib.contextmanager
def temporary_directory():
    path = new_directory()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


# --- Ports --------------------------------------------------------------------------------------


def _is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_base_port(nodes=3):
    """A port P such that P + 10 i + {0, 1, 2} are free: below the ephemeral range."""
    for _ in range(200):
        base = random.randrange(12000, 30000, 10)
        if all(_is_free(base + 10 * node + k) for node in range(nodes) for k in range(3)):
            return base
    raise AssertionError("no free ports")


# --- RESP ---------------------------------------------------------------------------------------


class Error(Exception):
    """An error reply."""


def encode(*words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


class Resp:
    """A raw RESP connection that knows both protocol versions and hides nothing."""

    def __init__(self, port, limit_s=IO_LIMIT_S):
        self.socket = socket.create_connection(("127.0.0.1", port), limit_s)
        self.socket.settimeout(limit_s)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError(f"the connection ended after {line!r}")
        return line[:-2]

    def is_closed_by_peer(self):
        """Reads to the end; true when the server has closed the connection."""
        try:
            return self.file.read() is not None
        except ConnectionResetError:
            return True

    def read(self):
        """One reply. Errors are returned as Error, not raised; RESP3 types as Python's."""
        line = self.line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return Error(rest.decode(errors="replace"))
        if kind == b":":
            return int(rest)
        if kind == b"_":
            return None
        if kind == b"#":
            return rest == b"t"
        if kind == b",":
            return float(rest)
        if kind in b"$=":
            size = int(rest)
            if size < 0:
                return None
            data = self.file.read(size + 2)
            if len(data) != size + 2 or data[-2:] != b"\r\n":
                raise EOFError("cut bulk reply")
            return data[:-2]
        if kind in b"*~>":
            count = int(rest)
            return None if count < 0 else [self.read() for _ in range(count)]
        if kind == b"%":
            return {_hashable(self.read()): self.read() for _ in range(int(rest))}
        raise ValueError(f"unknown reply type {line!r}")

    def command(self, *words):
        self.send(encode(*words))
        return self.read()

    def ok(self, *words):
        """As command, but an error reply is raised."""
        reply = self.command(*words)
        if isinstance(reply, Error):
            raise AssertionError(f"{words[:2]}: {reply}")
        return reply


def _hashable(value):
    return tuple(value) if isinstance(value, list) else value


def resp(port, *words):
    """One command on a fresh connection."""
    with Resp(port) as connection:
        return connection.command(*words)


def settled(port, *words, limit_s=20):
    """As resp, but repeats while the outcome is unknown: for what may be done twice, and has REQID.

    That answer is right when the leader died with the request in its hands.
    """
    def attempt():
        reply = resp(port, *words)
        unknown = isinstance(reply, Error) and str(reply).startswith("OUTCOMEUNKNOWN")
        return None if unknown else (reply,)
    return wait_until(attempt, limit_s, f"an outcome of {words[0]}")[0]


def answers_ping(port):
    return resp(port, "PING") == "PONG"


# --- HTTP ---------------------------------------------------------------------------------------


def http_get(port, path, method="GET", headers=None, body=None, limit_s=IO_LIMIT_S):
    """(status, headers, body) of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=limit_s)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def raw_exchange(port, data, limit_s=IO_LIMIT_S):
    """Sends bytes and returns everything that comes until the server closes, or is silent for 1 s
    after it has begun to answer."""
    with socket.create_connection(("127.0.0.1", port), limit_s) as connection:
        connection.sendall(data)
        received = b""
        with contextlib.suppress(socket.timeout, ConnectionResetError):
            while True:
                chunk = connection.recv(65536)
                if not chunk:
                    break
                received += chunk
                connection.settimeout(1)
        return received


def fastest(measure, wanted_s, tries=5):
    """Seconds of the fastest call of `measure`, which returns its own; stops when one is below
    `wanted_s`. A machine that others use too may be slow, but what waits for a timer is never fast.
    """
    best = measure()
    while best >= wanted_s and tries > 1:
        tries -= 1
        best = min(best, measure())
    return best


# --- Clusters -----------------------------------------------------------------------------------


class Ports:
    """Ports of the nodes 1..n of a cluster."""

    def __init__(self, base, nodes):
        self.base = base
        self.nodes = nodes

    def resp(self, node):
        return self.base + 10 * (node - 1)

    def http(self, node):
        return self.resp(node) + 1

    def peer(self, node):
        return self.resp(node) + 2

    def all_nodes(self):
        return range(1, self.nodes + 1)

    def is_ready(self, node):
        return http_get(self.http(node), "/readyz", limit_s=2)[0] == 200

    def status(self, node):
        status, _, body = http_get(self.http(node), "/status", limit_s=2)
        equal(status, 200, "/status")
        return json.loads(body)


class Dev(Ports):
    """`quorate dev`: supervises n node processes."""

    def __init__(self, nodes=3, directory=None, options=(), base=None):
        super().__init__(base or free_base_port(nodes), nodes)
        self.directory = pathlib.Path(directory or new_directory())
        self.options = list(options)
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *ignored):
        if self.process is not None:
            self.process.stop()
        if kind is None:
            _expect_no_crash()

    def start(self):
        self.process = Process([QUORATE, "dev", "--nodes", self.nodes, "--dir",
                                self.directory / "data", "--base-port", self.base, *self.options],
                               self.directory, "dev")
        self.process.more_logs = [self.directory / "data" / "nodes" / str(node) / "log"
                                  for node in self.all_nodes()]
        self.wait_ready()

    def wait_ready(self):
        def ready():
            expect(self.process.is_running(),
                   lambda: f"quorate dev ended: {self.process.stderr()[-3000:]}")
            return "ready" in self.process.stdout().split()
        wait_until(ready, READY_LIMIT_S, "`quorate dev` prints ready")

    def pid_of(self, node):
        return int((self.directory / "data" / "nodes" / str(node) / "pid").read_text())


class Serve(Ports):
    """`quorate serve` processes, one by one."""

    def __init__(self, nodes=1, options=(), base=None):
        super().__init__(base or free_base_port(nodes), nodes)
        self.directory = new_directory()
        self.options = list(options)
        self.processes = {}

    def __enter__(self):
        return self

    def __exit__(self, kind, *ignored):
        for process in self.processes.values():
            process.kill()
        if kind is None:
            _expect_no_crash()

    def data_directory(self, node):
        return self.directory / f"node{node}"

    def cluster(self):
        return ",".join(f"127.0.0.1:{self.peer(node)}" for node in self.all_nodes())

    def command(self, node, **changes):
        """The command line of a node; `changes` replace flags (None leaves one out)."""
        flags = {"data-dir": self.data_directory(node), "cluster": self.cluster(),
                 "listen": f"127.0.0.1:{self.resp(node)}",
                 "http": f"127.0.0.1:{self.http(node)}",
                 "peer": f"127.0.0.1:{self.peer(node)}"}
        flags.update({key.replace("_", "-"): value for key, value in changes.items()})
        words = [QUORATE, "serve"]
        for key, value in flags.items():
            if value is not None:
                words += [f"--{key}", value]
        return words + self.options

    def start(self, node, env=None, name=None, **changes):
        process = Process(self.command(node, **changes), self.directory, name or f"node{node}",
                          env=env)
        if name is None:
            self.processes[node] = process
        return process

    def start_all(self):
        for node in self.all_nodes():
            self.start(node)
        self.wait_ready()

    def wait_ready(self, nodes=None):
        for node in nodes or self.all_nodes():
            process = self.processes[node]

            def ready(node=node, process=process):
                expect(process.is_running(),
                       lambda: f"node {node} ended: {process.stderr()[-3000:]}")
                return self.is_ready(node)
            wait_until(ready, READY_LIMIT_S, f"node {node} is ready")

    def leader(self):
        """The number of the node that leads, asked at those that run."""
        def find():
            for node, process in self.processes.items():
                if process.is_running():
                    with contextlib.suppress(OSError):
                        leader = leader_of(self.status(node))
                        if leader:
                            return leader
            return None
        return wait_until(find, READY_LIMIT_S, "a leader")


def leader_of(status):
    """The leader's node number in a status document (docs/reference/http.md)."""
    shards = status.get("shards") or []
    return shards[0].get("leader") if shards else None
