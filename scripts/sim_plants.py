#!/usr/bin/python3
"""Shows that the simulator catches planted bugs: how many seeds each one takes. TAP output.

usage: scripts/sim_plants.py [--seeds-max N] [--table FILE] [PLANT ...]   all, when none is named

Needs build/plants/quorate-sim (scripts/build.sh plants quorate-sim). A plant that no seed up to the
maximum notices has failed: then either the plant does nothing or a checker is missing.
"""
import argparse
import concurrent.futures
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SIM = ROOT / "build" / "plants" / "quorate-sim"
JOBS = 2
SEEDS_MAX = 500
SEED_LIMIT_S = 120


def plants():
    """name -> text, from the one table there is."""
    text = (ROOT / "src" / "base" / "plant.h").read_text()
    found = dict(re.findall(r'X\((\w+),\s*"([^"]*)"\)', text))
    found.pop("NONE", None)
    return found


def run(plant, seed):
    """Returns (exit code or None, what the simulator said last before its summary)."""
    try:
        done = subprocess.run([SIM, "--plant", plant, "--seed", str(seed)],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace",
                              timeout=SEED_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        return None, f"seed {seed} took more than {SEED_LIMIT_S} s"
    said = [line for line in done.stdout.split("\n") if "violation" in line.lower()
            and not line.startswith("seeds=")]
    return done.returncode, (said[0] if said else done.stdout.strip()[-200:])


def hunt(plant, seeds_max):
    """Returns (seeds it took or None, seconds, what caught it)."""
    began = time.monotonic()
    for seed in range(1, seeds_max + 1):
        code, said = run(plant, seed)
        if code == 0:
            continue
        # A Q_CHECK that fires (SIGABRT) is a catch too; a usage error or a hang is not.
        caught = code in (1, -6)
        return (seed if caught else None, time.monotonic() - began,
                said if caught else f"seed {seed}: exit code {code}: {said}")
    return None, time.monotonic() - began, f"not noticed in {seeds_max} seeds"


def table_of(results, texts):
    lines = ["| plant | the bug | seeds | caught by |", "|---|---|---|---|"]
    for plant, (seeds, _, said) in results.items():
        said = said.replace("|", "/").strip()[:100]
        lines.append(f"| {plant} | {texts[plant]} | {seeds or 'not caught'} | {said} |")
    return "\n".join(lines) + "\n"


def main(arguments):
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--seeds-max", type=int, default=SEEDS_MAX)
    parser.add_argument("--table", default=str(ROOT / "build" / "plants" / "table.md"))
    parser.add_argument("plants", nargs="*")
    options = parser.parse_args(arguments)
    texts = plants()
    chosen = options.plants or list(texts)
    unknown = [plant for plant in chosen if plant not in texts]
    if unknown:
        parser.error(f"no such plant: {' '.join(unknown)}; there are {' '.join(texts)}")

    results = {}
    print(f"1..{len(chosen)}", flush=True)
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        hunts = pool.map(lambda plant: hunt(plant, options.seeds_max), chosen)
        for number, (plant, result) in enumerate(zip(chosen, hunts), 1):
            results[plant] = result
            seeds, seconds, said = result
            what = f"plant {plant} ({texts[plant]}) is caught"
            if seeds:
                print(f"ok {number} - {what}: {seeds} seeds, {seconds:.1f} s", flush=True)
                print(f"# {said}")
            else:
                print(f"not ok {number} - {what}")
                print(f"# {said}", flush=True)
    pathlib.Path(options.table).write_text(table_of(results, texts))
    return 0 if all(seeds for seeds, _, _ in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
