#!/usr/bin/python3
"""`quorate dev`: a supervised local cluster, its restarts, its end, and what it refuses."""
import os
import pathlib
import signal
import time

from harness import (QUORATE, Dev, Process, case, contains, equal, expect, free_base_port, main,
                     new_directory, resp, run, temporary_directory, wait_until)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A child whose parent died may linger as a zombie of the container's first process.
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def pid_file(dev, node):
    return dev.directory / "data" / "nodes" / str(node) / "pid"


@case("ready stands on a line of its own once every node serves, with how to talk to each")
def ready_line():
    with Dev() as dev:
        lines = dev.process.stdout().split("\n")
        expect("ready" in lines, lines)
        for node in dev.all_nodes():
            expect(dev.is_ready(node))
            contains(dev.process.stdout(), f"redis-cli -p {dev.resp(node)}")
            contains(pathlib.Path(f"/proc/{dev.pid_of(node)}/cmdline").read_text(), "serve")
            equal(pathlib.Path(f"/proc/{dev.pid_of(node)}/comm").read_text().strip(), "quorate")
        equal(resp(dev.resp(1), "SET", "a", "1"), "OK")
        equal(resp(dev.resp(3), "GET", "a"), b"1")


@case("a killed node is started again under a new pid and has its data")
def restart():
    with Dev() as dev:
        equal(resp(dev.resp(1), "SET", "kept", "yes"), "OK")
        before = dev.pid_of(2)
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: pid_file(dev, 2).exists() and dev.pid_of(2) != before, 10, "a new pid")
        wait_until(lambda: dev.is_ready(2), 15, "node 2 serves again")
        equal(resp(dev.resp(2), "GET", "kept"), b"yes")
        contains(dev.process.stderr(), "node 2 was ended by signal 9")


@case("with --no-restart a dead node stays dead and its pid file is gone")
def no_restart():
    with Dev(options=["--no-restart"]) as dev:
        os.kill(dev.pid_of(3), signal.SIGKILL)
        wait_until(lambda: not pid_file(dev, 3).exists(), 10, "no pid file")
        time.sleep(1)
        expect(not pid_file(dev, 3).exists())
        expect(dev.process.is_running())
        equal(resp(dev.resp(1), "SET", "two of three", "do"), "OK")


@case("Ctrl-C and TERM end all nodes in time, also one that is stopped")
def end():
    for number in (signal.SIGINT, signal.SIGTERM):
        with Dev() as dev:
            pids = [dev.pid_of(node) for node in dev.all_nodes()]
            equal(dev.process.stop(number, 10), 0)
            expect(not any(is_alive(pid) for pid in pids), "all ended")
            expect(not any(pid_file(dev, node).exists() for node in dev.all_nodes()))
    with Dev() as dev:
        os.kill(dev.pid_of(1), signal.SIGSTOP)
        pids = [dev.pid_of(node) for node in dev.all_nodes()]
        equal(dev.process.stop(signal.SIGTERM, 14), 0)
        expect(not any(is_alive(pid) for pid in pids), "all ended")


@case("nodes do not outlive a supervisor that is killed")
def orphans():
    with Dev() as dev:
        pids = [dev.pid_of(node) for node in dev.all_nodes()]
        os.kill(dev.process.pid, signal.SIGKILL)
        dev.process.wait()
        wait_until(lambda: not any(is_alive(pid) for pid in pids), 10, "all nodes ended")


@case("data stay for the next run, and --throw-away leaves nothing behind")
def data():
    with Dev(nodes=1) as dev:
        equal(resp(dev.resp(1), "SET", "stays", "here"), "OK")
        equal(dev.process.stop(), 0)
        dev.start()
        equal(resp(dev.resp(1), "GET", "stays"), b"here")
        equal(dev.process.stop(), 0)
        code, _, err = run([QUORATE, "dev", "--throw-away", "--nodes", 1, "--dir",
                            dev.directory / "data", "--base-port", dev.base], 10)
        equal(code, 1)
        contains(err, "holds data already")
        expect((dev.directory / "data" / "nodes" / "1" / "data").exists())
    with Dev(nodes=1, options=["--throw-away"]) as dev:
        equal(dev.process.stop(), 0)
        expect(not (dev.directory / "data").exists())


@case("a taken port, a second supervisor and bad flags are clear errors")
def refusals():
    with Dev(nodes=1) as dev, temporary_directory() as other:
        code, _, err = run([QUORATE, "dev", "--nodes", 1, "--dir", other, "--base-port",
                            dev.base], 10)
        equal(code, 1)
        contains(err, f"port {dev.base} is in use")
        code, _, err = run([QUORATE, "dev", "--nodes", 1, "--dir", dev.directory / "data",
                            "--base-port", dev.base + 100], 10)
        equal(code, 1)
        contains(err, f"process {dev.process.pid} runs a cluster in")
    for words in (["--nodes", "8"], ["--nodes", "0"], ["--nodez", "3"], ["go"]):
        code, _, err = run([QUORATE, "dev", *words], 10)
        equal(code, 2, words)
        expect(len(err) > 10, words)


@case("a flag that serve refuses ends dev at once instead of restarting for ever")
def hopeless():
    with temporary_directory() as directory:
        code, _, err = run([QUORATE, "dev", "--nodes", 1, "--dir", directory, "--base-port", 29990,
                            "--", "--heartbeat-ms", "never"], 15)
        equal(code, 1)
        contains(err, "ended with code 2")
        contains(err, "--heartbeat-ms: 'never' is not a number", "the node's own words")
        contains((directory / "nodes" / "1" / "log").read_text(), "heartbeat-ms")


@case("dev --detach comes back when all is ready, and dev stop ends it")
def detached():
    with temporary_directory() as directory:
        code, out, err = run([QUORATE, "dev", "--detach", "--nodes", 1, "--dir", directory,
                              "--base-port", 29980], 30)
        equal(code, 0, err)
        expect("ready" in out.split("\n"), out)
        equal(resp(29980, "PING"), "PONG")
        pid = int((directory / "nodes" / "1" / "pid").read_text())
        code, _, err = run([QUORATE, "dev", "stop", "--dir", directory], 20)
        equal(code, 0, err)
        expect(not is_alive(pid))
        code, _, err = run([QUORATE, "dev", "stop", "--dir", directory], 20)
        equal(code, 1)
        contains(err, "no cluster runs in")


# `quorate dev` waited for ever without a word.
@case("a node that cannot get ready is named with its reason, and a list that is ignored is logged")
def grown():
    directory = new_directory()
    base = free_base_port(2)
    words = ["--dir", directory / "data", "--base-port", base]
    equal(run([QUORATE, "dev", "--nodes", 1, *words, "--detach"], 30)[0], 0)
    equal(run([QUORATE, "dev", "stop", "--dir", directory / "data"], 20)[0], 0)
    more = Process([QUORATE, "dev", "--nodes", 2, *words], directory, "grown")
    wait_until(lambda: "node 2 is not ready: waiting for" in more.stderr(), 15, "the reason")
    expect("node 1 is not ready" not in more.stderr(), more.stderr())
    contains((directory / "data" / "nodes" / "1" / "log").read_text(),
             "event=cluster_list_ignored members=1 listed=2")
    equal(more.stop(), 0)


if __name__ == "__main__":
    main()
