#!/usr/bin/python3
"""A node that was away for longer than the log is kept comes back by a snapshot."""
# time limit: 300 s
import random
import signal
import time

from chaos import Cluster, Error, Resp, case, encode, equal, expect, main, note, rounds, wait_until

KEEP_BYTES = 65536
KEYS = 4000
VALUE_SIZE = 6000
BATCH = 100
MARK = f"key{KEYS - 1}"  # Written last.
CATCH_UP_LIMIT_S = 60


def pipeline(port, commands):
    """Sends all and reads all, in batches."""
    replies = []
    with Resp(port, 30) as connection:
        for start in range(0, len(commands), BATCH):
            batch = commands[start:start + BATCH]
            connection.send(b"".join(encode(*words) for words in batch))
            replies += [connection.read() for _ in batch]
    return replies


def write_all(cluster, port, generation):
    values = {f"key{n}": f"{generation}.{n}.".ljust(VALUE_SIZE, "x") for n in range(KEYS)}
    replies = pipeline(port, [("SET", key, value) for key, value in values.items()])
    equal([reply for reply in replies if reply != "OK"], [], "writes")
    replies = pipeline(port, [("RPUSH", f"list{n % 50}", f"{generation}.{n}") for n in range(500)])
    expect(all(isinstance(reply, int) for reply in replies), "pushes")
    return values


def contents(cluster, node):
    """Everything the node itself holds."""
    port = cluster.resp(node)
    keys = [f"key{n}" for n in range(KEYS)]
    lists = [f"list{n}" for n in range(50)]
    values = pipeline(port, [("GET", key, "LEVEL", "local") for key in keys])
    values += pipeline(port, [("LRANGE", key, "0", "-1", "LEVEL", "local") for key in lists])
    return dict(zip(keys + lists, values))


def wait_same(cluster, node, other):
    wanted = cluster.local_value(other, "GET", MARK)
    expect(isinstance(wanted, bytes), f"node {other} answers {wanted}")
    # A node in the middle of an installation answers TRYAGAIN, which is not the same either.
    wait_until(lambda: cluster.local_value(node, "GET", MARK) == wanted, CATCH_UP_LIMIT_S,
               f"node {node} has caught up")
    wait_until(lambda: contents(cluster, node) == contents(cluster, other), CATCH_UP_LIMIT_S,
               f"node {node} holds what node {other} holds")


def is_installing(cluster, node):
    reply = cluster.local_value(node, "GET", "key0")
    return isinstance(reply, Error) and "installing a snapshot" in str(reply)


def kill_while_installing(cluster, victim, wanted):
    """Starts the node and kills it in the middle of its installation. False when it was done
    before it could be hit; `wanted` is what it holds under MARK then."""
    process = cluster.start(victim)

    def has_news():
        return (is_installing(cluster, victim) or "snapshot_installed" in process.stderr() or
                cluster.local_value(victim, "GET", MARK) == wanted)
    try:
        wait_until(has_news, CATCH_UP_LIMIT_S, f"node {victim} installs a snapshot")
    except AssertionError:
        note(process.stderr()[-4000:])
        raise
    time.sleep(random.uniform(0, 0.03))
    hit = is_installing(cluster, victim)
    process.stop(signal.SIGKILL)
    return hit and "snapshot_installed" not in process.stderr()


@case("a node that missed more than the log keeps catches up by snapshot, even if killed meanwhile")
def catch_up():
    with Cluster(3, ["--log-keep-bytes", KEEP_BYTES, "--wal-segment-size", "1M"]) as cluster:
        cluster.start_all()
        hits = 0
        for generation in range(rounds(2, 8)):
            lead = cluster.leader()
            victim = lead % 3 + 1
            cluster.processes[victim].stop(signal.SIGKILL)
            values = write_all(cluster, cluster.resp(lead), generation)
            while kill_while_installing(cluster, victim, values[MARK].encode()):
                hits += 1
                if hits % 3 == 0:
                    break
            began = time.monotonic()
            cluster.start(victim)
            cluster.wait_ready([victim])
            wait_same(cluster, victim, lead)
            note(f"round {generation}: caught up {time.monotonic() - began:.1f} s after the last "
                 f"start")
            key = random.choice(list(values))
            equal(cluster.local_value(victim, "GET", key), values[key].encode(), key)
        for node in cluster.all_nodes():
            equal(contents(cluster, node), contents(cluster, lead), f"contents of node {node}")
        note(f"killed {hits} times in the middle of an installation")
        expect(hits > 0, "never hit an installation")


main()
