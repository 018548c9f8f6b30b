#!/usr/bin/python3
"""Bad input of every kind: a clear error each time, never a crash, never a hang.

After every case the server must still be the same process and answer PING.
"""
# time limit: 300 s
import contextlib
import os
import pathlib
import pwd
import random
import re
import shutil
import socket
import time

from harness import (QUORATE, Error, Resp, Serve, Skip, answers_ping, case, contains, encode,
                     equal, expect, fastest, http_get, main, new_directory, note, raw_exchange,
                     resp, run, wait_until)


server = Serve(3)  # Node 1 is maltreated; alone it would open no peer port.


def start():
    if not server.processes:
        server.start_all()


def still_well():
    process = server.processes[1]
    expect(process.is_running(), lambda: f"the server died: {process.stderr()[-3000:]}")
    expect(answers_ping(server.resp(1)), "PING")


def bad(sentence):
    """A case after which the server must be well."""
    def register(function):
        def check():
            start()
            function()
            still_well()
        case(sentence)(check)
        return function
    return register


# --- RESP ---------------------------------------------------------------------------------------

MALFORMED = [
    b"*1\r\n+PING\r\n", b"*1\r\n:1\r\n", b"*abc\r\n", b"*-5\r\n$4\r\nPING\r\n", b"*1\r\n$abc\r\n",
    b"*1\r\n$-1\r\n", b"*1\r\n$-5\r\n", b"*1\r\n$4\r\nPINGxx", b"*1\r\n$4\r\nPING\n\r",
    b"*99999999999999999999\r\n", b"*1\r\n$99999999999999999999\r\n", b"*1\r\n$\r\n",
    b"*2147483648\r\n", b"*1\r\n$18446744073709551616\r\n", b'SET "open\r\n', b"*1\r\n\r\n",
]


@bad("malformed RESP is a protocol error and the end of that connection")
def malformed():
    for data in MALFORMED:
        with Resp(server.resp(1)) as connection:
            connection.send(data)
            if data.startswith(b"*-5"):
                continue  # Redis takes it for an empty request.
            reply = connection.read()
            expect(isinstance(reply, Error) and str(reply).startswith("ERR Protocol error"),
                   f"{data!r}: {reply!r}")
            expect(connection.is_closed_by_peer(), f"{data!r}: still open")


@bad("commands before a malformed one are still answered")
def malformed_after_good():
    with Resp(server.resp(1)) as connection:
        connection.send(encode("SET", "before", "1") + encode("GET", "before") + b"*1\r\n$x\r\n")
        equal(connection.read(), "OK")
        equal(connection.read(), b"1")
        expect(isinstance(connection.read(), Error))
        expect(connection.is_closed_by_peer())


@bad("giant lengths are refused before their bytes come")
def giant():
    for data in (b"*1\r\n$1073741824\r\n", b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$600000000\r\n",
                 b"*1048577\r\n$3\r\nDEL\r\n"):
        with Resp(server.resp(1)) as connection:
            connection.send(data)
            reply = connection.read()
            expect(isinstance(reply, Error), f"{data!r}: {reply!r}")
    memory = pathlib.Path(f"/proc/{server.processes[1].pid}/status").read_text()
    resident = int(memory.split("VmRSS:")[1].split()[0])
    expect(resident < 600_000, f"{resident} KiB resident")


@bad("a value on the limit of 2 MiB is kept, one byte more is refused by name")
def value_limit():
    with Resp(server.resp(1)) as connection:
        equal(connection.ok("SET", "limit", b"x" * (2 << 20)), "OK")
        equal(connection.ok("STRLEN", "limit"), 2 << 20)
        reply = connection.command("SET", "limit", b"x" * ((2 << 20) + 1))
        expect(isinstance(reply, Error) and str(reply).startswith("TOOBIG"), repr(reply))
        equal(connection.ok("STRLEN", "limit"), 2 << 20, "unchanged")


@bad("APPEND stops at 16 MiB, whatever the limit of one argument is")
def append_limit():
    with Resp(server.resp(1)) as connection:
        for pieces in range(1, 9):
            equal(connection.ok("APPEND", "grown", b"x" * (2 << 20)), pieces * 2 << 20)
        reply = connection.command("APPEND", "grown", "y")
        expect(isinstance(reply, Error), repr(reply))
        equal(connection.ok("STRLEN", "grown"), 16 << 20, "unchanged")
        connection.ok("DEL", "grown")


@bad("a key on the limit of 16 KiB is kept, one byte more is refused")
def key_limit():
    with Resp(server.resp(1)) as connection:
        equal(connection.ok("SET", b"k" * 16384, "v"), "OK")
        equal(connection.ok("GET", b"k" * 16384), b"v")
        reply = connection.command("SET", b"k" * 16385, "v")
        expect(isinstance(reply, Error) and str(reply).startswith("TOOBIG"), repr(reply))


@bad("an inline command without an end is refused, not buffered for ever")
def endless_inline():
    with Resp(server.resp(1)) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.send(b"x" * 200_000)
            contains(str(connection.read()), "too big inline request")


@bad("half a command and then silence holds nobody up")
def half_command():
    halves = [Resp(server.resp(1)) for _ in range(50)]
    for connection in halves:
        connection.send(b"*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$100\r\nonly a part")

    def measure():
        began = time.monotonic()
        equal(resp(server.resp(1), "SET", "other", "1"), "OK")
        return time.monotonic() - began
    expect(fastest(measure, 1) < 1, "another client waited")
    equal(resp(server.resp(1), "GET", "half"), None, "nothing of the half command happened")
    halves[0].send(b" and the rest".ljust(89, b"."))
    halves[0].send(b"\r\n")
    equal(halves[0].read(), "OK", "a slow command is still carried out")
    for connection in halves:
        connection.close()


@bad("a connection cut within a command or before its reply harms nobody")
def cut_connections():
    for _ in range(100):
        connection = Resp(server.resp(1))
        connection.send(encode("SET", "cut", "x" * 1000)[:random.randrange(1, 1000)])
        connection.close()
        connection = Resp(server.resp(1))
        connection.send(encode("INCR", "cut:count") * 50)
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        connection.close()


@bad("one byte at a time is a command like any other")
def byte_by_byte():
    with Resp(server.resp(1)) as connection:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in encode("SET", "slow", "value") + encode("GET", "slow"):
            connection.send(bytes([byte]))
        equal([connection.read(), connection.read()], ["OK", b"value"])


@bad("unknown commands and wrong arguments are errors that name them; the connection goes on")
def unknown():
    with Resp(server.resp(1)) as connection:
        contains(str(connection.command("FLY", "me")), "ERR unknown command 'FLY'")
        contains(str(connection.command("GET")), "wrong number of arguments for 'get'")
        contains(str(connection.command("SET", "k", "v", "NOPE")), "syntax error")
        contains(str(connection.command("GET", "k", "LEVEL", "nope")), "LEVEL")
        contains(str(connection.command("CLIENT", "NOPE")), "ERR")
        contains(str(connection.command(b"\x00\xff\r\n")), "ERR unknown command")
        equal(connection.command("PING"), "PONG")


@bad("a bad REQID is refused and nothing happens")
def bad_reqid():
    with Resp(server.resp(1)) as connection:
        for reqid in ("x", "12", "abc-def", f"{int(time.time() * 1000)}-{'y' * 41}",
                      f"{int(time.time() * 1000)}-a b"):
            reply = connection.command("SET", "reqid", "1", "REQID", reqid)
            expect(isinstance(reply, Error), f"{reqid}: {reply!r}")
        for shift_ms in (-11 * 60 * 1000, 120 * 1000):
            reply = connection.command("SET", "reqid", "1", "REQID",
                                       f"{int(time.time() * 1000) + shift_ms}-a")
            contains(str(reply), "REQIDEXPIRED")
        equal(connection.command("EXISTS", "reqid"), 0)


@bad("random bytes on every port end nothing but their connection")
def random_bytes():
    source = random.Random(42)
    for port in (server.resp(1), server.http(1), server.peer(1)):
        for _ in range(60):
            data = source.randbytes(source.randrange(1, 4000))
            with contextlib.suppress(OSError), \
                    socket.create_connection(("127.0.0.1", port), 5) as connection:
                connection.sendall(data)


@bad("the wrong protocol on a port is refused")
def wrong_protocol():
    for port in (server.resp(1), server.peer(1)):
        answer = raw_exchange(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        expect(not answer.startswith(b"HTTP/1.1 200"), answer[:100])
    answer = raw_exchange(server.http(1), encode("SET", "smuggled", "1"))
    expect(not answer.startswith(b"+OK"), answer[:100])
    equal(resp(server.resp(1), "GET", "smuggled"), None)


@bad("browsers cannot be tricked into sending commands (POST to the RESP port)")
def cross_protocol():
    raw_exchange(server.resp(1), b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 40\r\n\r\n"
                                 b"SET crossed 1\r\n")
    equal(resp(server.resp(1), "GET", "crossed"), None)


@bad("garbage, half frames and giant frames at the peer port harm nobody")
def peer_port():
    for data in (b"\xff" * 64, b"\0" * 64, (1 << 31).to_bytes(4, "little") * 8, b"QRT",
                 random.Random(7).randbytes(100_000)):
        with contextlib.suppress(OSError), \
                socket.create_connection(("127.0.0.1", server.peer(1)), 5) as connection:
            connection.sendall(data)
            connection.settimeout(0.3)
            with contextlib.suppress(socket.timeout):
                connection.recv(100)


@bad("a thousand connections that say nothing leave room for one that does")
def many_connections():
    connections = []
    try:
        for _ in range(1000):
            connections.append(socket.create_connection(("127.0.0.1", server.resp(1)), 5))
        expect(answers_ping(server.resp(1)))
    finally:
        for connection in connections:
            connection.close()


# --- HTTP ---------------------------------------------------------------------------------------


@bad("malformed HTTP is 400 and the end of that connection")
def malformed_http():
    for data in (b"GARBAGE\r\n\r\n", b"GET\r\n\r\n", b"GET /livez\r\n\r\n",
                 b"GET /livez HTTP/9.9\r\nHost: x\r\n\r\n",
                 b"GET /livez HTTP/1.1\r\nHost x\r\n\r\n",
                 b"GET /livez HTTP/1.1\r\nHost : x\r\n\r\n", b"\0\0\0\0\r\n\r\n",
                 b"GET /livez HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
                 b"GET /livez HTTP/1.1\r\nHost: x\r\nA: b\r\n folded\r\n\r\n",
                 b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                 b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
                 b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n"):
        answer = raw_exchange(server.http(1), data)
        status = answer.split(b" ")[1] if answer.startswith(b"HTTP/1.1 ") else b""
        expect(status[:1] == b"4" or status == b"505", f"{data!r}: {answer[:100]!r}")
        equal(len(re.findall(rb"HTTP/1\.1 \d", answer)), 1, f"{data!r}: one answer")


@bad("endless HTTP headers and targets are refused")
def endless_http():
    for data in (b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                 b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"b" * 200_000 + b"\r\n\r\n",
                 b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 50_000 + b"\r\n"):
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            answer = raw_exchange(server.http(1), data)
            if answer:
                expect(answer.startswith(b"HTTP/1.1 4"), f"{data[:40]!r}: {answer[:100]!r}")


# --- Directories and processes ------------------------------------------------------------------


@bad("a second process on the same directory exits 3 at once and names the first")
def second_process():
    other = Serve(1)

    def measure():
        began = time.monotonic()
        code, out, err = run(other.command(1, data_dir=server.data_directory(1)), limit_s=10)
        equal(code, 3, err)
        contains(err, str(server.processes[1].pid), "the holder's pid")
        return time.monotonic() - began
    expect(fastest(measure, 2) < 2, "at once")


@bad("a port that is taken is an error that names it")
def port_taken():
    for flag, port in (("listen", server.resp(1)), ("http", server.http(1)),
                       ("peer", server.peer(1))):
        with Serve(2) as other:
            changes = {flag: f"127.0.0.1:{port}"}
            if flag == "peer":
                changes["cluster"] = f"127.0.0.1:{port},127.0.0.1:{other.peer(2)}"
            code, out, err = run(other.command(1, **changes), limit_s=10)
            equal(code, 1, f"{flag}: {err}")
            contains(err, str(port), flag)
            other.start(1)  # The failure left a directory that can be used.
            wait_until(lambda: http_get(other.http(1), "/livez")[0] == 200, 10, "/livez")


@bad("a directory that never joined a cluster may be started with another address")
def new_address():
    with Serve(2) as other:
        other.start(1)
        wait_until(lambda: http_get(other.http(1), "/livez")[0] == 200, 10, "/livez")
        equal(other.processes[1].stop(), 0)
        with Serve(1) as moved:
            moved.start(1, data_dir=other.data_directory(1))
            moved.wait_ready()


@bad("an unwritable directory is an error that names it")
def unwritable():
    if os.geteuid() != 0:
        raise Skip("needs root to become another user")
    nobody = pwd.getpwnam("nobody")
    place = new_directory()
    os.chmod(place, 0o755)
    binary = place / "quorate"
    shutil.copy(QUORATE, binary)  # The build directory may be closed to nobody.
    directory = place / "closed" / "data"
    directory.parent.mkdir(mode=0o555)
    command = Serve(1).command(1, data_dir=directory)
    code, out, err = run([binary, *command[1:]], limit_s=10, user=nobody.pw_uid, cwd="/")
    equal(code, 1, err)
    contains(err, str(directory.parent))
    contains(err, "Permission denied")


@bad("a data directory that is a file, or holds other things, is refused")
def strange_directory():
    with Serve(1) as other:
        path = other.data_directory(1)
        path.write_text("I am a file")
        code, out, err = run(other.command(1), limit_s=10)
        equal(code, 1, err)
        contains(err, str(path))
        path.unlink()
        path.mkdir()
        (path / "precious.txt").write_text("something else")
        code, out, err = run(other.command(1), limit_s=10)
        equal(code, 1, err)
        contains(err, str(path))
        equal((path / "precious.txt").read_text(), "something else")


@bad("a directory of a later version or with a damaged identity is refused, not overwritten")
def damaged_directory():
    with Serve(1) as other:
        other.start_all()
        equal(other.processes[1].stop(), 0)
        path = other.data_directory(1)
        version = (path / "VERSION").read_text()
        (path / "VERSION").write_text("999\n")
        code, out, err = run(other.command(1), limit_s=10)
        equal(code, 1, err)
        contains(err, "'999'")
        (path / "VERSION").write_text(version)
        identity = (path / "identity").read_bytes()
        damaged = bytearray(identity)
        damaged[20] ^= 1
        (path / "identity").write_bytes(bytes(damaged))
        code, out, err = run(other.command(1), limit_s=10)
        equal(code, 1, err)
        contains(err, "identity")
        equal((path / "identity").read_bytes(), bytes(damaged), "left as it was")
        (path / "identity").write_bytes(identity)
        other.start_all()


# --- Clusters -----------------------------------------------------------------------------------


def log_shows(process, *parts):
    def find():
        log = process.stderr()
        return any(all(part in line for part in parts) for line in log.split("\n"))
    wait_until(find, 15, f"a log line with {parts}")


@bad("nodes started with different lists say so, both lists named, and do not serve")
def different_lists():
    with Serve(3) as cluster:
        lists = {1: cluster.cluster(),
                 2: f"127.0.0.1:{cluster.peer(1)},127.0.0.1:{cluster.peer(2)}"}
        for node, addresses in lists.items():
            cluster.start(node, cluster=addresses)
        for node in lists:
            log_shows(cluster.processes[node], f"127.0.0.1:{cluster.peer(1)}",
                      f"127.0.0.1:{cluster.peer(2)}", f"127.0.0.1:{cluster.peer(3)}")
            expect(not cluster.is_ready(node), f"node {node} must not be ready")
        for process in cluster.processes.values():
            equal(process.stop(), 0)


@bad("a node of another cluster is refused, both clusters named, and both go on")
def wrong_cluster():
    with Serve(2) as cluster, Serve(2) as foreign:
        cluster.start_all()
        foreign.base = cluster.base
        for process in cluster.processes.values():
            equal(process.stop(), 0)
        foreign.start_all()
        equal(foreign.processes[2].stop(), 0)
        cluster.start(2)
        log_shows(foreign.processes[1], "belongs to cluster", "to cluster")
        log_shows(cluster.processes[2], "belongs to cluster", "to cluster")
        expect(not cluster.is_ready(2), "no majority of its own cluster")
        expect(foreign.processes[1].is_running() and cluster.processes[2].is_running())


@bad("a node whose disk was lost says so and takes no part; the others go on")
def lost_disk():
    with Serve(3) as cluster:
        cluster.start_all()
        equal(resp(cluster.resp(1), "SET", "kept", "yes"), "OK")
        equal(cluster.processes[3].stop(), 0)
        shutil.rmtree(cluster.data_directory(3))
        cluster.start(3)
        log_shows(cluster.processes[3], "disk was lost or replaced")
        expect(not cluster.is_ready(3))
        for node in (1, 2):
            equal(resp(cluster.resp(node), "GET", "kept"), b"yes")


@bad("an own address that is not in the list is an error at once")
def not_in_list():
    with Serve(1) as other:
        code, out, err = run(other.command(1, cluster="127.0.0.1:1,127.0.0.1:2"), limit_s=10)
        expect(code in (1, 2), f"{code} {err}")
        contains(err, f"127.0.0.1:{other.peer(1)}")


# --- Flags --------------------------------------------------------------------------------------


@bad("bad flags, keys and values exit 2 and name what is wrong")
def bad_flags():
    with Serve(1) as other:
        config = other.directory / "quorate.conf"
        for words, part in (((), ""), (("fly",), "fly"), (("serve", "--nope", "1"), "--nope"),
                            (("serve", "--listen"), "--listen"), (("serve", "extra"), "extra"),
                            (("serve", "--listen", "nowhere"), "nowhere"),
                            (("serve", "--listen", "127.0.0.1:99999"), "99999"),
                            (("serve", "--heartbeat-ms", "x"), "heartbeat-ms"),
                            (("serve", "--heartbeat-ms", "0"), "heartbeat-ms"),
                            (("serve", "--cluster", "a:1,a:1", "--peer", "a:1"), "twice"),
                            (("serve", "--cluster", ",".join(f"h:{i}" for i in range(1, 9)),
                              "--peer", "h:1"), "7"),
                            (("serve", "--listen", "0.0.0.0:7480"), "--insecure"),
                            (("serve", "--config", "/nonexistent"), "/nonexistent"),
                            (("dev", "--nodes", "0"), "nodes"), (("dev", "--nodes", "8"), "nodes"),
                            (("dev", "--base-port", "65530"), "port"),
                            (("status", "-o", "xml"), "xml")):
            code, out, err = run([QUORATE, *words], limit_s=10, cwd=other.directory)
            equal(code, 2, f"{words}: {out} {err}")
            contains(err, part, str(words))
        for text, part in (("unknown-key = 1\n", "unknown-key"), ("heartbeat-ms = x\n", ":1"),
                           ("\nheartbeat-ms\n", ":2"), ("[section]\nheartbeat-ms = 5\n", "section"),
                           ("heartbeat-ms = 50\nheartbeat-ms = 60\n", "twice")):
            config.write_text(text)
            code, out, err = run([QUORATE, "serve", "--config", config], limit_s=10)
            equal(code, 2, f"{text!r}: {err}")
            contains(err, part, repr(text))
            contains(err, str(config))
    note("17 command lines, 5 files")


if __name__ == "__main__":
    main()
