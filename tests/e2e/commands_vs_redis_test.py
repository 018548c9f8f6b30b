#!/usr/bin/python3
"""The same commands at redis-server 7 and at Quorate: the same replies, byte by byte.

What differs on purpose is in the table DIFFERENCES, with the reason. The random part draws from
every command with arguments of every kind; its seed is printed.
"""
# time limit: 300 s
import os
import random

from harness import (IO_LIMIT_S, Dev, Error, Process, Resp, _is_free, case, encode, equal, expect,
                     main, need, new_directory, note, wait_until)

dev = Dev(3)
servers = {}

# (words, Quorate's reply or a prefix of its error, reason)
DIFFERENCES = [
    (("SET", "k", "v", "EX", "10"), "ERR", "keys do not expire yet (a later issue)"),
    (("SET", "k", "v", "PX", "10"), "ERR", "as EX"),
    (("HSET", "k", "f", "v"), "ERR unknown command 'HSET'", "no hashes yet"),
    (("SUBSCRIBE", "c"), "ERR unknown command 'SUBSCRIBE'", "not a message broker"),
    (("FLUSHALL",), "ERR unknown command 'FLUSHALL'", "no command drops all data at once"),
    (("EVAL", "return 1", "0"), "ERR unknown command 'EVAL'", "no scripts"),
    (("GET", "k", "LEVEL", "local"), None, "LEVEL is Quorate's own option"),
]

FIXED = [
    # connection
    ("PING",), ("PING", "x"), ("PING", "x", "y"), ("ping",), ("ECHO", "x"), ("ECHO",),
    ("ECHO", "a", "b"),
    # strings
    ("GET", "none"), ("SET", "s", "abc"), ("GET", "s"), ("get", "s"), ("SET", "s"), ("GET",),
    ("SET", "s", "x", "NX"), ("SET", "s2", "x", "NX"), ("SET", "s", "x", "XX"),
    ("SET", "none", "x", "XX"), ("SET", "s", "y", "GET"), ("SET", "fresh", "y", "GET"),
    ("SET", "s", "z", "NX", "XX"), ("SET", "s", "z", "BOGUS"), ("SET", "s", "z", "xx", "get"),
    ("SET", "s", "q", "NX", "GET"), ("SET", "newkey", "q", "NX", "GET"), ("STRLEN", "s"),
    ("STRLEN", "none"), ("APPEND", "s", "123"), ("APPEND", "made", "x"),
    ("GETRANGE", "s", "0", "-1"), ("GETRANGE", "s", "-2", "-1"), ("GETRANGE", "s", "2", "1"),
    ("GETRANGE", "s", "5", "100"), ("GETRANGE", "none", "0", "-1"), ("GETRANGE", "s", "-100", "1"),
    ("GETRANGE", "s", "-1", "-100"), ("GETRANGE", "s", "a", "1"),
    ("GETRANGE", "s", "9223372036854775808", "1"), ("GETRANGE", "s", "0"),
    # numbers
    ("INCR", "n"), ("INCRBY", "n", "41"), ("DECR", "n"), ("DECRBY", "n", "1"), ("INCRBY", "n", "x"),
    ("INCRBY", "n", "1.5"), ("INCRBY", "n", " 1"), ("INCRBY", "n", "+1"), ("INCRBY", "n", "01"),
    ("INCR", "s"), ("SET", "big", "9223372036854775807"), ("INCR", "big"), ("DECRBY", "big", "1"),
    ("SET", "small", "-9223372036854775808"), ("DECR", "small"),
    ("DECRBY", "n", "-9223372036854775808"), ("INCRBY", "n", "9223372036854775808"),
    ("SET", "padded", " 1"), ("INCR", "padded"), ("SET", "zeros", "007"), ("INCR", "zeros"),
    ("SET", "nothing", ""), ("INCR", "nothing"), ("INCR",), ("INCR", "a", "b"),
    # many keys
    ("MSET", "a", "1", "b", "2"), ("MGET", "a", "none", "b"), ("MSET", "a"),
    ("MSET", "a", "1", "b"), ("MSET", "a", "1", "a", "2"), ("GET", "a"), ("MGET",),
    ("EXISTS", "a", "a", "none"), ("EXISTS",), ("DEL", "a", "a", "none"), ("DEL",), ("DEL", "none"),
    # lists
    ("RPUSH", "l", "a", "b", "c"), ("LPUSH", "l", "y", "z"), ("LRANGE", "l", "0", "-1"),
    ("LRANGE", "l", "1", "2"), ("LRANGE", "l", "-2", "-1"), ("LRANGE", "l", "3", "1"),
    ("LRANGE", "l", "0", "100"), ("LRANGE", "none", "0", "-1"), ("LRANGE", "l", "x", "1"),
    ("LRANGE", "l", "-100", "-100"), ("LLEN", "l"), ("LLEN", "none"), ("LPOP", "l"), ("RPOP", "l"),
    ("LPOP", "l", "2"), ("RPOP", "l", "0"), ("LPOP", "l", "-1"), ("LPOP", "l", "x"),
    ("LPOP", "l", "9"), ("LPOP", "l"), ("LPOP", "l", "1"), ("RPOP", "none", "0"), ("EXISTS", "l"),
    ("RPUSH", "l"), ("LPOP",), ("LPOP", "l", "1", "2"),
    # the wrong kind
    ("RPUSH", "list", "x"), ("GET", "list"), ("INCR", "list"), ("APPEND", "list", "x"),
    ("STRLEN", "list"), ("GETRANGE", "list", "0", "1"), ("MGET", "list", "s"),
    ("SET", "list2", "x", "GET"), ("SET", "list", "x", "GET"), ("LPUSH", "s", "x"),
    ("LRANGE", "s", "0", "1"), ("LLEN", "s"), ("LPOP", "s"), ("SET", "list", "now a string"),
    ("TYPE", "list"), ("GET", "list"),
    # keys
    ("TYPE", "s"), ("TYPE", "none"), ("TYPE",), ("DBSIZE",), ("DBSIZE", "x"),
    ("SCAN", "0", "COUNT", "0"), ("SCAN", "0", "COUNT", "x"), ("SCAN", "x"), ("SCAN", "0", "BOGUS"),
    ("SCAN", "0", "MATCH"), ("SCAN",),
    # unknown
    ("NOSUCH",), ("nosuch", "a", "b c"), ("NOSUCH", "x" * 200), ("",),
]


def start_redis():
    port = next(p for p in random.sample(range(12000, 30000), 100) if _is_free(p))
    directory = new_directory()
    process = Process([need("redis-server"), "--port", port, "--save", "", "--appendonly", "no",
                       "--bind", "127.0.0.1", "--dir", directory], directory, "redis")
    wait_until(lambda: Resp(port).ok("PING") == "PONG", IO_LIMIT_S, "redis-server answers")
    expect(process.is_running(), process.stdout)
    return port


def plain(reply):
    return f"-{reply}" if isinstance(reply, Error) else reply


@case("both servers start")
def start():
    dev.start()
    servers["redis"] = Resp(start_redis())
    servers["quorate"] = Resp(dev.resp(2))


@case("fixed commands, their options and their errors are answered alike")
def fixed():
    different = []
    for words in FIXED:
        replies = {name: plain(connection.command(*words)) for name, connection in servers.items()}
        if replies["redis"] != replies["quorate"]:
            different.append((words, replies))
    for words, replies in different:
        note(f"{words}: redis {replies['redis']!r}, quorate {replies['quorate']!r}")
    equal(len(different), 0, "different replies")


@case("fixed commands are answered alike in RESP3")
def fixed_resp3():
    for connection in servers.values():
        expect(isinstance(connection.command("HELLO", "3"), dict))
    for words in FIXED:
        replies = []
        for connection in servers.values():
            connection.send(encode(*words))
            replies.append(plain(connection.read()))
        equal(replies[1], replies[0], str(words))
    for connection in servers.values():
        connection.command("HELLO", "2")


@case("the table of differences is still true")
def differences():
    for words, wanted, reason in DIFFERENCES:
        with Resp(dev.resp(1)) as connection:
            reply = connection.command(*words)
            if wanted is None:
                expect(not isinstance(reply, Error), f"{words}: {reply}")
            else:
                expect(isinstance(reply, Error) and str(reply).lower().startswith(wanted.lower()),
                       f"{words} ({reason}): {reply!r}, wanted -{wanted}")


def random_words(source):
    def key():
        return source.choice(["k1", "k2", "k3", "k4", b"\x00\xff", "", "{t}x"])

    def value():
        return source.choice(["", "x", "42", "-1", "9223372036854775807", "text", b"\r\n",
                              "y" * 300])

    def number():
        return str(source.choice([0, 1, -1, 2, -2, 5, -5, 100, -100, 2**63 - 1, -2**63]))

    return source.choice([
        lambda: ("GET", key()),
        lambda: ("SET", key(), value(), *source.sample(["NX", "XX", "GET"], source.randrange(2))),
        lambda: ("SET", key(), value(), "XX", "GET"),
        lambda: ("DEL", *[key() for _ in range(source.randint(1, 3))]),
        lambda: ("EXISTS", *[key() for _ in range(source.randint(1, 3))]),
        lambda: ("APPEND", key(), value()),
        lambda: ("STRLEN", key()),
        lambda: ("GETRANGE", key(), number(), number()),
        lambda: (source.choice(["INCR", "DECR"]), key()),
        lambda: (source.choice(["INCRBY", "DECRBY"]), key(), number()),
        lambda: ("MGET", *[key() for _ in range(source.randint(1, 4))]),
        lambda: ("MSET", *[x for _ in range(source.randint(1, 3)) for x in (key(), value())]),
        lambda: (source.choice(["LPUSH", "RPUSH"]), key(),
                 *[value() for _ in range(source.randint(1, 4))]),
        lambda: ("LRANGE", key(), number(), number()),
        lambda: ("LLEN", key()),
        lambda: (source.choice(["LPOP", "RPOP"]), key()),
        lambda: (source.choice(["LPOP", "RPOP"]), key(), number()),
        lambda: ("TYPE", key()),
        lambda: ("DBSIZE",),
    ])()


@case("6,000 random commands, pipelined by 100, are answered alike")
def random_commands():
    seed = int(os.environ.get("SEED", random.randrange(2**32)))
    note(f"SEED={seed}")
    source = random.Random(seed)
    for connection in servers.values():
        connection.ok("DEL", "k1", "k2", "k3", "k4", b"\x00\xff", "", "{t}x")
    # Other keys are the same at both, so DBSIZE agrees too.
    for batch in range(60):
        commands = [random_words(source) for _ in range(100)]
        replies = {}
        for name, connection in servers.items():
            connection.send(b"".join(encode(*words) for words in commands))
            replies[name] = [plain(connection.read()) for _ in commands]
        for number, words in enumerate(commands):
            equal(replies["quorate"][number], replies["redis"][number],
                  f"batch {batch}, command {number}: {words}")


@case("SCAN finds the same keys, with MATCH and TYPE too")
def scan():
    def scan_all(connection, *options):
        found, cursor = [], "0"
        for _ in range(10000):
            cursor, keys = connection.ok("SCAN", cursor, *options)
            found += keys
            if cursor == b"0":
                return sorted(found)
        raise AssertionError("SCAN does not end")
    for connection in servers.values():
        connection.send(b"".join(encode("SET", f"scan:{i}", "x") for i in range(300)))
        for _ in range(300):
            connection.read()
    for options in ((), ("COUNT", "1"), ("COUNT", "1000"), ("MATCH", "scan:1*"),
                    ("MATCH", "scan:?"), ("MATCH", "scan:[1-3]"), ("MATCH", "scan:[^1-8]"),
                    ("MATCH", "scan\\:1"), ("MATCH", "nothing*"), ("TYPE", "list"),
                    ("TYPE", "string", "MATCH", "k*")):
        got = {name: scan_all(connection, *options) for name, connection in servers.items()}
        equal(got["quorate"], got["redis"], f"SCAN {options}")


@case("inline commands are understood alike")
def inline():
    for line in (b"PING\r\n", b"PING\n", b"SET inline 'a b'\r\n", b'GET inline\r\n',
                 b'SET inline "\\x41\\n"\r\n', b"GET   inline\r\n", b'ECHO ""\r\n'):
        replies = []
        for connection in servers.values():
            connection.send(line)
            replies.append(plain(connection.read()))
        equal(replies[1], replies[0], repr(line))


@case("malformed requests end the connection with the same error")
def malformed():
    for data in (b"*1\r\n+PING\r\n", b"*abc\r\n", b"*1\r\n$abc\r\n", b"*1\r\n$-5\r\n",
                 b"*2147483648\r\n", b"*1\r\n$536870913\r\n", b'GET "open\r\n'):
        replies = []
        for name in ("redis", "quorate"):
            with Resp(servers[name].socket.getpeername()[1]) as connection:
                connection.send(data)
                replies.append(plain(connection.read()))
                expect(connection.is_closed_by_peer(), f"{name} keeps the connection")
        if replies[0] != replies[1]:
            note(f"{data!r}: redis {replies[0]!r}, quorate {replies[1]!r}")
        # The words may differ where the limits do; that it is an error and the end may not.
        expect(str(replies[1]).startswith(("-ERR Protocol error", "-TOOBIG")),
               f"{data!r}: {replies[1]!r}")


if __name__ == "__main__":
    main()
