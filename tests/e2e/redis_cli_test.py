#!/usr/bin/python3
"""redis-cli unchanged: one-shot, piped, RESP2 and RESP3, --scan, --pipe, --latency probes."""
from harness import Dev, case, contains, encode, equal, expect, main, need, run

dev = Dev(3)


def cli(*words, stdin=b"", limit_s=60):
    return run([need("redis-cli"), "-p", dev.resp(2), *words], stdin=stdin, limit_s=limit_s)


@case("commands on the command line print what they print for redis")
def one_shot():
    dev.start()
    for words, wanted in ((("ping",), "PONG"), (("echo", "two words"), "two words"),
                          (("set", "k", "v"), "OK"), (("get", "k"), "v"), (("get", "none"), ""),
                          (("exists", "k", "none", "k"), "2"), (("type", "k"), "string"),
                          (("strlen", "k"), "1"), (("del", "k"), "1")):
        code, out, err = cli(*words)
        equal((code, out.rstrip("\n")), (0, wanted), f"{words} {err}")


@case("commands from standard input run in order")
def piped():
    code, out, _ = cli(stdin=b"set p 1\nincr p\nrpush l a b c\nlrange l 0 -1\nget p\n")
    equal(code, 0)
    equal(out.split(), ["OK", "2", "3", "a", "b", "c", "2"])


@case("RESP3 by redis-cli -3")
def resp3():
    code, out, err = cli("-3", "hello", "3")
    equal(code, 0, err)
    contains(out, "proto")
    contains(out, "server")
    code, out, _ = cli("-3", "--json", "lrange", "l", "0", "-1")
    equal((code, out.strip()), (0, '["a","b","c"]'))


@case("an error is printed and exits 1 with -e")
def error_exit():
    code, out, err = cli("-e", "lpush")
    equal(code, 1)
    contains(out + err, "ERR wrong number of arguments")
    code, out, err = cli("-e", "nosuchcommand", "x")
    equal(code, 1)
    contains(out + err, "ERR unknown command 'nosuchcommand'")


@case("a value of 1 MiB from standard input comes back whole")
def large_value():
    value = bytes(range(33, 127)) * (1024 * 1024 // 94)
    code, out, err = cli("-x", "set", "large", stdin=value)
    equal((code, out.strip()), (0, "OK"), err)
    code, out, _ = cli("get", "large")
    expect(out.rstrip("\n").encode() == value, "the value differs")
    code, out, _ = cli("strlen", "large")
    equal(out.strip(), str(len(value)))


@case("--scan lists every key once, with a pattern only what matches")
def scan():
    keys = {f"scan:{number}" for number in range(500)}
    code, out, err = cli("--pipe", stdin=b"".join(encode("SET", key, "x") for key in keys))
    equal(code, 0, err)
    contains(out, "errors: 0")
    contains(out, "replies: 500")
    code, out, _ = cli("--scan", "--pattern", "scan:*")
    found = out.split()
    equal(code, 0)
    equal(len(found), 500, "keys")
    equal(set(found), keys)
    code, out, _ = cli("--scan", "--pattern", "scan:4?")
    equal(sorted(out.split()), sorted(f"scan:4{digit}" for digit in range(10)))


@case("--latency, INFO and COMMAND answer as the tool expects")
def introspection():
    code, out, err = cli("--latency", "--raw", "-i", "1", limit_s=20)
    equal(code, 0, err)
    code, out, _ = cli("info")
    contains(out, "redis_version:7")
    contains(out, "quorate_version:")
    contains(out, "loading:0")
    code, out, _ = cli("command", "count")
    expect(int(out) > 20, out)
    code, out, _ = cli("command", "docs", "get")
    contains(out, "summary")
    code, out, _ = cli("config", "get", "save")
    equal(code, 0)


if __name__ == "__main__":
    main()
