#!/usr/bin/python3
"""clang-format and clang-tidy over our C files.

usage: scripts/lint.py format [--fix]   what clang-format would change; --fix changes it
       scripts/lint.py tidy [FILE...]   clang-tidy on every file whose stamp is out of date
       scripts/lint.py --self-test      plants a violation of each; TAP output

clang-tidy takes about a second a file, so a clean result leaves a stamp in build/lint: the hash of
the file, of every header of ours that it reaches, of .clang-tidy and of its compile command. It
needs the compilation database of the release preset (scripts/build.sh release).
"""
import concurrent.futures
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
STAMPS = ROOT / "build" / "lint"
JOBS = 2


def c_files(*suffixes):
    for place in ("src", "sim", "include", "tests"):
        for path in sorted((ROOT / place).glob("**/*")):
            if path.suffix in suffixes:
                yield path


def run(*command):
    return subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", cwd=ROOT, check=False)


def format_files(files, fix):
    mode = ["-i"] if fix else ["--dry-run", "--Werror"]
    done = run("clang-format", *mode, *files)
    sys.stdout.write(done.stdout)
    return done.returncode


def commands():
    """file -> how it is compiled; the fuzz targets exist only in their own preset."""
    found = {}
    for preset in ("fuzz", "release"):
        database = ROOT / "build" / preset / "compile_commands.json"
        if database.exists():
            for entry in json.loads(database.read_text()):
                found[pathlib.Path(entry["file"])] = (database.parent, entry["command"])
    return found


def reached(path, seen):
    """The file and every header of ours that it includes, directly or not."""
    if path in seen:
        return
    seen.add(path)
    for name in re.findall(r'^\s*#\s*include\s*"([^"]+)"', path.read_text(errors="replace"), re.M):
        for base in (ROOT / "src", ROOT / "include", ROOT, ROOT / "tests", path.parent):
            if (base / name).is_file():
                reached((base / name).resolve(), seen)
                break


def stamp_of(path, command):
    files = set()
    reached(path, files)
    digest = hashlib.sha256(command.encode())
    for part in [ROOT / ".clang-tidy", *sorted(files)]:
        digest.update(str(part).encode() + b"\0" + part.read_bytes() + b"\0")
    return digest.hexdigest()


def tidy_one(path, database, command):
    stamp = STAMPS / (path.relative_to(ROOT).as_posix().replace("/", "-") + ".stamp")
    wanted = stamp_of(path, command)
    if stamp.exists() and stamp.read_text() == wanted:
        return path, None, ""
    done = run("clang-tidy", "-quiet", "-p", database, path)
    if done.returncode == 0:
        stamp.write_text(wanted)
    return path, done.returncode, done.stdout


def tidy_files(names):
    known = commands()
    if not known:
        print("no compilation database: run scripts/build.sh release first")
        return 1
    STAMPS.mkdir(parents=True, exist_ok=True)
    files = [pathlib.Path(name).resolve() for name in names] or list(c_files(".c"))
    work = [(path, *known[path]) for path in files if path in known]
    looked = failed = 0
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for path, code, output in pool.map(lambda job: tidy_one(*job), work):
            looked += code is not None
            if code:
                failed += 1
                # How the analyzer got there is for whoever runs clang-tidy on that file.
                kept = [line for line in output.split("\n")
                        if re.search(r": (error|warning):", line)]
                print("\n".join(dict.fromkeys(kept)) or f"{path}: clang-tidy failed\n{output}")
    print(f"clang-tidy: {looked} files looked at, {len(work) - looked} unchanged, {failed} failed")
    return 1 if failed else 0


SELF_TEST = [
    ("clang-format accepts a formatted file", "format", 0, "int f(int a)\n{\n    return a;\n}\n"),
    ("clang-format refuses a brace at the end of the line", "format", 1,
     "int f(int a) {\n    return a;\n}\n"),
    ("clang-tidy accepts a clean file", "tidy", 0,
     "int f(int a);\nint f(int a)\n{\n    if (a > 1) {\n        return 2;\n    }\n"
     "    return a;\n}\n"),
    ("clang-tidy refuses an if without braces", "tidy", 1,
     "int f(int a);\nint f(int a)\n{\n    if (a > 1)\n        return 2;\n    return a;\n}\n"),
    ("clang-tidy refuses a null pointer that is followed", "tidy", 1,
     "int f(void);\nint f(void)\n{\n    int *a = 0;\n    return *a;\n}\n"),
]


def self_test():
    failed = 0
    print(f"1..{len(SELF_TEST)}")
    for number, (name, tool, wanted, code) in enumerate(SELF_TEST, 1):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "plant.c"
            path.write_text(code)
            if tool == "format":
                done = run("clang-format", f"--style=file:{ROOT}/.clang-format", "--dry-run",
                           "--Werror", path)
            else:
                done = run("clang-tidy", "-quiet", f"--config-file={ROOT}/.clang-tidy", path,
                           "--", "-std=c11")
        good = (done.returncode != 0) == bool(wanted)
        if not good:
            failed += 1
            print("# " + done.stdout.strip().replace("\n", "\n# "))
        print(f"{'ok' if good else 'not ok'} {number} - {name}")
    return 1 if failed else 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    if arguments[:1] == ["format"]:
        return format_files(list(c_files(".c", ".h")), arguments[1:] == ["--fix"])
    if arguments[:1] == ["tidy"]:
        return tidy_files(arguments[1:])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
