#!/usr/bin/python3
"""Runs the commands of README.md's "Talk to it" against a fresh cluster, so that they cannot rot.

Ports and the data directory are replaced, nothing else. A comment `"word"` on a line is what the
command must print. TAP output.
"""
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = ROOT / "build" / "release" / "quorate"
READY_LIMIT_S = 30
COMMAND_LIMIT_S = 60
README_PORT = 7480
NODES = 3


def free_base_port():
    """A base so that all ports of the cluster can be bound now."""
    for base in range(17480, 27480, 100):
        sockets = []
        try:
            for node in range(NODES):
                for offset in range(3):
                    sockets.append(socket.create_server(("127.0.0.1", base + 10 * node + offset)))
            return base
        except OSError:
            continue
        finally:
            for one in sockets:
                one.close()
    raise SystemExit("Bail out! no free ports")


def commands():
    """The lines of the shell blocks of the section, with what each must print (or None)."""
    text = (ROOT / "README.md").read_text()
    section = text.split("\n## Talk to it\n")[1].split("\n## ")[0]
    for block in re.findall(r"```sh\n(.*?)```", section, re.S):
        for line in block.split("\n"):
            command, _, comment = line.partition(" #")
            if command.strip():
                said = re.search(r'"([^"]*)"', comment)
                yield command.strip(), said.group(1) if said else None


def adapted(command, base, directory):
    """The same command for our cluster, and short where only throughput is shown."""
    command = re.sub(r"\b74[89]\d\b|\b75\d\d\b",
                     lambda port: str(int(port.group(0)) - README_PORT + base), command)
    command = command.replace("quorate-dev/", f"{directory}/")
    return command.replace("-n 100000", "-n 1000")


def wait_ready(cluster):
    """Reads stdout until a line says ready; False after the limit or when the program ended."""
    deadline = time.monotonic() + READY_LIMIT_S
    seen = b""
    while time.monotonic() < deadline:
        if select.select([cluster.stdout], [], [], 0.5)[0]:
            chunk = os.read(cluster.stdout.fileno(), 65536)
            if not chunk:
                return False
            seen += chunk
            if re.search(rb"^ready\b", seen, re.M):
                return True
    return False


def run_one(command, wanted):
    """What is wrong with it, or None."""
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace",
                          timeout=COMMAND_LIMIT_S, check=False)
    said = done.stdout.strip()
    if done.returncode != 0:
        return f"exit code {done.returncode}: {said}"
    if re.match(r"ERR |[A-Z]{6,} ", said):  # redis-cli prints errors and exits with 0.
        return said
    if wanted is not None and said.strip('"') != wanted:
        return f"wanted {wanted}, got {said}"
    return None


def main():
    lines = list(commands())
    print(f"1..{len(lines) + 2}", flush=True)
    base = free_base_port()
    directory = tempfile.mkdtemp(prefix="quorate-readme-")
    errors = open(os.path.join(directory, "stderr"), "wb")
    cluster = subprocess.Popen([PROGRAM, "dev", "--nodes", str(NODES), "--base-port", str(base),
                                "--dir", directory], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=errors)
    failed = 0

    def report(number, name, problem):
        nonlocal failed
        if problem:
            failed += 1
            print("# " + problem.replace("\n", "\n# "))
        print(f"{'not ok' if problem else 'ok'} {number} - readme: {name}", flush=True)

    try:
        ready = wait_ready(cluster)
        report(1, "three nodes say ready", None if ready else "no line `ready` in time")
        for number, (command, wanted) in enumerate(lines, 2):
            problem = "no cluster"
            if ready:
                problem = run_one(adapted(command, base, directory), wanted)
            report(number, command, problem)
    finally:
        cluster.send_signal(signal.SIGINT)
        try:
            code = cluster.wait(timeout=30)
        except subprocess.TimeoutExpired:
            cluster.kill()
            code = "none within 30 s"
        report(len(lines) + 2, "Ctrl-C stops all nodes", None if code == 0 else f"exit code {code}")
        if failed:
            tail = pathlib.Path(directory, "stderr").read_text(errors="replace").split("\n")[-60:]
            print("# " + "\n# ".join(tail))
        shutil.rmtree(directory, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
