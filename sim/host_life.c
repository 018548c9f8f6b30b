/* How a simulated machine and its process begin, stand still, die and end. */
#include "base/check.h"
#include "base/err.h"
#include "sim/world.h"

#include <stdio.h>

void host_init(struct host *host, struct world *world, node_id id)
{
    *host = (struct host){.world = world, .id = id, .timer_at_us = UINT64_MAX};
    struct prng *prng = &world->prng;
    host->disk = disk_new(prng_next(prng));
    host->engine = sim_engine_new(prng_next(prng), world->options.engine_flush_ppm,
                                  world->options.engine_flush_polls);
    const uint32_t drift = world->options.drift_ppm_max;
    host->clock.drift_ppm = (int32_t)prng_below(prng, (uint64_t)drift * 2 + 1) - (int32_t)drift;
    const uint32_t offset = world->options.wall_offset_ms_max;
    host->clock.wall_offset_ms =
        (int64_t)prng_below(prng, (uint64_t)offset * 2 + 1) - (int64_t)offset;
    sim_clock_boot(&host->clock, prng, 0);
    host_env_init(host);
}

static void set_address(char out[NODE_ADDRESS_SIZE_MAX], node_id id)
{
    (void)snprintf(out, NODE_ADDRESS_SIZE_MAX, "10.0.0.%u:7482", id);
}

/* Logs of different reach: whoever leads next may still have what the last leader had not. */
static uint32_t keep_shift(const struct host *host)
{
    return host->world->options.log_keep_differs ? host->id % 3 * 2 : 0;
}

static void set_node_options(struct host *host, struct node_options *out)
{
    const struct sim_options *options = &host->world->options;
    *out = (struct node_options){.address_count = options->node_count,
                                 .heartbeat_ms = options->heartbeat_ms,
                                 .election_min_ms = options->election_min_ms,
                                 .election_max_ms = options->election_max_ms,
                                 .request_timeout_ms = options->request_timeout_ms,
                                 .value_size_max = VALUE_SIZE_DEFAULT,
                                 .log_keep_bytes = options->log_keep_bytes << keep_shift(host),
                                 .wal_segment_size = options->wal_segment_size,
                                 .append_size_max = options->append_size_max,
                                 .apply_size_max = options->apply_size_max,
                                 .parked_max = options->parked_max,
                                 .waiting_bytes_max = host_waiting_bytes_max(options),
                                 .inflight_max = options->inflight_max,
                                 .seed = prng_next(&host->world->prng)};
    set_address(out->self, host->id);
    for (node_id id = 1; id <= options->node_count; id++) {
        set_address(out->addresses[id - 1], id);
    }
}

static void set_front(struct host *host)
{
    host->front = (struct front){.node = host->node,
                                 .env = &host->env,
                                 .started_at_ms = host->env.monotonic_ms(host),
                                 .port = 7480,
                                 .value_size_max = VALUE_SIZE_DEFAULT,
                                 .next_session_id = 1,
                                 .data_directory = "/sim"};
    (void)snprintf(host->front.run_id, sizeof host->front.run_id, "%040llx",
                   (unsigned long long)host->incarnation);
}

static void idle_woke(void *context, struct session *session)
{
    const struct host *host = context;
    (void)session;
    violation_report(&host->world->violation, "protocol",
                     "node %u tells something to a client that has not asked", host->id);
}

static void connect_idle(struct host *host)
{
    for (uint32_t i = 0; i < host->world->options.idle_connections; i++) {
        host->idle[i] = session_new(&host->front, SESSION_RESP, "10.1.0.2:1", idle_woke, host);
    }
}

static void start_later(struct host *host, uint64_t at_us)
{
    events_push(&host->world->events, (struct event){.at_us = at_us,
                                                     .kind = EVENT_START,
                                                     .node = host->id,
                                                     .incarnation = host->incarnation});
}

static void retry_start(struct host *host)
{
    if (disk_is_down(host->disk) && prng_chance(&host->world->prng, 1, 2)) {
        disk_power_loss(host->disk); /* It died of that. */
    } else {
        disk_kill(host->disk);
    }
    Q_CHECK(disk_open_count(host->disk) == 0);
    start_later(host, host->world->now_us + 100 * MILLISECOND);
}

static bool start_node(struct host *host)
{
    struct world *world = host->world;
    struct node_options options;
    set_node_options(host, &options);
    char error[512] = "";
    host->env.files = disk_files(host->disk);
    host->env.engine = host->engine;
    host->is_in_start = true;
    const int err = node_start(&options, &host->env, &host->node, error, sizeof error);
    host->is_in_start = false;
    if (err == Q_OK) {
        return true;
    }
    host->node = NULL;
    world_trace(world, "node %u does not start: %s: %s", host->id, err_text(err), error);
    if (faults_died_in_start(host)) {
        return false;
    }
    if (damage_start_failed(host, err, error)) {
        return false;
    }
    if (err == Q_ECORRUPT || err == Q_EINVAL || !disk_has_failed(host->disk)) {
        violation_report(&world->violation, "start", "node %u does not start: %s: %s", host->id,
                         err_text(err), error);
    }
    return false;
}

static void dial(struct world *world, node_id from, node_id to)
{
    events_push(&world->events,
                (struct event){.at_us = world->now_us + prng_below(&world->prng, 50000),
                               .kind = EVENT_RECONNECT,
                               .a = from,
                               .b = to});
}

static void tear_down(struct host *host)
{
    struct node *node = host->node;
    host->node = NULL; /* From here nothing it says leaves the machine. */
    host->paused_until_us = 0;
    if (wal_in_flight(node_wal(node))) {
        wal_job_end(node_wal(node), Q_EIO);
    }
    node_free(node);
    host->log_wanted = false;
    host->log_is_busy = false;
    mirror_crashed(&host->world->oracle.mirrors[host->id]);
}

/* False: not now. A start syncs the identity file, so it hangs with the disk. */
static bool may_start(struct host *host)
{
    const uint64_t now_us = host->world->now_us;
    if (host->is_condemned && host->damage.watch != WATCH_STRANGER) {
        return false;
    }
    if (host->hung_until_us > now_us) {
        start_later(host, host->hung_until_us);
        return false;
    }
    if (!damage_may_start(host)) {
        if (!host->is_condemned) {
            start_later(host, now_us + 200 * MILLISECOND);
        }
        return false;
    }
    return true;
}

/* Reads fail from now on, or after some. */
static void spoil_reads(struct host *host)
{
    struct disk_faults *faults = disk_faults(host->disk);
    faults->reads = host->reads;
    if (host->reads == READ_WORKS) {
        return;
    }
    faults->reads_before = (uint32_t)prng_below(&host->world->prng, 4);
    if (host->reads != READ_FAILS_ALWAYS || prng_chance(&host->world->prng, 1, 8)) {
        host->reads = READ_WORKS; /* At later starts. */
    }
}

void host_start(struct host *host)
{
    struct world *world = host->world;
    Q_CHECK(host->node == NULL);
    if (!may_start(host)) {
        return;
    }
    host->incarnation++;
    host->log_wanted = false;
    host->log_is_busy = false;
    host->has_raft = false;
    host->timer_at_us = UINT64_MAX;
    host->turn_scheduled = false;
    host->sending_to = NODE_NONE;
    host->hashed_at = 0;
    host->stop = (struct host_stop){0};
    if (host->said_incarnation > host->said_before) {
        host->said_before = host->said_incarnation;
    }
    host->said_incarnation = 0;
    disk_boot(host->disk);
    sim_engine_power_on(host->engine);
    damage_before_start(host);
    spoil_reads(host);
    faults_starting(host);
    if (!start_node(host)) {
        if (host->is_condemned) {
            disk_kill(host->disk);
            sim_engine_power_off(host->engine);
        } else {
            retry_start(host);
        }
        return;
    }
    world_trace(world, "node %u started", host->id);
    if (!damage_started(host, host_raft(host))) {
        tear_down(host);
        damage_undo(host);
        retry_start(host);
        return;
    }
    disk_faults(host->disk)->reads = READ_WORKS;
    disk_faults(host->disk)->reads_before = 0;
    faults_started(host);
    set_front(host);
    connect_idle(host);
    if (host_raft(host) != NULL && !damage_is_judged_here(host)) {
        host_look_at_recovery(host);
    }
    for (node_id peer = 1; peer <= world->options.node_count; peer++) {
        host->heard_at_us[peer] = HEARD_NEVER;
        host->incarnation_of[peer] = 0;
        if (peer != host->id) {
            dial(world, host->id, peer);
            dial(world, peer, host->id);
        }
    }
    host_turn(host);
}

static void disconnect_idle(struct host *host)
{
    for (size_t i = 0; i < IDLE_MAX; i++) {
        session_free(host->idle[i]);
        host->idle[i] = NULL;
    }
}

static void disconnect_clients(struct host *host)
{
    struct world *world = host->world;
    for (uint32_t i = 0; i < world->options.client_count; i++) {
        if (world->clients[i].host == host->id) {
            client_disconnect(&world->clients[i]);
        }
    }
    disconnect_idle(host);
    if (host->front.session_count != 0) {
        violation_report(&world->violation, "bounds", "node %u has %zu sessions without a client",
                         host->id, host->front.session_count);
    }
}

/* Without power nobody closes its connections: its peers may notice late. */
static void disconnect_peers(struct host *host, bool power)
{
    struct world *world = host->world;
    for (node_id peer = 1; peer <= world->options.node_count; peer++) {
        if (peer == host->id) {
            continue;
        }
        faults_break(world, host->id, peer);
        if (power && prng_chance(&world->prng, 1, 2)) {
            faults_half_open(world, peer, host->id);
        } else {
            faults_break(world, peer, host->id);
        }
    }
}

/* The process is gone; what is left of it goes, too. */
static void clean_up(struct host *host, bool power, uint64_t down_us)
{
    struct world *world = host->world;
    host->stop = (struct host_stop){0};
    *disk_faults(host->disk) = (struct disk_faults){0};
    if (disk_open_count(host->disk) != 0) {
        violation_report(&world->violation, "bounds", "node %u left %llu files open", host->id,
                         (unsigned long long)disk_open_count(host->disk));
    }
    disconnect_peers(host, power);
    if (host->clock.origin_us > world->now_us) {
        sim_clock_suspend(&host->clock, world->now_us, world->now_us);
    }
    if (power) {
        host->hung_until_us = 0;
        sim_clock_boot(&host->clock, &world->prng, world->now_us);
    }
    if (down_us != FOREVER) {
        start_later(host, world->now_us + down_us);
    }
}

void host_crash(struct host *host, bool power, uint64_t down_us)
{
    const struct world *world = host->world;
    if (host->node == NULL) {
        return;
    }
    world_trace(world, "node %u %s for %llu ms", host->id, power ? "loses power" : "is killed",
                (unsigned long long)(down_us / MILLISECOND));
    if (power) {
        disk_power_loss(host->disk);
    } else {
        disk_kill(host->disk);
    }
    sim_engine_power_off(host->engine);
    disconnect_clients(host);
    tear_down(host);
    clean_up(host, power, down_us);
}

void host_stop(struct host *host, uint64_t down_us)
{
    world_trace(host->world, "node %u has stopped for %llu ms", host->id,
                (unsigned long long)(down_us / MILLISECOND));
    disconnect_clients(host);
    tear_down(host);
    disk_kill(host->disk);
    sim_engine_power_off(host->engine);
    clean_up(host, false, down_us);
}

void host_deinit(struct host *host)
{
    disconnect_idle(host);
    if (host->node != NULL) {
        disk_kill(host->disk);
        sim_engine_power_off(host->engine);
        tear_down(host);
    }
    buf_deinit(&host->outgoing);
    damage_deinit(host);
    sim_engine_free(host->engine);
    disk_free(host->disk);
}

/* ---- standing still ---- */

bool host_is_paused(const struct host *host)
{
    return host->node != NULL && host->world->now_us < host->paused_until_us;
}

/* Its time stands still: an election that it had begun goes on where it was. */
static void shift_heard(struct host *host, int64_t by_us)
{
    const struct world *world = host->world;
    for (node_id peer = 1; peer <= world->options.node_count; peer++) {
        if (host->heard_at_us[peer] != HEARD_NEVER) {
            host->heard_at_us[peer] += (uint64_t)by_us;
        }
    }
}

void host_pause(struct host *host, uint64_t takes_us)
{
    const struct world *world = host->world;
    host->paused_until_us = takes_us == FOREVER ? FOREVER : world->now_us + takes_us;
    if (takes_us != FOREVER) {
        shift_heard(host, (int64_t)takes_us);
    }
}

void host_resume(struct host *host)
{
    struct world *world = host->world;
    if (!host_is_paused(host)) {
        return;
    }
    const uint64_t until_us = host->paused_until_us;
    host->paused_until_us = world->now_us;
    shift_heard(host, (int64_t)world->now_us - (int64_t)until_us);
    if (host->clock.origin_us > world->now_us) {
        sim_clock_suspend(&host->clock, world->now_us, world->now_us);
    }
    events_hasten(&world->events, host->id, until_us, world->now_us);
    if (host->timer_at_us == until_us) {
        host->timer_at_us = world->now_us;
    }
}
