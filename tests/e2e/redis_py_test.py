#!/usr/bin/python3
"""redis-py (Debian's python3-redis) unchanged: every command of today, pipelines, binary data."""
import threading

from harness import Dev, case, equal, expect, main, need, note, Resp

try:
    import redis
except ImportError:
    redis = None

dev = Dev(3)


def client(node=1, **options):
    return redis.Redis(host="127.0.0.1", port=dev.resp(node), socket_timeout=10, **options)


@case("the client connects, pings and echoes")
def connect():
    if redis is None:
        from harness import Skip
        raise Skip("python3-redis is not installed")
    note(f"redis-py {redis.__version__}")
    dev.start()
    expect(client().ping())
    equal(client(2).echo("x"), b"x")


@case("strings: SET with its options, GET, APPEND, STRLEN, GETRANGE")
def strings():
    r = client()
    expect(r.set("s", "one"))
    equal(client(2).get("s"), b"one")
    equal(r.set("s", "two", nx=True), None)
    equal(r.get("s"), b"one")
    expect(r.set("s", "two", xx=True))
    equal(r.set("absent", "x", xx=True), None)
    equal(r.set("s", "three", get=True), b"two")
    equal(r.append("s", "!"), 6)
    equal(r.strlen("s"), 6)
    equal(r.getrange("s", 1, 3), b"hre")
    equal(r.getrange("s", -3, -1), b"ee!")
    equal(r.execute_command("SET", "s", "four", "IFEQ", "three!"), True)
    equal(r.execute_command("SET", "s", "five", "IFEQ", "three!"), None)
    equal(r.get("s"), b"four")


@case("numbers: INCR, DECR, INCRBY, DECRBY and their errors")
def numbers():
    r = client(3)
    equal([r.incr("n"), r.incr("n", 41), r.decr("n"), r.decr("n", 40)], [1, 42, 41, 1])
    r.set("text", "abc")
    try:
        r.incr("text")
        expect(False, "INCR of a text must fail")
    except redis.ResponseError as error:
        expect("not an integer" in str(error), str(error))
    r.set("big", str(2**63 - 1))
    try:
        r.incr("big")
        expect(False, "an overflow must fail")
    except redis.ResponseError as error:
        expect("overflow" in str(error), str(error))


@case("many keys: MSET, MGET, EXISTS, DEL")
def many():
    r = client()
    expect(r.mset({f"m{i}": f"v{i}" for i in range(100)}))
    equal(r.mget([f"m{i}" for i in range(100)] + ["none"]),
          [f"v{i}".encode() for i in range(100)] + [None])
    equal(r.exists("m0", "m1", "m1", "none"), 3)
    equal(r.delete("m0", "m1", "none"), 2)


@case("lists: pushes, pops, ranges, lengths")
def lists():
    r = client(2)
    equal(r.rpush("l", "a", "b", "c"), 3)
    equal(r.lpush("l", "z", "y"), 5)
    equal(r.lrange("l", 0, -1), [b"y", b"z", b"a", b"b", b"c"])
    equal(r.lrange("l", -2, 100), [b"b", b"c"])
    equal(r.llen("l"), 5)
    equal([r.lpop("l"), r.rpop("l")], [b"y", b"c"])
    equal(r.lpop("l", 2), [b"z", b"a"])
    equal(r.rpop("l", 9), [b"b"])
    equal([r.llen("l"), r.exists("l"), r.lpop("l")], [0, 0, None])
    r.set("string", "x")
    try:
        r.rpush("string", "y")
        expect(False, "WRONGTYPE expected")
    except redis.ResponseError as error:
        expect(str(error).startswith("WRONGTYPE"), str(error))


@case("keys: TYPE, DBSIZE and SCAN, which returns every key once")
def keys():
    r = client()
    r.rpush("a-list", "x")
    equal([r.type("string"), r.type("a-list"), r.type("none")], [b"string", b"list", b"none"])
    found = list(r.scan_iter(count=7))
    equal(len(found), len(set(found)), "no key twice")
    equal(len(found), r.dbsize())
    equal(list(r.scan_iter(match="a-l*")), [b"a-list"])
    equal(list(r.scan_iter(match="*", _type="list")), [b"a-list"])


@case("keys and values are bytes")
def binary():
    r = client()
    everything = bytes(range(256))
    expect(r.set(everything, everything))
    equal(client(3).get(everything), everything)
    expect(r.set("empty", b""))
    equal(r.get("empty"), b"")
    expect(r.set("\r\n$-1\r\n", "\r\n+OK\r\n"))
    equal(r.get("\r\n$-1\r\n"), b"\r\n+OK\r\n")


@case("a pipeline of 1,000 commands answers in order")
def pipeline():
    pipe = client(2).pipeline(transaction=False)
    for i in range(500):
        pipe.set(f"pipe{i}", i)
        pipe.get(f"pipe{i}")
    replies = pipe.execute()
    equal(replies[::2], [True] * 500)
    equal(replies[1::2], [str(i).encode() for i in range(500)])


@case("an error within a pipeline stays at its place")
def pipeline_error():
    pipe = client().pipeline(transaction=False)
    pipe.set("pe", "text")
    pipe.incr("pe")
    pipe.get("pe")
    replies = pipe.execute(raise_on_error=False)
    expect(replies[0] is True and isinstance(replies[1], redis.ResponseError), replies)
    equal(replies[2], b"text")


@case("sixteen threads count without losing one")
def threads():
    def count(node):
        r = client(node)
        for _ in range(100):
            r.incr("shared")
    workers = [threading.Thread(target=count, args=(i % 3 + 1,)) for i in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    equal(client().get("shared"), b"1600")


@case("server commands: INFO, CONFIG GET, CLIENT, TIME, COMMAND")
def server():
    r = client(client_name="tester")
    expect(r.info()["redis_version"].startswith("7."), "redis_version")
    equal(r.client_getname(), "tester")
    expect(r.client_id() > 0)
    expect(isinstance(r.config_get("maxmemory"), dict))
    expect(r.time()[0] > 1_600_000_000)
    expect(r.command_count() > 20)


@case("HELLO switches between RESP2 and RESP3, RESET goes back")
def protocols():
    with Resp(dev.resp(1)) as connection:
        hello = connection.ok("HELLO", "3")
        expect(isinstance(hello, dict), "a map")
        equal((hello[b"proto"], hello[b"role"]), (3, b"master"))
        for field in (b"server", b"version", b"id", b"mode", b"modules"):
            expect(field in hello, f"no {field}")
        connection.send(b"*2\r\n$3\r\nGET\r\n$4\r\nnone\r\n")
        equal(connection.line(), b"_", "RESP3 null")
        equal(connection.ok("RESET"), "RESET")
        connection.send(b"*2\r\n$3\r\nGET\r\n$4\r\nnone\r\n")
        equal(connection.line(), b"$-1", "RESP2 null")
        expect(isinstance(connection.ok("HELLO", "2"), list), "a flat array")
        expect(str(connection.command("HELLO", "4")).startswith("NOPROTO"))


if __name__ == "__main__":
    need("redis-cli")
    main()
