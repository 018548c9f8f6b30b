/* One simulated machine: drives the production node through struct env as the server would. */
#include "base/check.h"
#include "base/err.h"
#include "base/hash.h"
#include "node/peer_message.h"
#include "sim/draw.h"
#include "sim/world.h"

#include <stdio.h>

/* ---- struct env ---- */

const struct raft *host_raft(const struct host *host)
{
    return host->node == NULL || node_cluster_id(host->node) == 0 ? NULL : node_raft(host->node);
}

static uint64_t env_monotonic_ms(void *context)
{
    const struct host *host = context;
    return sim_clock_monotonic_ms(&host->clock, host->world->now_us);
}

static uint64_t env_wall_ms(void *context)
{
    const struct host *host = context;
    return sim_clock_wall_ms(&host->clock, &host->world->prng, host->world->now_us);
}

static struct buf *env_peer_begin(void *context, node_id to)
{
    struct host *host = context;
    Q_CHECK(to != host->id);
    Q_CHECK(to > 0 && to <= host->world->options.node_count);
    if (host->node == NULL && !host->is_in_start) {
        return NULL; /* The process is being torn down. */
    }
    const struct network *network = &host->world->network;
    if (!network_is_connected(network, host->id, to)) {
        return NULL;
    }
    if (!network_takes(network, host->world->now_us, host->id, to)) {
        host->sent_at_us[to] = host->world->now_us; /* What it owes that peer it has tried. */
        return NULL;
    }
    Q_CHECK(host->sending_to == NODE_NONE);
    host->sending_to = to;
    buf_clear(&host->outgoing);
    return &host->outgoing;
}

/* Strangers may say anything: only what members say counts. */
static void check_header(struct host *host, struct bytes body)
{
    struct reader r = reader_of(body);
    struct peer_header header;
    peer_header_read(&r, &header);
    if (!r.failed && header.type != PEER_HELLO) {
        host->said_incarnation = header.from_incarnation;
        check_incarnation(&host->world->violation, host->id, host->said_before,
                          header.from_incarnation);
    }
}

static bool is_raft_message(struct bytes body)
{
    struct reader r = reader_of(body);
    struct peer_header header;
    peer_header_read(&r, &header);
    return !r.failed && header.type == PEER_RAFT;
}

/* False when the body is no Raft message without entries. */
static bool read_message(struct bytes body, struct raft_message *out_message)
{
    struct reader r = reader_of(body);
    struct peer_header header;
    peer_header_read(&r, &header);
    (void)read_u32(&r); /* The group. */
    return !r.failed && header.type == PEER_RAFT &&
           raft_message_decode(read_bytes(&r, reader_left(&r)), out_message, NULL, 0) == Q_OK;
}

/* What a Raft message promises must be on this machine's disk when it leaves. */
static void check_leaving(struct host *host, struct bytes body)
{
    struct raft_message message;
    const struct raft *raft = host_raft(host);
    if (raft != NULL && read_message(body, &message)) {
        check_sent(&host->world->oracle, &message, raft->log.start_index);
    }
}

/* What has just been received from a leader has made the node its follower. */
static void check_arrived(struct host *host, node_id from, struct bytes body)
{
    struct reader r = reader_of(body);
    struct peer_header header;
    peer_header_read(&r, &header);
    uint64_t *newest = &host->incarnation_of[from];
    if (r.failed || header.from_incarnation < *newest) {
        return; /* From a process that is gone: to be ignored. */
    }
    *newest = header.from_incarnation;
    const char *error = NULL;
    struct raft_message message;
    const struct raft *raft = host_raft(host);
    if (raft != NULL) {
        (void)read_u32(&r); /* The group. */
        damage_heard(host, from, read_bytes(&r, reader_left(&r)));
    }
    if (raft != NULL && node_takes_part(host->node) && node_health(host->node, &error) == Q_OK &&
        read_message(body, &message)) {
        check_follows(&host->world->oracle, host->id, raft, &message);
        check_told(&host->world->oracle, raft, &message);
    }
}

static void env_peer_end(void *context, node_id to)
{
    struct host *host = context;
    Q_CHECK(host->sending_to == to);
    const struct frame frame = {.from = host->id,
                                .to = to,
                                .cluster_id = host->node == NULL ? 0 : node_cluster_id(host->node),
                                .body = buf_bytes(&host->outgoing)};
    check_header(host, frame.body);
    if (is_raft_message(frame.body)) {
        host->sent_at_us[to] = host->world->now_us;
        damage_sends_raft(host);
        check_leaving(host, frame.body);
    }
    host->sending_to = NODE_NONE;
    const uint64_t lost = host->world->network.lost;
    network_send(&host->world->network, host->world->now_us, &frame);
    trace_message(host->world, host->id, "->", to, frame.body,
                  host->world->network.lost > lost ? " (lost)" : "");
}

static void env_log_start(void *context)
{
    struct host *host = context;
    Q_CHECK(!host->log_wanted && !host->log_is_busy);
    host->log_wanted = true;
    const struct raft *raft = host_raft(host);
    if (raft != NULL) {
        host->log_saving_index = raft->saving_index;
        host->log_hard = raft->saved_hard;
    }
}

void host_env_init(struct host *host)
{
    host->env = (struct env){.context = host,
                             .monotonic_ms = env_monotonic_ms,
                             .wall_ms = env_wall_ms,
                             .peer_begin = env_peer_begin,
                             .peer_end = env_peer_end,
                             .log_start = env_log_start};
}

/* ---- checks ---- */

static size_t count_heard(const struct host *host)
{
    const struct world *world = host->world;
    const uint64_t patience_us = 3 * MILLISECOND * world->options.election_max_ms;
    size_t heard = 0;
    for (node_id peer = 1; peer <= world->options.node_count; peer++) {
        const uint64_t at_us = host->heard_at_us[peer];
        heard += peer != host->id && at_us != HEARD_NEVER && at_us + patience_us >= world->now_us;
    }
    return heard;
}

/* Before the process does anything: it has found all it had promised to keep. */
void host_look_at_recovery(struct host *host)
{
    const struct raft *raft = host_raft(host);
    struct oracle *oracle = &host->world->oracle;
    struct mirror *mirror = &oracle->mirrors[host->id];
    host->has_raft = true;
    host->has_formed = true;
    world_trace(host->world, "node %u recovered entries (%llu, %llu] in term %llu, disk %s",
                host->id, (unsigned long long)raft->log.start_index,
                (unsigned long long)raft->log.last_index, (unsigned long long)raft->hard.term,
                disk_is_clean(host->disk, "wal") ? "clean" : "not clean");
    check_recovered(oracle, mirror, raft);
    mirror_recovered(oracle, mirror, raft, disk_is_clean(host->disk, "wal"));
    check_log_matching(oracle, mirror);
    check_durable_vote(oracle, mirror);
}

/* What a leader owes its followers: signs of life, and a log device that works. */
static void check_duties(struct host *host, struct mirror *mirror)
{
    struct world *world = host->world;
    const uint64_t now_us = world->now_us;
    if (mirror->role != RAFT_LEADER || mirror->role_before != RAFT_LEADER) {
        host->leader_since_us = now_us;
    }
    for (node_id peer = 1; peer <= world->options.node_count; peer++) {
        if (peer == host->id || !network_is_connected(&world->network, host->id, peer)) {
            continue;
        }
        uint64_t since_us = host->sent_at_us[peer];
        since_us = since_us < host->leader_since_us ? host->leader_since_us : since_us;
        /* While it was suspended no time has passed for it. */
        since_us = since_us < host->clock.origin_us ? host->clock.origin_us : since_us;
        check_heartbeats(&world->oracle, mirror, peer, (now_us - since_us) / MILLISECOND,
                         world->options.heartbeat_ms);
    }
    /* What was compacted away may wait for the device: nobody waits for that. */
    const bool owes = mirror->durable_last < mirror->last_index;
    uint64_t busy_us = 0;
    if (owes && host->log_is_busy && host->log_looked_us >= host->log_started_us) {
        busy_us = now_us - host->log_looked_us + 1; /* 0 would mean that nothing is written. */
    }
    host->log_looked_us = now_us;
    const uint64_t step_max_us = 2 * MILLISECOND * world->options.heartbeat_ms;
    check_leader_disk(&world->oracle, mirror, busy_us < step_max_us ? busy_us : step_max_us,
                      world->options.election_max_ms);
}

size_t host_waiting_bytes_max(const struct sim_options *options)
{
    return options->parked_max < 1000 ? (size_t)256 * 1024 : WAITING_BYTES_MAX;
}

static void check_turn(struct host *host, const struct raft *raft)
{
    struct world *world = host->world;
    struct oracle *oracle = &world->oracle;
    struct mirror *mirror = &oracle->mirrors[host->id];
    if (damage_is_judged_here(host)) {
        return;
    }
    if (!host->has_raft) {
        host_look_at_recovery(host);
    }
    mirror_look(oracle, mirror, raft);
    raft_check(raft);
    check_election_safety(oracle, mirror);
    check_monotone(oracle, mirror);
    check_log_matching(oracle, mirror);
    check_leader_append_only(oracle, mirror);
    if (mirror->commit_index != mirror->commit_before) {
        check_committed_is_durable(oracle, mirror);
        check_committed(oracle, mirror);
    }
    check_leader_completeness(oracle, mirror);
    check_leader_quorum(oracle, mirror, raft);
    check_match(oracle, mirror, raft);
    check_reads(oracle, mirror, raft->read_round_context,
                node_reads_waiting(host->node, mirror->round_sent),
                node_reads_waiting(host->node, raft->read_round_context));
    const char *error = NULL;
    if (node_health(host->node, &error) == Q_OK) {
        check_duties(host, mirror); /* One that stops itself owes nobody anything any more. */
    }
    if (!raft->forced_election) {
        check_candidate_contact(oracle, mirror, count_heard(host));
    }
    check_bounds(oracle, mirror, raft);
    struct node_load load;
    node_load(host->node, &load);
    /* One that fails may have stopped between two entries of a batch. */
    if (!load.is_installing && node_health(host->node, &error) == Q_OK) {
        check_digest(oracle, host->id, raft->applied_index, sim_engine_digest(host->engine));
    }
    check_load(oracle, mirror, world->options.parked_max, host_waiting_bytes_max(&world->options),
               &load);
    if (mirror->role != mirror->role_before || mirror->term != mirror->term_before) {
        static const char *const ROLES[] = {"follower", "pre-candidate", "candidate", "leader"};
        world_trace(world, "node %u: %s in term %llu -> %s in term %llu, commit %llu of %llu",
                    host->id, ROLES[mirror->role_before], (unsigned long long)mirror->term_before,
                    ROLES[mirror->role], (unsigned long long)mirror->term,
                    (unsigned long long)mirror->commit_index,
                    (unsigned long long)mirror->last_index);
        world_note(world, mirror->term, (uint64_t)mirror->role);
    }
    world_note(world, mirror->commit_index, mirror->applied_index << 32 | mirror->last_index);
}

void host_sample(struct host *host)
{
    if (host->node == NULL || !host->has_raft || host_is_paused(host) ||
        damage_is_judged_here(host)) {
        return;
    }
    const raft_index applied = host_raft(host)->applied_index;
    if (applied == host->hashed_at) {
        return;
    }
    const uint64_t hash = node_state_hash(host->node);
    if (hash == 0) {
        return; /* A snapshot is being installed. */
    }
    host->hashed_at = applied;
    world_note(host->world, applied, hash);
    world_trace(host->world, "node %u: state %016llx after entry %llu", host->id,
                (unsigned long long)hash, (unsigned long long)applied);
    check_state_hash(&host->world->oracle, host->id, applied, hash);
}

/* ---- turns ---- */

/* Puts the batch of the log on the device; it ends with an EVENT_LOG. */
static void start_log_job(struct host *host, const struct raft *raft)
{
    struct world *world = host->world;
    host->log_wanted = false;
    host->log_is_busy = true;
    host->log_started_us = world->now_us;
    if (raft != NULL && !damage_is_judged_here(host)) {
        mirror_job_begins(&world->oracle.mirrors[host->id], host->log_saving_index, host->log_hard,
                          raft->log.start_index);
    }
    const struct mirror *mirror = &world->oracle.mirrors[host->id];
    world_trace(world, "node %u writes entries [%llu, %llu], term %llu, vote %u", host->id,
                (unsigned long long)mirror->job_from, (unsigned long long)mirror->job_last,
                (unsigned long long)mirror->job_term, mirror->job_vote);
    const int err = wal_job_write(node_wal(host->node));
    uint64_t takes_us = 10 + draw_exponential(&world->prng, world->options.sync_mean_us);
    if (world->now_us < host->hung_until_us) {
        takes_us = host->hung_until_us - world->now_us;
    } else if (world->now_us < host->slow_until_us) {
        takes_us *= prng_between(&world->prng, 1, FAULT_SLOW_FACTOR);
        if (prng_chance(&world->prng, 1, 8)) {
            takes_us = host->slow_until_us - world->now_us; /* It hangs to the end. */
        }
        takes_us = takes_us > 8 * SECOND ? 8 * SECOND : takes_us;
    }
    if (host->disk_hangs) {
        return; /* It never ends. */
    }
    events_push(&world->events, (struct event){.at_us = world->now_us + takes_us,
                                               .kind = EVENT_LOG,
                                               .node = host->id,
                                               .incarnation = host->incarnation,
                                               .a = (uint64_t)-err});
}

static void arm_timer(struct host *host)
{
    struct world *world = host->world;
    const uint64_t deadline_ms = node_next_deadline(host->node);
    uint64_t at_us = sim_clock_world_us(&host->clock, deadline_ms);
    if (at_us == UINT64_MAX || at_us >= host->timer_at_us) {
        return;
    }
    if (at_us <= world->now_us) {
        at_us = world->now_us + 100; /* A node that is late is not to stop the world's clock. */
    }
    host->timer_at_us = at_us;
    events_push(&world->events, (struct event){.at_us = at_us,
                                               .kind = EVENT_TIMER,
                                               .node = host->id,
                                               .incarnation = host->incarnation});
}

static void collect_clients(struct host *host)
{
    struct world *world = host->world;
    for (uint32_t i = 0; i < world->options.client_count; i++) {
        struct client *client = &world->clients[i];
        if (client->host == host->id && client->has_output) {
            client_collect(client);
        }
    }
}

static bool is_starved(const struct host *host)
{
    return host->world->now_us < host->starved_until_us;
}

/* Only what its disk did excuses a process that gives up: else it would hide behind the restart. */
static void check_stop(const struct host *host, const char *error)
{
    if (!disk_has_failed(host->disk)) {
        violation_report(&host->world->violation, "stops",
                         "node %u stops itself though its disk has never failed it: %s", host->id,
                         error == NULL ? "" : error);
    }
}

void host_turn(struct host *host)
{
    struct world *world = host->world;
    host->turn_scheduled = false;
    node_turn(host->node);
    const struct raft *raft = host_raft(host);
    if (raft != NULL) {
        check_turn(host, raft);
    }
    const char *error = NULL;
    const int err = node_health(host->node, &error);
    if (err != Q_OK) {
        world_trace(world, "node %u stops itself: %s", host->id, error == NULL ? "" : error);
        if (!damage_stopped(host, err, error)) {
            check_stop(host, error);
        }
        host_crash(host, false,
                   host->is_condemned ? FOREVER
                                      : prng_between(&world->prng, 10, 2000) * MILLISECOND);
        return;
    }
    damage_look(host);
    if (host->log_wanted) {
        start_log_job(host, raft);
    }
    collect_clients(host);
    arm_timer(host);
    if (is_starved(host)) {
        host_pause(host, prng_between(&world->prng, 10, 300) * MILLISECOND);
    }
}

void host_touch(struct host *host)
{
    struct world *world = host->world;
    const uint64_t delay_max_us = is_starved(host) ? 0 : world->options.turn_delay_us;
    if (delay_max_us == 0 && !is_starved(host)) {
        host_turn(host);
        return;
    }
    if (host->turn_scheduled) {
        return;
    }
    /* Of one that is starved the turn comes after all that has gathered while it was away. */
    host->turn_scheduled = true;
    const uint64_t delay_us = prng_below(&world->prng, delay_max_us + 1);
    events_push(&world->events, (struct event){.at_us = world->now_us + delay_us,
                                               .kind = EVENT_TURN,
                                               .node = host->id,
                                               .incarnation = host->incarnation});
}

/* Is this a request for a vote of a later term, not forced, that meets a node with a leader? */
static bool hears_leader(const struct host *host, const struct raft *raft, struct bytes body)
{
    struct raft_message message;
    if (!read_message(body, &message) || message.forced || message.term <= raft->hard.term ||
        (message.kind != RAFT_MSG_PRE_VOTE && message.kind != RAFT_MSG_VOTE)) {
        return false;
    }
    const uint64_t now_ms = sim_clock_monotonic_ms(&host->clock, host->world->now_us);
    return raft->role == RAFT_LEADER ||
           (raft->leader != NODE_NONE &&
            now_ms < raft->leader_heard_at_ms + raft->config.election_min_ms);
}

/* A frame of another cluster changes nothing, whatever it says. */
static void receive_foreign(struct host *host, const struct raft *raft, const struct frame *frame)
{
    struct raft before;
    memcpy(&before, raft, sizeof before);
    node_receive(host->node, frame->from, frame->cluster_id, frame->body);
    check_foreign(&host->world->oracle, host->id, &before, host_raft(host));
    host_touch(host);
}

void host_message(struct host *host, struct event *event)
{
    struct world *world = host->world;
    const node_id from = (node_id)event->a;
    const uint64_t clogged_until_us = network_clogged_until(&world->network, from, host->id);
    if (clogged_until_us > world->now_us) {
        struct event later = *event;
        later.at_us = clogged_until_us;
        event->data = NULL;
        events_push(&world->events, later);
        return;
    }
    struct frame frame;
    const int err = network_arrive(&world->network, event, &frame);
    if (err == Q_ECORRUPT || err == Q_EAGAIN) {
        world_trace(world, "node %u breaks the connection of %u: %s", host->id, from,
                    err == Q_EAGAIN ? "it ended within a frame" : "a frame is wrong");
        faults_break(world, from, host->id);
    }
    if (err != Q_OK) {
        return;
    }
    world_note(world, hash_bytes(frame.body), event->node);
    trace_message(world, host->id, "<-", from, frame.body, "");
    host->heard_at_us[from] = world->now_us;
    const struct raft *raft = host_raft(host);
    const size_t outbox_before =
        raft == NULL || !hears_leader(host, raft, frame.body) ? SIZE_MAX : raft->outbox_count;
    if (raft != NULL && frame.cluster_id != node_cluster_id(host->node)) {
        receive_foreign(host, raft, &frame);
        return;
    }
    node_receive(host->node, from, frame.cluster_id, frame.body);
    if (outbox_before != SIZE_MAX) {
        check_loyal(&world->oracle, raft, outbox_before);
    }
    if (is_raft_message(frame.body)) {
        check_arrived(host, from, frame.body);
    }
    host_touch(host);
}

void host_peer(struct host *host, node_id peer, bool connected)
{
    host->sent_at_us[peer] = host->world->now_us;
    node_peer_changed(host->node, peer, connected);
    host_touch(host);
}

void host_log(struct host *host, const struct event *event)
{
    Q_CHECK(host->log_is_busy);
    struct oracle *oracle = &host->world->oracle;
    int result = -(int)event->a;
    if (result == Q_OK) {
        const uint64_t syncs = disk_sync_count(host->disk);
        result = wal_job_sync(node_wal(host->node));
        if (result == Q_OK && disk_sync_count(host->disk) > syncs && !damage_is_judged_here(host)) {
            mirror_job_synced(&oracle->mirrors[host->id]);
            check_durable_vote(oracle, &oracle->mirrors[host->id]);
        }
    }
    world_trace(host->world, "node %u has synced: %s, its disk ends at %llu", host->id,
                err_text(result), (unsigned long long)oracle->mirrors[host->id].durable_last);
    host->log_is_busy = false;
    node_log_done(host->node, result);
    host_touch(host);
}

void host_timer(struct host *host, const struct event *event)
{
    if (event->at_us != host->timer_at_us) {
        /* Replaced by an earlier one, or put off by a pause. */
        if (host->timer_at_us > host->world->now_us) {
            return;
        }
    }
    host->timer_at_us = UINT64_MAX;
    const uint64_t deadline_us = sim_clock_world_us(&host->clock, node_next_deadline(host->node));
    if (deadline_us > host->world->now_us) {
        arm_timer(host); /* The deadline has moved since; no turn is due. */
        return;
    }
    if (is_starved(host)) {
        host_touch(host);
    } else {
        host_turn(host);
    }
}
