#include "sim/options.h"

#include "base/check.h"
#include "base/hash.h"
#include "node/machine/machine.h"
#include "sim/draw.h"
#include "sim/partitions.h"

#define SECOND UINT64_C(1000000)

const char *fault_name(enum fault_class class)
{
    static const char *const NAMES[] = {
#define X(name, text) text,
        FAULT_MAP(X)
#undef X
    };
    return NAMES[class];
}

/* ---- plain ---- */

void sim_options_plain(struct sim_options *out, uint64_t seed)
{
    *out = (struct sim_options){
        .seed = seed,
        .verbose = out->verbose,
#define X(type, field, name, min, max, plain, text) .field = (plain),
        OPTION_MAP(X)
#undef X
            .network =
            {
#define X(type, field, name, min, max, plain, text) .field = (plain),
                NETWORK_OPTION_MAP(X)
#undef X
            },
    };
}

/* ---- drawn ---- */

static void draw_network(struct network_options *out, struct prng *prng)
{
    out->delay_min_us = draw_log_uniform(prng, 20, 2000);
    out->delay_mean_us = draw_log_uniform(prng, 50, 10000);
    if (prng_chance(prng, 1, 4)) { /* Far apart: much is always in flight. */
        out->delay_min_us = prng_between(prng, 10000, 60000);
    }
    out->reorder = prng_chance(prng, 1, 2);
    if (prng_chance(prng, 1, 2)) {
        out->tail_ppm = (uint32_t)draw_log_uniform(prng, 100, 30000);
        out->tail_max_us = draw_log_uniform(prng, 20000, 5 * SECOND);
    }
    if (prng_chance(prng, 1, 2)) {
        out->loss_ppm = (uint32_t)draw_log_uniform(prng, 100, 150000);
    }
    if (prng_chance(prng, 1, 2)) {
        out->duplicate_ppm = (uint32_t)draw_log_uniform(prng, 100, 300000);
    }
    if (prng_chance(prng, 1, 3)) {
        out->replay_ppm = (uint32_t)draw_log_uniform(prng, 100, 100000);
    }
    if (prng_chance(prng, 1, 4)) {
        out->flip_ppm = (uint32_t)draw_log_uniform(prng, 10, 2000);
    }
}

/* These take something from a disk: of a minority at a time, and once a run each. */
static bool is_damage(enum fault_class class)
{
    return class >= FAULT_ROT && class <= FAULT_SWAP;
}

static void switch_faults_off(struct sim_options *out)
{
    for (size_t i = 0; i < FAULT_CLASSES; i++) {
        out->fault_interval_us[i] = 0;
    }
}

/* What goes wrong at clients; from a source of its own, as each class of fault. */
static void draw_clients(struct sim_options *out, uint64_t seed)
{
    struct prng prng;
    prng_init(&prng, hash_bytes_seeded(bytes_of_text("clients"), seed));
    if (prng_chance(&prng, 1, 2)) {
        out->client_cut_ppm = (uint32_t)draw_log_uniform(&prng, 1000, 100000);
    }
    if (prng_chance(&prng, 1, 2)) {
        out->client_slow_ppm = (uint32_t)draw_log_uniform(&prng, 1000, 100000);
    }
    if (prng_chance(&prng, 1, 2)) {
        out->client_bytes_ppm = (uint32_t)draw_log_uniform(&prng, 1000, 100000);
    }
    if (prng_chance(&prng, 1, 2)) {
        out->idle_connections = (uint32_t)prng_between(&prng, 1, IDLE_MAX);
    }
}

static void draw_faults(struct sim_options *out, uint64_t seed, struct prng *prng)
{
    out->permanent = (hash_bytes_seeded(bytes_of_text("permanent"), seed) & 1) != 0;
    for (size_t i = 0; i < FAULT_CLASSES; i++) {
        /* Each from a source of its own, so that a new class changes no other. */
        struct prng own;
        prng_init(&own, hash_bytes_seeded(bytes_of_text(fault_name((enum fault_class)i)), seed));
        /* These often find nothing: no leader, or no disk that may be damaged. */
        const bool is_seldom = i == FAULT_RESIGN || is_damage((enum fault_class)i);
        const uint64_t max_us = (is_seldom ? 10 : 120) * SECOND;
        const uint64_t of_6 = is_damage((enum fault_class)i) ? 5 : 3;
        out->fault_interval_us[i] =
            prng_chance(&own, of_6, 6) ? draw_log_uniform(&own, SECOND, max_us) : 0;
    }
    if (prng_chance(prng, 1, 16)) { /* A calm run now and then: the checkers must be quiet. */
        switch_faults_off(out);
    }
}

/* Small batches stop a node half way where it otherwise never stops; slow flushes leave an
 * installed snapshot in doubt; old request ids are forgotten during the run. */
static void draw_limits(struct sim_options *out, struct prng *prng)
{
    if (prng_chance(prng, 1, 3)) {
        out->append_size_max = (uint32_t)draw_log_uniform(prng, 1, 4096);
    }
    if (prng_chance(prng, 1, 3)) {
        out->apply_size_max = (uint32_t)draw_log_uniform(prng, 1, 4096);
    }
    if (prng_chance(prng, 1, 2)) {
        out->engine_flush_polls = (uint32_t)draw_log_uniform(prng, 1, 1000);
    }
    out->log_keep_differs = prng_chance(prng, 1, 3);
    if (prng_chance(prng, 1, 3)) {
        /* One small message a round trip would not bring a log back within the bound of liveness.
         */
        const bool is_small = out->append_size_max > 0 && out->append_size_max < 512;
        out->inflight_max = (uint32_t)prng_between(prng, is_small ? 4 : 1, 16);
    }
    if (prng_chance(prng, 1, 4)) {
        out->id_age_ms = (uint32_t)(ID_KEEP_MS - prng_between(prng, 1000, 60000));
    }
}

static void draw_timing(struct sim_options *out, struct prng *prng)
{
    out->heartbeat_ms = 50;
    out->election_min_ms = 300;
    out->election_max_ms = 600;
    if (prng_chance(prng, 1, 4)) {
        const uint32_t factor = (uint32_t)prng_between(prng, 2, 4);
        out->heartbeat_ms *= factor;
        out->election_min_ms *= factor;
        out->election_max_ms *= factor;
    }
    out->request_timeout_ms = (uint32_t)draw_log_uniform(prng, 500, 5000);
    out->turn_delay_us = prng_chance(prng, 1, 2) ? 0 : draw_log_uniform(prng, 10, 2000);
    out->sync_mean_us = draw_log_uniform(prng, 50, 10000);
    out->drift_ppm_max = prng_chance(prng, 1, 2) ? 0 : (uint32_t)draw_log_uniform(prng, 10, 100000);
    out->wall_offset_ms_max =
        prng_chance(prng, 1, 2) ? 0 : (uint32_t)draw_log_uniform(prng, 10, 40000);
}

/* Many operations on few keys: some anomalies show only to a client that asks at the right moment
 * (a stale read by a deposed leader has a window of about 100 ms). */
static void make_hot(struct sim_options *out, struct prng *prng)
{
    out->operation_count = (uint32_t)prng_between(prng, 3000, 6000);
    out->duration_us = prng_between(prng, 10, 25) * SECOND;
    out->client_count = 16;
    out->pipeline_max = 1;
    out->keys_per_class = 1;
    out->value_padding_max = 0;
    out->patience_us = prng_between(prng, 50, 400) * SECOND / 1000;
    out->switch_percent = 100;
    switch (prng_below(prng, 3)) {
    case 0: /* Followers that hear nothing for seconds while the log, and the window, grow. */
        out->log_keep_bytes = 1048576;
        out->fault_interval_us[FAULT_PARTITION] = prng_between(prng, 2000, 6000) * SECOND / 1000;
        break;
    case 1: /* One election after another under load: logs that part and meet again. */
        out->node_count = 5;
        out->fault_interval_us[FAULT_PARTITION] = prng_between(prng, 300, 1500) * SECOND / 1000;
        out->fault_interval_us[FAULT_RESIGN] = prng_between(prng, 300, 1500) * SECOND / 1000;
        break;
    default: out->fault_interval_us[FAULT_CLOG] = prng_between(prng, 500, 3000) * SECOND / 1000;
    }
}

/* Snapshots all the time, and long ones: a short log, large values, nodes that come and go, and
 * leaders that change in the midst of it. */
static void make_lagging(struct sim_options *out, struct prng *prng)
{
    static const enum fault_class CLASSES[] = {FAULT_PARTITION, FAULT_KILL, FAULT_POWER,
                                               FAULT_RESIGN, FAULT_DISK_FULL};
    if (prng_chance(prng, 3, 4)) {
        switch_faults_off(out); /* Too many at once, and nobody gets anywhere. */
    }
    out->node_count = prng_chance(prng, 1, 2) ? 3 : 5;
    out->log_keep_bytes = 1024;
    out->filler_size = (uint32_t)prng_between(prng, 50000, 150000);
    out->duration_us = prng_between(prng, 30, 120) * SECOND;
    out->operation_count = (uint32_t)prng_between(prng, 1000, 2000);
    out->engine_flush_ppm = (uint32_t)draw_log_uniform(prng, 100, 20000);
    out->engine_flush_polls = (uint32_t)draw_log_uniform(prng, 1, 200);
    for (size_t i = 0; i < sizeof CLASSES / sizeof CLASSES[0]; i++) {
        if (prng_chance(prng, 2, 3)) {
            out->fault_interval_us[CLASSES[i]] = prng_between(prng, 1000, 5000) * SECOND / 1000;
        }
    }
}

void sim_options_draw(struct sim_options *out, uint64_t seed)
{
    static const uint32_t NODE_COUNTS[] = {1, 2, 3, 3, 3, 3, 3, 4, 5, 5};
    static const uint64_t SEGMENTS[] = {16384, 65536, 262144};
    static const uint64_t KEEPS[] = {1024, 8192, 65536, 1048576};
    static const uint32_t SWITCHES[] = {5, 25, 100};
    static const uint32_t PADDINGS[] = {0, 0, 200, 2000};
    struct prng prng;
    prng_init(&prng, seed);
    sim_options_plain(out, seed);
    out->node_count = NODE_COUNTS[prng_below(&prng, sizeof NODE_COUNTS / sizeof NODE_COUNTS[0])];
    out->client_count = (uint32_t)prng_between(&prng, 2, 16);
    out->operation_count = (uint32_t)draw_log_uniform(&prng, 200, 3000);
    out->duration_us = draw_log_uniform(&prng, 15 * SECOND, 300 * SECOND);
    out->pipeline_max = prng_chance(&prng, 1, 2) ? 1 : (uint32_t)prng_between(&prng, 2, 8);
    out->patience_us = draw_log_uniform(&prng, SECOND / 5, 8 * SECOND);
    out->switch_percent = SWITCHES[prng_below(&prng, 3)];
    out->wal_segment_size = SEGMENTS[prng_below(&prng, 3)];
    out->log_keep_bytes = KEEPS[prng_below(&prng, 4)];
    out->parked_max = prng_chance(&prng, 1, 8) ? 8 : 1000;
    out->value_padding_max = PADDINGS[prng_below(&prng, 4)];
    out->keys_per_class = (uint32_t)prng_between(&prng, 1, 5);
    out->engine_flush_ppm = (uint32_t)draw_log_uniform(&prng, 100, 200000);
    draw_limits(out, &prng);
    draw_timing(out, &prng);
    draw_network(&out->network, &prng);
    draw_faults(out, seed, &prng);
    draw_clients(out, seed);
    out->filler_size = prng_chance(&prng, 1, 4) ? (uint32_t)prng_between(&prng, 20000, 100000) : 0;
    out->odd_percent = prng_chance(&prng, 1, 2) ? 5 : 0;
    out->ids_lag = prng_chance(&prng, 1, 4);
    const uint64_t kind = prng_below(&prng, 8);
    if (kind == 0) {
        make_hot(out, &prng);
    } else if (kind == 1) {
        make_lagging(out, &prng);
    }
}

/* ---- what goes together ---- */

static bool partition_fits(const struct sim_options *options)
{
    const uint32_t nodes = options->partition_nodes;
    return nodes == 0 || (partitions_nodes_are_enumerated(nodes) && options->node_count == nodes &&
                          options->partition_pattern < partitions_pattern_count(nodes) &&
                          options->partition_leader >= 1 && options->partition_leader <= nodes);
}

bool sim_options_fit(const struct sim_options *options, const char **out_error)
{
    *out_error = "";
    if (options->election_min_ms > options->election_max_ms) {
        *out_error = "election_min_ms must be at most election_max_ms";
    } else if (options->heartbeat_ms >= options->election_min_ms) {
        *out_error = "heartbeat_ms must be below election_min_ms";
    } else if (!partition_fits(options)) {
        *out_error = "partition_nodes must be 0, 3 or 5 and equal to nodes, with a pattern and a "
                     "leader of these";
    }
    return **out_error == '\0';
}

/* ---- sets of faults ---- */

bool fault_set_has(const struct fault_set *set, enum fault_class class, uint64_t number)
{
    Q_CHECK(number > 0);
    if (!set->is_limited) {
        return true;
    }
    const uint64_t bit = number - 1;
    return number <= FAULTS_NAMED_MAX && (set->bits[class][bit / 64] >> bit % 64 & 1) != 0;
}

void fault_set_add(struct fault_set *set, enum fault_class class, uint64_t number)
{
    Q_CHECK(number > 0 && number <= FAULTS_NAMED_MAX);
    const uint64_t bit = number - 1;
    set->is_limited = true;
    set->bits[class][bit / 64] |= UINT64_C(1) << bit % 64;
}
