#!/usr/bin/env python3
"""Builds the planted bugs and runs each until the simulator catches it.

usage: scripts/sim_plants.py [--seeds 2000] [--jobs 2] [--no-build] [--tap] [NAME...]

Prints a table: plant, seeds needed, checker that caught it, what the plant is. Exit status 0 when
every plant was caught, 1 when one escaped. docs/internals/sim.md holds the table of record.

--tap prints a test case for each plant instead and leaves out those that take too long (SLOW).
"""
import argparse
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SIM = ROOT / "build" / "plants" / "quorate-sim"

# Not for every test run: these need hundreds of seeds, or the simulator does not see them.
SLOW = {"B40", "B43", "RESP"}


def plants():
    """(name, description) of every row of Q_PLANT_MAP but NONE."""
    text = (ROOT / "src" / "base" / "plant.h").read_text(encoding="utf-8")
    rows = re.findall(r'^\s*X\((\w+), "([^"]*)"\)', text, re.MULTILINE)
    return [row for row in rows if row[0] != "NONE"]


def is_expressed(name):
    """True when some source file contains the plant."""
    pattern = f"Q_PLANT({name})"
    sources = (ROOT / "src").rglob("*.c")
    return any(pattern in path.read_text(encoding="utf-8") for path in sources)


def build():
    for command in (["cmake", "--preset", "plants"],
                    ["cmake", "--build", "build/plants", "--target", "quorate-sim"]):
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def run(name, seeds, jobs):
    """(seeds needed or None, checker, seconds)"""
    started = time.monotonic()
    done = subprocess.run([SIM, "--plant", name, "--seeds", str(seeds), "--start", "1",
                           "--jobs", str(jobs), "--stop"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    output = done.stdout.decode("utf-8", "replace")
    found = re.search(r"^VIOLATION seed=(\d+) checker=(\w+)", output, re.MULTILINE)
    seconds = time.monotonic() - started
    if found is None:
        return None, "-", seconds
    checker = found.group(2)
    if checker == "assertion":
        errors = done.stderr.decode("utf-8", "replace")
        where = re.search(r"check failed at \S*?(\w+\.c):\d+", errors)
        checker += f" in {where.group(1)}" if where else ""
    return int(found.group(1)), checker, seconds


def table(chosen, seeds, jobs):
    """How many escaped."""
    escaped = []
    print("| plant | seeds | checker | what it is |\n|---|---|---|---|", flush=True)
    for name, text in chosen:
        if not is_expressed(name):
            print(f"| {name} | - | not expressed in the code yet | {text} |", flush=True)
            continue
        needed, checker, seconds = run(name, seeds, jobs)
        if needed is None:
            escaped.append(name)
        caught = "escaped" if needed is None else str(needed)
        print(f"| {name} | {caught} | {checker} | {text} |", flush=True)
        print(f"{name}: {seconds:.1f} s", file=sys.stderr, flush=True)
    if escaped:
        print("escaped: " + " ".join(escaped), file=sys.stderr)
    return len(escaped)


def tap(chosen, seeds, jobs):
    """How many escaped."""
    chosen = [plant for plant in chosen if plant[0] not in SLOW and is_expressed(plant[0])]
    escaped = 0
    print(f"1..{len(chosen)}", flush=True)
    for number, (name, text) in enumerate(chosen, 1):
        needed, checker, seconds = run(name, seeds, jobs)
        if needed is None:
            escaped += 1
            print(f"not ok {number} - {name} escapes {seeds} seeds: {text}", flush=True)
        else:
            print(f"ok {number} - {name} is caught: {text}", flush=True)
            print(f"# seed {needed}, {checker}, {seconds:.1f} s", flush=True)
    return escaped


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--no-build", action="store_true")
    parser.add_argument("--tap", action="store_true")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    if not arguments.no_build:
        build()
    chosen = [plant for plant in plants() if not arguments.names or plant[0] in arguments.names]
    show = tap if arguments.tap else table
    return 1 if show(chosen, arguments.seeds, arguments.jobs) else 0


if __name__ == "__main__":
    sys.exit(main())
