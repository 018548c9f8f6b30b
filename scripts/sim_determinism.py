#!/usr/bin/env python3
"""Runs the same seeds in many ways that must not matter; every seed's hash must be the same.

usage: scripts/sim_determinism.py [--start 400] [--seeds 10] [--no-build]

The hash of a seed is that of every step of its run. Other workers, other addresses, other contents
of fresh memory, another allocator and another optimisation level must leave it as it is. Prints
TAP; a case that fails names the first seed that differs. The last case shows that the link check
(scripts/determinism.sh) sees a clock that is planted in the node; scripts/sim_plants.py shows that
two runs differ with the plants NONDET and NONDETCLOCK.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
RELEASE = ROOT / "build" / "release" / "quorate-sim"
UNOPTIMISED = ROOT / "build" / "sim-o0" / "quorate-sim"
JEMALLOC = "libjemalloc.so.2"


class Way:
    def __init__(self, name, program=RELEASE, prefix=(), environment=None, jobs=1):
        self.name, self.program, self.prefix, self.jobs = name, program, list(prefix), jobs
        self.environment = environment or {}


BASE = Way("as it is")
# glibc puts blocks above this size at addresses of their own.
SCATTER = "glibc.malloc.mmap_threshold=2048:glibc.malloc.mmap_max=60000:glibc.malloc.perturb=85"
WAYS = [
    Way("once more"),
    Way("in two worker processes", jobs=2),
    Way("at fixed addresses (no ASLR)", prefix=["setarch", "-R"]),
    Way("with fresh memory full of junk and scattered blocks",
        environment={"GLIBC_TUNABLES": SCATTER}),
    Way("with another allocator (jemalloc, junk)",
        environment={"LD_PRELOAD": JEMALLOC, "MALLOC_CONF": "junk:true,abort_conf:true"}),
    Way("compiled without optimisation (-O0)", program=UNOPTIMISED),
]


def hashes_of(way, start, seeds):
    """{seed: hash}, and what was wrong with the run ("" when nothing)."""
    command = [*way.prefix, way.program, "--start", start, "--seeds", seeds, "--jobs", way.jobs,
               "--hashes"]
    done = subprocess.run([str(word) for word in command], env={**os.environ, **way.environment},
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    found = dict(re.findall(r"^seed=(\d+) hash=([0-9a-f]{16})$", done.stdout.decode(), re.M))
    wrong = ""
    if done.returncode != 0 or done.stderr or len(found) != seeds:
        wrong = (f"exit status {done.returncode}, {len(found)} of {seeds} seeds: "
                 f"{done.stderr.decode('utf-8', 'replace').strip()}")
    return found, wrong


def difference(base, other):
    """Names the first seed that differs; "" when none does."""
    for seed, value in base.items():
        if other.get(seed) != value:
            return f"seed {seed}: {value} before, {other.get(seed)} now"
    return ""


def report(number, name, wrong):
    for line in wrong.split("\n") if wrong else []:
        print(f"# {line}")
    print(f"{'not ok' if wrong else 'ok'} {number} - {name}", flush=True)
    return not wrong


def link_check_sees_plant():
    done = subprocess.run([ROOT / "scripts" / "determinism.sh", "plants"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    said = done.stdout.decode("utf-8", "replace").strip()
    lines = [line.strip() for line in said.split("\n")[1:]]
    return "" if done.returncode == 1 and lines == ["symbol plant_clock_ns"] else said


def build():
    for preset in ("release", "sim-o0", "plants"):
        subprocess.run([ROOT / "scripts" / "build.sh", preset, "quorate-sim"], check=True,
                       stdout=subprocess.DEVNULL)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--start", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--no-build", action="store_true")
    arguments = parser.parse_args()
    if not arguments.no_build:
        build()
    print(f"1..{len(WAYS) + 2}", flush=True)
    base, wrong = hashes_of(BASE, arguments.start, arguments.seeds)
    good = report(1, f"{arguments.seeds} seeds run", wrong)
    for number, way in enumerate(WAYS, 2):
        other, wrong = hashes_of(way, arguments.start, arguments.seeds)
        good &= report(number, f"the same hashes {way.name}", wrong or difference(base, other))
    good &= report(len(WAYS) + 2, "the link check refuses a node that reads a clock",
                   link_check_sees_plant())
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
