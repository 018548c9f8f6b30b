#!/usr/bin/env python3
"""Builds the planted bugs and runs each until what ought to catch it does.

usage: scripts/sim_plants.py [--seeds 2000] [--jobs 2] [--no-build] [--tap] [--crash] [NAME...]

src/base/plant.h says what catches a plant: the simulator, running the same seeds twice and
comparing their hashes, or a test program. Prints a table: plant, seeds needed (or how else),
checker or test case that caught it, what the plant is. Exit status 0 when every plant was caught,
and half of those of the simulator within MEDIAN_MAX seeds; else 1. docs/internals/sim-plants.md
holds the table of record.

--tap prints a test case for each plant instead, and one for the median. --crash asks instead which
of the plants that a crash can show (CRASH) the enumeration of crash states catches.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "plants"
MEDIAN_MAX = 300
TEST_LIMIT_S = 120
TWICE_SEEDS = 3
CRASH = ("ACKEARLY B02 B03 B26 B29 B30 B31 B48 B49 B50 APPLYTWICE COMPACTVOTE FSYNCRETRY GATE "
         "GATEALL IDSYNC INCARNATION INSTALLWAIT NODIRSYNC NOREWRITE RECYCLED SNAPSYNC "
         "STATEHEAD").split()


class Plant:
    def __init__(self, name, tool, text):
        self.name, self.tool, self.text = name, tool, text
        self.is_caught = False
        self.seeds = None  # Of the simulator.
        self.by = "-"
        self.took_s = 0.0

    def where(self):
        if self.tool == "twice":
            return f"{TWICE_SEEDS}, twice"
        if self.tool == "crash":
            return "crash states"
        if self.tool != "sim":
            return f"test_{self.tool}"
        return str(self.seeds) if self.is_caught else "escaped"

    def row(self):
        return f"| {self.name} | {self.where()} | {self.by} | {self.text} |"


def plants():
    """Every row of Q_PLANT_MAP but NONE."""
    text = (ROOT / "src" / "base" / "plant.h").read_text(encoding="utf-8")
    text = text.replace("\\\n", "\n")
    rows = re.findall(r'^\s*X\((\w+), (\w+),\s*"([^"]*)"\)', text, re.MULTILINE)
    return [Plant(*row) for row in rows if row[0] != "NONE"]


def build(chosen):
    tests = sorted({f"test_{plant.tool}" for plant in chosen
                    if plant.tool not in ("sim", "twice", "crash")})
    subprocess.run([ROOT / "scripts" / "build.sh", "plants", "quorate-sim", *tests],
                   check=True, stdout=subprocess.DEVNULL)


def failed_check(errors):
    where = re.search(r"check failed at \S*?(\w+\.c):\d+", errors)
    return f" in {where.group(1)}" if where else ""


def run_simulator(plant, seeds):
    done = subprocess.run([BUILD / "quorate-sim", "--plant", plant.name, "--seeds", str(seeds),
                           "--start", "1", "--jobs", "1", "--stop"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    output = done.stdout.decode("utf-8", "replace")
    found = re.search(r"^VIOLATION seed=(\d+) checker=(\w+)", output, re.MULTILINE)
    if found is None:
        return
    plant.is_caught = True
    plant.seeds = int(found.group(1))
    plant.by = found.group(2)
    if plant.by == "assertion":
        plant.by += failed_check(done.stderr.decode("utf-8", "replace"))


def run_twice(plant):
    """One process after the other: addresses differ, and so does the time."""
    command = [BUILD / "quorate-sim", "--plant", plant.name, "--seeds", str(TWICE_SEEDS)]
    last = [subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
            .stdout.decode("utf-8", "replace").split("\n")[-2:][0] for _ in range(2)]
    hashes = [re.search(r"hash=(\w+)$", line) for line in last]
    plant.is_caught = all(hashes) and hashes[0].group(1) != hashes[1].group(1)
    plant.by = "hash"


def run_crash_states(plant):
    """What a plant does to a machine that crashes; no seeds, but a place to crash."""
    done = subprocess.run([BUILD / "quorate-sim", "--plant", plant.name, "--crash-states",
                           "--again", "0", "--jobs", "1", "--stop"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    output = done.stdout.decode("utf-8", "replace")
    found = re.search(r"^VIOLATION workload=(\w+) cut=([\d.]+) checker=(\w+)", output, re.MULTILINE)
    plant.is_caught = done.returncode == 1 and found is not None
    if plant.is_caught:
        plant.by = f"{found.group(3)}, {found.group(1)} {found.group(2)}"


def run_test(plant):
    """The first case that fails with the plant, or what the program died of."""
    command = [BUILD / "tests" / f"test_{plant.tool}"]
    environment = dict(os.environ, QUORATE_PLANT=plant.name)
    try:
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False, timeout=TEST_LIMIT_S)
    except subprocess.TimeoutExpired:
        plant.is_caught, plant.by = True, f"no end in {TEST_LIMIT_S} s"
        return
    output = done.stdout.decode("utf-8", "replace")
    failed = re.search(r"^not ok \d+ - (\w+)", output, re.MULTILINE)
    plant.is_caught = done.returncode != 0
    if failed:
        plant.by = failed.group(1)
    elif plant.is_caught:
        plant.by = "assertion" + failed_check(done.stderr.decode("utf-8", "replace"))


def run(plant, seeds):
    started = time.monotonic()
    if plant.tool == "sim":
        run_simulator(plant, seeds)
    elif plant.tool == "twice":
        run_twice(plant)
    elif plant.tool == "crash":
        run_crash_states(plant)
    else:
        run_test(plant)
    plant.took_s = time.monotonic() - started
    return plant


def median(done):
    seeds = [plant.seeds for plant in done if plant.seeds is not None]
    return statistics.median_high(seeds) if seeds else 0


def show_table(done, seeds):
    finished = []
    print("| plant | seeds or test | caught by | what it is |\n|---|---|---|---|", flush=True)
    for plant in done:
        finished.append(plant)
        print(plant.row(), flush=True)
        print(f"{plant.name}: {plant.took_s:.1f} s", file=sys.stderr, flush=True)
    escaped = [plant.name for plant in finished if not plant.is_caught]
    needed = [plant.seeds for plant in finished if plant.seeds is not None]
    print(f"{len(finished)} plants, {len(escaped)} escaped {seeds} seeds; seeds needed: median "
          f"{median(finished)}, most {max(needed, default=0)}", file=sys.stderr)
    if escaped:
        print("escaped: " + " ".join(escaped), file=sys.stderr)
    return not escaped and median(finished) <= MEDIAN_MAX


def show_tap(done, count, seeds):
    finished = []
    has_median = seeds > 0
    print(f"1..{count + has_median}", flush=True)
    for number, plant in enumerate(done, 1):
        finished.append(plant)
        if plant.is_caught:
            print(f"ok {number} - {plant.name} is caught: {plant.text}", flush=True)
            print(f"# {plant.where()}, {plant.by}, {plant.took_s:.1f} s", flush=True)
        else:
            limit = f"{seeds} seeds" if plant.tool == "sim" else plant.where()
            print(f"not ok {number} - {plant.name} escapes {limit}: {plant.text}", flush=True)
    if not has_median:
        return all(plant.is_caught for plant in finished)
    is_low = median(finished) <= MEDIAN_MAX
    print(f"{'ok' if is_low else 'not ok'} {count + 1} - half of them need {median(finished)} "
          f"seeds or fewer, {MEDIAN_MAX} at most", flush=True)
    return is_low and all(plant.is_caught for plant in finished)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--no-build", action="store_true")
    parser.add_argument("--tap", action="store_true")
    parser.add_argument("--crash", action="store_true")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    chosen = [plant for plant in plants() if not arguments.names or plant.name in arguments.names]
    if arguments.crash:
        arguments.seeds = 0  # There are none.
        chosen = [plant for plant in chosen if arguments.names or plant.name in CRASH]
        for plant in chosen:
            plant.tool = "crash"
    unknown = set(arguments.names) - {plant.name for plant in chosen}
    if unknown:
        parser.error("no such plant: " + " ".join(sorted(unknown)))
    if not arguments.no_build:
        build(chosen)
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        done = pool.map(lambda plant: run(plant, arguments.seeds), chosen)
        if arguments.tap:
            is_good = show_tap(done, len(chosen), arguments.seeds)
        else:
            is_good = show_table(done, arguments.seeds)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
