/* core/raft under random faults: packets lost, doubled and out of order, links cut, saves late,
 * replicas crashing with all that was not saved, snapshots, transfers and compaction; the oracle
 * of the fixture looks after each step. Each run ends with a calm in which the cluster must agree.
 *
 * RAFT_SEED=<n> replays one run; RAFT_RUNS=<n> makes it a campaign; QUORATE_PLANT=<name> turns a
 * planted bug on in builds that have them.
 */
#include "base/err.h"
#include "harness/raft_cluster.h"
#include "harness/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RUNS_DEFAULT 2000
#define STEPS        2000

static struct cluster cluster_memory;
static char seed_line[64]; /* Ready for the handler, which may not format. */
static size_t seed_line_size;

/* A failed Q_CHECK aborts: the seed must still be known. */
static void print_seed(int number)
{
    if (write(STDERR_FILENO, seed_line, seed_line_size) > 0) {
        (void)signal(number, SIG_DFL);
        (void)raise(number);
    }
}

static uint64_t env_number(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);
    int64_t value = 0;
    if (text == NULL || !bytes_to_int64(bytes_of_text(text), &value) || value < 0) {
        return fallback;
    }
    return (uint64_t)value;
}

static node_id any_node(struct cluster *cluster)
{
    return (node_id)(1 + prng_below(&cluster->prng, cluster->node_count));
}

struct weights {
    uint64_t drop;
    uint64_t duplicate;
    uint64_t reorder;
    uint64_t slow_disk;
    uint64_t crash;
    uint64_t cut;
    uint64_t snapshot;
    uint64_t lazy; /* Percent of steps after which the replica is not asked for its effects. */
};

/* Swarm testing: each run has its own mixture, so that rare combinations get long stretches. */
static struct weights draw_weights(struct prng *prng)
{
    return (struct weights){
        .drop = prng_chance(prng, 1, 3) ? 0 : prng_below(prng, 30),
        .duplicate = prng_chance(prng, 1, 3) ? 0 : prng_below(prng, 30),
        .reorder = prng_chance(prng, 1, 3) ? 0 : prng_below(prng, 100),
        .slow_disk = prng_below(prng, 90),
        .crash = prng_chance(prng, 1, 3) ? 0 : prng_below(prng, 20),
        .cut = prng_chance(prng, 1, 3) ? 0 : prng_below(prng, 20),
        .snapshot = prng_chance(prng, 1, 3) ? 0 : prng_below(prng, 30),
        .lazy = prng_below(prng, 60),
    };
}

static void network_step(struct cluster *cluster, const struct weights *weights)
{
    struct prng *prng = &cluster->prng;
    if (cluster->packet_count == 0) {
        return;
    }
    const bool reorder = prng_chance(prng, weights->reorder, 100);
    const size_t at = reorder ? (size_t)prng_below(prng, cluster->packet_count) : 0;
    if (prng_chance(prng, weights->drop, 100)) {
        cluster_drop(cluster, at);
        return;
    }
    if (prng_chance(prng, weights->duplicate, 100)) {
        cluster_duplicate(cluster, at);
    }
    const node_id to = cluster->packets[at].message.to;
    cluster_deliver(cluster, at);
    if (!prng_chance(prng, weights->lazy, 100)) {
        cluster_collect(cluster, to);
    }
}

static void client_step(struct cluster *cluster)
{
    struct prng *prng = &cluster->prng;
    node_id node = any_node(cluster);
    for (size_t i = 1; i <= cluster->node_count; i++) {
        /* Whoever believes to lead, not only who does: clients do not know better. */
        const struct cluster_node *one = &cluster->nodes[i];
        if (one->alive && one->raft.role == RAFT_LEADER && prng_chance(prng, 1, 2)) {
            node = one->id;
        }
    }
    raft_index index = 0;
    if (prng_chance(prng, 2, 3)) {
        (void)cluster_propose(cluster, node, &index);
    } else {
        (void)cluster_read(cluster, node);
    }
    if (prng_chance(prng, 1, 20)) {
        (void)raft_transfer(cluster_raft(cluster, node), cluster->now_ms, any_node(cluster));
    }
    if (prng_chance(prng, 1, 2)) {
        cluster_collect(cluster, node);
    }
}

static void fault_step(struct cluster *cluster, const struct weights *weights)
{
    struct prng *prng = &cluster->prng;
    const node_id node = any_node(cluster);
    struct cluster_node *one = cluster_node_of(cluster, node);
    if (prng_chance(prng, weights->crash, 100)) {
        if (one->alive) {
            cluster_crash(cluster, node);
        } else {
            cluster_restart(cluster, node);
        }
    }
    if (prng_chance(prng, weights->crash, 2000)) {
        for (size_t i = 1; i <= cluster->node_count; i++) { /* The power fails. */
            if (cluster->nodes[i].alive) {
                cluster_crash(cluster, (node_id)i);
            }
            cluster_restart(cluster, (node_id)i);
        }
    }
    if (prng_chance(prng, weights->cut, 100)) {
        cluster->cut[node][any_node(cluster)] = prng_chance(prng, 1, 2);
    }
    const node_id leader = cluster_leader(cluster);
    if (leader != NODE_NONE && prng_chance(prng, weights->cut, 200)) {
        cluster_isolate(cluster, leader, true); /* It will go on believing for a while. */
    }
    if (prng_chance(prng, weights->cut, 300)) {
        cluster_isolate(cluster, node, prng_chance(prng, 1, 2));
    }
    if (prng_chance(prng, weights->cut, 600)) {
        one->disk_hangs = !one->disk_hangs;
    }
    if (one->alive && prng_chance(prng, 1, 10)) {
        raft_peer_unreachable(&one->raft, any_node(cluster));
    }
}

static void storage_step(struct cluster *cluster, const struct weights *weights)
{
    struct prng *prng = &cluster->prng;
    const node_id node = any_node(cluster);
    struct cluster_node *one = cluster_node_of(cluster, node);
    while (!prng_chance(prng, weights->slow_disk, 100) && cluster_complete_save(cluster, node)) {
        if (!prng_chance(prng, weights->lazy, 100)) {
            cluster_collect(cluster, node);
        }
    }
    if (!one->alive || !prng_chance(prng, weights->snapshot, 100)) {
        return;
    }
    one->disk.applied =
        prng_between(prng, one->disk.applied, one->raft.applied_index); /* Flushed so far. */
    if (prng_chance(prng, 1, 3)) {
        cluster_compact(cluster, node,
                        prng_between(prng, one->disk.start_index, one->disk.applied));
    }
    cluster_finish_stream(cluster, node, any_node(cluster), prng_chance(prng, 3, 4));
}

static void calm_down(struct cluster *cluster)
{
    memset(cluster->cut, 0, sizeof cluster->cut);
    for (size_t i = 1; i <= cluster->node_count; i++) {
        cluster->nodes[i].disk_hangs = false;
        if (!cluster->nodes[i].alive) {
            cluster_restart(cluster, (node_id)i);
        }
    }
    cluster_run(cluster, 4000);
    const node_id leader = cluster_leader(cluster);
    CLUSTER_CHECK(cluster, leader != NODE_NONE);
    raft_index index = 0;
    CLUSTER_CHECK(cluster, cluster_propose(cluster, leader, &index) == Q_OK);
    const size_t served = cluster->nodes[leader].reads_served;
    CLUSTER_CHECK(cluster, cluster_read(cluster, leader) == Q_OK);
    cluster_run(cluster, 200);
    CLUSTER_CHECK(cluster, cluster->nodes[leader].reads_served > served);
    for (size_t i = 1; i <= cluster->node_count; i++) {
        const struct raft *raft = &cluster->nodes[i].raft;
        CLUSTER_CHECK(cluster, raft->applied_index >= index);
        CLUSTER_CHECK(cluster,
                      raft->log.last_index == cluster_raft(cluster, leader)->log.last_index);
        CLUSTER_CHECK(cluster, raft->leader == leader);
    }
    cluster_check_logs(cluster);
}

static void run(struct cluster *cluster, uint64_t seed, raft_index *committed)
{
    static const size_t sizes[] = {1, 2, 3, 3, 3, 3, 4, 5, 5, 5, 7};
    struct prng prng;
    prng_init(&prng, seed);
    const int size =
        snprintf(seed_line, sizeof seed_line, "# aborted at seed %llu\n", (unsigned long long)seed);
    REQUIRE(size > 0);
    seed_line_size = (size_t)size;
    struct raft_config config =
        cluster_config(sizes[prng_below(&prng, sizeof sizes / sizeof sizes[0])]);
    config.append_bytes_max = prng_chance(&prng, 1, 2) ? 1 : 400;
    config.inflight_messages_max = prng_between(&prng, 1, 4);
    cluster_init_config(cluster, config, seed);
    const struct weights weights = draw_weights(&prng);
    for (int step = 0; step < STEPS; step++) {
        const uint64_t choice = prng_below(&cluster->prng, 100);
        if (choice < 62) {
            network_step(cluster, &weights);
        } else if (choice < 76) {
            storage_step(cluster, &weights);
        } else if (choice < 86) {
            client_step(cluster);
        } else if (choice < 88) {
            fault_step(cluster, &weights);
        } else {
            cluster_advance(cluster, prng_below(&cluster->prng, 60));
            cluster_collect_all(cluster);
        }
        if (step % 100 == 99) {
            cluster_check_logs(cluster);
        }
    }
    calm_down(cluster);
    *committed += cluster->committed_to;
    cluster_deinit(cluster);
}

TEST(random_faults_never_break_safety_and_calm_brings_agreement)
{
    (void)state_;
    const uint64_t only = env_number("RAFT_SEED", 0);
    const uint64_t runs = only != 0 ? 1 : env_number("RAFT_RUNS", RUNS_DEFAULT);
    const uint64_t first = only != 0 ? only : env_number("RAFT_FIRST", 1);
    raft_index committed = 0;
    (void)signal(SIGABRT, print_seed);
    for (uint64_t seed = first; seed < first + runs; seed++) {
        run(&cluster_memory, seed, &committed);
    }
    (void)fprintf(stderr, "# %llu runs, %llu entries committed\n", (unsigned long long)runs,
                  (unsigned long long)committed);
    EXPECT(committed > runs * 5); /* Otherwise the faults left nothing to check. */
}

TEST_MAIN(CASE(random_faults_never_break_safety_and_calm_brings_agreement))
