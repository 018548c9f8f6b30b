/* Progress under fire: what the world tells the checker of it (check/progress). */
#include "sim/world.h"

/* More loss than this is no ordinary network: nothing is owed. */
#define LOSS_PPM_MAX 50000

/* From the last disturbance until there is a leader, in election timeouts; the enumerated
 * partitions, where nothing else goes wrong, allow 10. A clock may be a tenth too slow. */
#define SETTLE_TIMEOUTS 10
#define ANSWER_TIMEOUTS 3
#define CLOCK_TENTHS    11

/* A message and its answer with a save in between, nearly always. */
static uint64_t round_trip_us(const struct sim_options *options)
{
    const struct network_options *network = &options->network;
    return 2 * (network->delay_min_us + 4 * network->delay_mean_us + options->turn_delay_us) +
           4 * options->sync_mean_us;
}

static uint64_t node_state(const struct host *host)
{
    const struct world *world = host->world;
    const bool is_up = host->node != NULL && host->has_raft && host->stop.stage == STOP_NONE;
    const bool runs = !host_is_paused(host) && host->starved_until_us <= world->now_us;
    const bool has_disk = host->slow_until_us <= world->now_us && !host->disk_hangs &&
                          host->hung_until_us <= world->now_us &&
                          !disk_faults_are_on(disk_faults(host->disk));
    if (!is_up || !runs || !has_disk) {
        return 0;
    }
    struct node_load load;
    node_load(host->node, &load);
    if (load.is_installing) {
        return 0;
    }
    /* A leader that is asked to hand over may stop for a while. */
    return 1 + host->incarnation + (world->faults_by_class[FAULT_RESIGN] << 32);
}

static uint64_t link_state(const struct world *world, node_id from, node_id to)
{
    const struct network_link *link = &world->network.links[from][to];
    const uint64_t soon_us = world->now_us + world->options.election_min_ms * MILLISECOND / 2;
    const bool is_fine = link->is_connected && !link->is_half_open && link->blocks == 0 &&
                         link->clogged_until_us <= world->now_us && link->bytes_per_second == 0 &&
                         network_last_arrival(&world->network, from, to) <= soon_us;
    return is_fine ? 1 + link->epoch : 0;
}

void watch_asked(struct world *world, node_id id, const struct operation *operation)
{
    const bool reads = operation->kind == HISTORY_READ || operation->kind == HISTORY_RANGE;
    /* A request id may be refused or answered without a new entry. */
    if (!reads && operation->oddity == 0 && operation->request_id[0] == '\0') {
        world->writes_asked[id]++;
    }
}

void watch_progress(struct world *world)
{
    const struct sim_options *options = &world->options;
    if (options->network.loss_ppm > LOSS_PPM_MAX) {
        return;
    }
    const uint64_t timeout_us = options->election_max_ms * MILLISECOND * CLOCK_TENTHS / 10;
    const uint64_t round_us = round_trip_us(options);
    const struct progress_limits limits = {
        .settle_us = SETTLE_TIMEOUTS * timeout_us + 40 * round_us,
        .answer_us = ANSWER_TIMEOUTS * timeout_us + 20 * round_us};
    struct progress_look look = {.now_us = world->now_us,
                                 .node_count = options->node_count,
                                 .committed = world->oracle.committed_last};
    for (node_id id = 1; id <= options->node_count; id++) {
        look.nodes[id] = node_state(&world->hosts[id]);
        look.last_index[id] = world->oracle.mirrors[id].last_index;
        look.writes[id] = world->writes_asked[id];
        for (node_id to = 1; to <= options->node_count; to++) {
            look.links[id][to] = id == to ? 1 : link_state(world, id, to);
        }
    }
    progress_look(&world->progress, &look, &limits, &world->violation);
}
