#!/usr/bin/python3
"""Configuration: flag over environment over file over default, shown by --print-config."""
import re

from harness import QUORATE, Serve, case, contains, equal, expect, main, run, temporary_directory


def printed(*flags, env=None, file=None):
    """{name: (value, origin)} as --print-config shows it."""
    with temporary_directory() as directory:
        words = [QUORATE, "serve", *flags, "--print-config"]
        if file is not None:
            path = directory / "q.conf"
            path.write_text(file)
            words += ["--config", path]
        code, out, err = run(words, env=env, limit_s=10)
    equal(code, 0, err)
    settings = {}
    for line in out.strip().split("\n"):
        match = re.fullmatch(r"([a-z0-9-]+) = (.*?)\s+; (.+)", line)
        expect(match, f"cannot read {line!r}")
        settings[match.group(1)] = (match.group(2), match.group(3))
    return settings


@case("defaults are shown as defaults, on loopback only")
def defaults():
    settings = printed()
    equal(settings["listen"], ("127.0.0.1:7480", "default"))
    equal(settings["http"], ("127.0.0.1:7481", "default"))
    equal(settings["peer"], ("127.0.0.1:7482", "default"))


@case("the file wins over the default, and its line is shown")
def from_file():
    value, origin = printed(file="# mine\nheartbeat-ms = 70\n")["heartbeat-ms"]
    equal(value, "70")
    contains(origin, "q.conf:2")


@case("the environment wins over the file")
def from_environment():
    equal(printed(env={"QUORATE_HEARTBEAT_MS": "80"}, file="heartbeat-ms = 70\n")["heartbeat-ms"],
          ("80", "QUORATE_HEARTBEAT_MS"))


@case("the flag wins over both, in both spellings")
def from_flag():
    for flags in (("--heartbeat-ms", "90"), ("--heartbeat-ms=90",)):
        equal(printed(*flags, env={"QUORATE_HEARTBEAT_MS": "80"},
                      file="heartbeat-ms = 70\n")["heartbeat-ms"], ("90", "flag"))


@case("what --print-config prints is a valid file with the same meaning")
def round_trip():
    code, out, err = run([QUORATE, "serve", "--heartbeat-ms", "61", "--value-size-max", "3M",
                          "--print-config"], limit_s=10)
    equal(code, 0, err)
    settings = printed(file=out)
    equal(settings["heartbeat-ms"][0], "61")
    equal(settings["value-size-max"][0], "3M")
    contains(settings["heartbeat-ms"][1], "q.conf")


@case("--check-config says yes with 0 and no with 2, and starts nothing")
def check():
    with temporary_directory() as directory:
        path = directory / "q.conf"
        data = directory / "data"
        path.write_text(f"data-dir = {data}\nheartbeat-ms = 50\n")
        code, out, err = run([QUORATE, "serve", "--config", path, "--check-config"], limit_s=10)
        equal(code, 0, err)
        expect(not data.exists(), "nothing was created")
        path.write_text("heartbeat-ms = 50\nelection-min-ms = 20\n")
        code, out, err = run([QUORATE, "serve", "--config", path, "--check-config"], limit_s=10)
        equal(code, 2, "settings that do not go together: " + out)
        expect(err.strip(), "an error text")


@case("a node runs with settings from file and environment")
def runs():
    with Serve(1) as node:
        path = node.directory / "q.conf"
        path.write_text(f"data-dir = {node.data_directory(1)}\nlisten = 127.0.0.1:{node.resp(1)}\n"
                        f"peer = 127.0.0.1:{node.peer(1)}\n")
        node.start(1, env={"QUORATE_HTTP": f"127.0.0.1:{node.http(1)}"}, config=path,
                   data_dir=None, listen=None, http=None, peer=None, cluster=None)
        node.wait_ready()


@case("--help exits 0 and shows every setting; each command has it")
def help_text():
    code, out, err = run([QUORATE, "serve", "--help"], limit_s=10)
    equal(code, 0, err)
    for name in printed():
        contains(out, f"--{name}")
    for command in ("dev", "status"):
        code, out, err = run([QUORATE, command, "--help"], limit_s=10)
        equal(code, 0, err)
        contains(out, "examples")
    code, out, err = run([QUORATE, "--help"], limit_s=10)
    equal(code, 0)
    contains(out, "serve")
    code, out, err = run([QUORATE, "--version"], limit_s=10)
    equal(code, 0)
    expect(re.search(r"\d+\.\d+\.\d+", out), out)


if __name__ == "__main__":
    main()
