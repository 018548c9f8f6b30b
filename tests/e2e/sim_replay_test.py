#!/usr/bin/python3
# time limit: 600 s
"""A failing seed: its report replays it, and the shrinker makes it small."""
import os
import pathlib
import re
import shlex
import subprocess
import tempfile

from harness import ROOT, case, equal, expect, main, note

SIM = "build/release/quorate-sim"
PLANTS = "build/plants/quorate-sim"
SHRINK_LIMIT_S = 20


def run(*arguments):
    """(exit status, stdout, stderr)"""
    done = subprocess.run([str(word) for word in arguments], cwd=ROOT, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


def found(pattern, text):
    match = re.search(pattern, text, re.M)
    expect(match is not None, f"no {pattern} in: {text}")
    return match.group(1)


def failure(text):
    """What identifies a failed run: its seed and checker, and the hash of all that happened."""
    return (found(r"^VIOLATION (seed=\d+ checker=\w+)", text), found(r"^  hash: (\w+)", text),
            found(r" (hash=\w+)$", text))


def replayed(text):
    return run(*shlex.split(found(r"^  replay: (.*)$", text)))


def with_seeds_file(content, *arguments, sim=SIM):
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "seeds.txt"
        path.write_text(content, encoding="utf-8")
        return run(sim, "--seeds-file", path, *arguments)


def numbers(text, what):
    """(before, after) of a line of what the shrinker reports."""
    match = re.search(rf"^  {what} +(\d+) -> (\d+)$", text, re.M)
    expect(match is not None, f"no {what} in: {text}")
    return int(match.group(1)), int(match.group(2))


@case("a report has the command that replays the failure with the same hash")
def replay():
    code, text, _ = run(SIM, "--start", 3, "--seeds", 1, "--set", "nodes=3 selftest=1")
    equal(code, 1)
    expect("a second run gave the same" in text, text)
    again_code, again, _ = replayed(text)
    equal(again_code, 1)
    equal(failure(again), failure(text))


@case("a report names the commit of the build and every option")
def commit():
    _, text, _ = run(SIM, "--plant-selftest")
    named = found(r"^  commit: (\S+)$", text)
    if (ROOT / ".git").exists():
        described = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, text=True,
                                   capture_output=True, check=False).stdout.strip()
        if described:
            expect(described in named, f"{named} is not of {described}")
    else:
        equal(named, "unknown")
    _, options, _ = run(SIM, "--options")
    for line in options.split("\n")[1:]:
        name = line.split(" ")[0]
        expect(not name or name == "draw" or f" {name}=" in text, f"{name} is missing: {text}")


@case("the line for tests/seeds.txt runs the same, and --set goes over it")
def seeds_line():
    _, text, _ = run(SIM, "--plant-selftest")
    line = found(r"^  add to tests/seeds.txt: (.*)$", text)
    code, again, _ = with_seeds_file(f"# why\n\n{line} # it failed\n")
    equal(code, 1)
    equal(failure(again), failure(text))
    code, calm, _ = with_seeds_file(line, "--set", "selftest=0")
    equal(code, 0)
    expect("seeds=1 " in calm, calm)


@case("wrong options and wrong lines are named, and nothing runs")
def wrong_usage():
    code, text, error = run(SIM, "--seed", 1, "--set", "bla=1")
    equal((code, text), (2, ""))
    expect("bla=1: is no option" in error, error)
    code, _, error = run(SIM, "--seed", 1, "--set", "nodes=8")
    equal(code, 2)
    expect("1 to 7" in error, error)
    code, text, error = with_seeds_file("1\n2 nodes=3\n3 nodes=x\n")
    equal((code, text), (2, ""))
    expect("line 3: nodes=x" in error, error)
    code, _, error = with_seeds_file("1 draw=0 heartbeat_ms=300\n")
    equal(code, 2)
    expect("heartbeat_ms" in error, error)


@case("telling what happens does not change what happens")
def verbose():
    _, quiet, _ = run(SIM, "--seed", 12)
    _, told, _ = run(SIM, "--seed", 12, "--verbose")
    equal(told.strip().split("\n")[-1], quiet.strip().split("\n")[-1])
    for word in (r"node \d -> \d: append term \d+ prev \d+/\d+ entries \d+ commit \d+",
                 r"node \d <- \d: vote reply term \d+ yes",
                 r"node \d: candidate in term \d+ -> leader",
                 r"client \d+ -> node \d: \w+ ", r"phase converge", r"fault \w+:1$"):
        expect(re.search(word, told, re.M), f"the trace has no {word}")


def check_shrunk(text, given, factor):
    """Fails in the same way with 1/factor of the operations and events, and replays."""
    note(" ".join(re.sub(r" +", " ", line)
                  for line in re.findall(r"^  \w[\w ]*? +\d+ -> \d+$", text, re.M)))
    checker = found(r"^VIOLATION seed=\d+ checker=(\w+)", text)
    equal(checker, given)
    equal(found(r"^SHRUNK seed=\d+ checker=(\w+)", text), given)
    for what in ("operations", "events"):
        before, after = numbers(text, what)
        expect(after * factor <= before, f"{what}: {before} -> {after} is not 1/{factor}")
    equal(failure(replayed(text)[1]), failure(text))


@case("a dropped write shrinks to a few operations of one client without faults")
def shrink_selftest():
    code, text, _ = run(SIM, "--plant-selftest", "--shrink", "--tail", 5)
    equal(code, 1)
    check_shrunk(text, "lists", 4)
    equal(numbers(text, "faults")[1], 0)
    equal(numbers(text, "clients")[1], 1)
    expect(re.search(r"^ *\d+\.\d{3} VIOLATION of lists", text, re.M), "no trace")


@case("a run that does not fail is not shrunk")
def shrink_calm():
    code, text, _ = run(SIM, "--seed", 12, "--shrink")
    equal(code, 0)
    expect("does not fail" in text, text)


@case("a planted bug shrinks to a tenth and fails in the same way")
def shrink_plant():
    run("scripts/build.sh", "plants", "quorate-sim")
    expect(os.access(ROOT / PLANTS, os.X_OK), "the build with planted bugs failed")
    _, text, _ = run(PLANTS, "--plant", "B13", "--start", 1, "--seeds", 100, "--jobs", 2)
    seed = found(r"^VIOLATION seed=(\d+) checker=lists", text)
    code, text, _ = run(PLANTS, "--plant", "B13", "--seed", seed, "--shrink", "--jobs", 2,
                        "--time-limit", SHRINK_LIMIT_S)
    equal(code, 1)
    check_shrunk(text, "lists", 10)


main()
