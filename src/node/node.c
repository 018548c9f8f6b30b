/* The node's life cycle, its turn, and messages in. */
#include "base/check.h"
#include "base/mark.h"
#include "base/os/heap.h"
#include "base/os/log.h"
#include "base/plant.h"
#include "node/node_private.h"
#include "node/resume_driver.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- helpers shared by the files of the node ---- */

void node_fail(struct node *node, int err, const char *format, ...)
{
    if (node->failure != Q_OK) {
        return;
    }
    char text[960];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    node->failure = err;
    (void)snprintf(node->failure_text, sizeof node->failure_text, "%s: %s", text, err_text(err));
}

void node_fail_storage(struct node *node, int err, const char *what)
{
    const char *text = node->engine->ops->error_text(node->engine);
    node_fail(node, err, "%s (%s)%s", what, text[0] != '\0' ? text : "no more is known",
              err == Q_ECORRUPT ? "; leave this node stopped and let the others go on" : "");
}

void node_judge_read(struct node *node, int err)
{
    if (err == Q_ECORRUPT) {
        node_fail_storage(node, err, "reading db/ failed");
    }
}

struct buf *node_send_begin(struct node *node, node_id to, enum peer_message_type type)
{
    struct buf *out = node->env->peer_begin(node->env->context, to);
    if (out == NULL) {
        return NULL;
    }
    const struct peer_header header = {
        .type = type,
        .from_incarnation = node->identity.incarnation,
        .to_incarnation = node_peer(node, to)->incarnation,
    };
    struct writer w = writer_of(buf_reserve(out, PEER_HEADER_SIZE), PEER_HEADER_SIZE);
    peer_header_write(&w, &header);
    Q_CHECK(!w.failed);
    buf_added(out, writer_size(&w));
    return out;
}

void node_send_end(struct node *node, node_id to)
{
    node->env->peer_end(node->env->context, to);
}

/* ---- life cycle ---- */

static struct node *node_new(const struct node_options *options, const struct env *env)
{
    struct node *node = heap_alloc(sizeof *node);
    node->options = *options;
    node->env = env;
    node->files = env->files;
    node->engine = env->engine;
    node->now_ms = env->monotonic_ms(env->context);
    prng_init(&node->prng, options->seed);
    requests_init(node);
    return node;
}

int node_start(const struct node_options *options,
               const struct env *env,
               struct node **out_node,
               char *error,
               size_t error_size)
{
    struct node *node = node_new(options, env);
    struct recovery *recovery = NULL;
    int err = boot_driver_start(node, error, error_size);
    if (err == Q_OK) {
        err = snapshot_recover(node, error, error_size);
    }
    if (err == Q_OK) {
        err = recovery_open_log(node, &recovery, error, error_size);
    }
    if (err == Q_OK && boot_is_done(&node->boot)) {
        err = recovery_start_replica(node, recovery, error, error_size);
        recovery = NULL;
    } else if (err == Q_OK) {
        err = recovery_expect_nothing(recovery, error, error_size);
    }
    recovery_free(recovery);
    if (err != Q_OK) {
        node_free(node);
        return err;
    }
    *out_node = node;
    return Q_OK;
}

void node_free(struct node *node)
{
    if (node == NULL) {
        return;
    }
    requests_deinit(node);
    snapshot_send_stop(node);
    snapshot_receive_stop(node);
    replica_deinit(node);
    wal_close(node->wal);
    buf_deinit(&node->replies);
    buf_deinit(&node->scratch);
    heap_free(node);
}

/* The map has just been stored: the group can start, from an empty log. */
static void start_replica(struct node *node)
{
    struct recovery *recovery = recovery_empty();
    char error[256] = "";
    const int err = recovery_start_replica(node, recovery, error, sizeof error);
    if (err != Q_OK) {
        node_fail(node, err, "%s", error);
        return;
    }
    log_event(LOG_INFO, "cluster_formed", "cluster=%016llx node=%u nodes=%zu",
              (unsigned long long)node_cluster_id(node), node->self, node->list.count);
}

/* ---- messages in ---- */

/* Takes note of the sender's incarnation. False: the message is from an earlier one. */
static bool note_peer(struct node *node, node_id from, const struct peer_header *header)
{
    struct peer *peer = node_peer(node, from);
    if (header->from_incarnation < peer->incarnation) {
        return false;
    }
    if (header->from_incarnation > peer->incarnation) {
        const bool known_before = peer->incarnation != 0;
        peer->incarnation = header->from_incarnation;
        witness_meet(&peer->witness, header->from_incarnation);
        peer->forward_max = 0;
        memset(peer->forward_seen, 0, sizeof peer->forward_seen);
        if (known_before) {
            Q_MARK(NODE_PEER_RESTARTED);
            forward_peer_lost(node, from);
        }
    }
    peer->heard_at_ms = node->now_ms;
    peer->may_have_restarted = false;
    return true;
}

static void receive_by_type(struct node *node,
                            node_id from,
                            const struct peer_header *header,
                            struct reader *r)
{
    struct snapshot_chunk chunk;
    struct snapshot_ack ack;
    switch (header->type) {
    case PEER_HELLO: boot_driver_receive(node, from, read_bytes(r, reader_left(r))); return;
    case PEER_RAFT:
        if (read_u32(r) == node->replica.group) {
            replica_receive(node, from, read_bytes(r, reader_left(r)));
        }
        return;
    case PEER_RESUME: resume_driver_question(node, from, header, r); return;
    case PEER_RESUME_ANSWER: resume_driver_answer(node, from, r); return;
    case PEER_FORWARD: forward_receive(node, from, header, r); return;
    case PEER_FORWARD_REPLY:
        if (header->to_incarnation == node->identity.incarnation) {
            forward_reply_receive(node, r);
        }
        return;
    case PEER_SNAPSHOT_CHUNK:
        snapshot_chunk_read(r, &chunk);
        if (!r->failed && node->resume.is_done) {
            snapshot_receive_chunk(node, from, &chunk);
        }
        return;
    case PEER_SNAPSHOT_ACK:
        snapshot_ack_read(r, &ack);
        if (!r->failed && header->to_incarnation == node->identity.incarnation) {
            snapshot_send_ack(node, from, &ack);
        }
        return;
    }
}

void node_receive(struct node *node, node_id from, uint64_t cluster_id, struct bytes body)
{
    if (node->failure != Q_OK || from == NODE_NONE || from > node->list.count ||
        from == node->self) {
        return;
    }
    node->now_ms = node->env->monotonic_ms(node->env->context);
    struct reader r = reader_of(body);
    struct peer_header header;
    peer_header_read(&r, &header);
    if (r.failed) {
        return;
    }
    if (header.type == PEER_HELLO) {
        /* Judged by the boot machine: it may come from a stranger, whose incarnation means
         * nothing to us. */
        receive_by_type(node, from, &header, &r);
        return;
    }
    const bool is_ours = cluster_id == node_cluster_id(node) || Q_PLANT(CLUSTERID);
    Q_MARK_IF(NODE_MESSAGE_UNBOOTED, !node->booted);
    if (!node->booted || !is_ours) {
        return;
    }
    /* Whoever only asks whether it may take part, or answers that, has not taken part: when it is
     * stopped as an old copy, the right directory must not be refused for that start. */
    const bool is_resuming = header.type == PEER_RESUME || header.type == PEER_RESUME_ANSWER;
    if (!is_resuming && !note_peer(node, from, &header)) {
        return; /* Of an earlier process. */
    }
    receive_by_type(node, from, &header, &r);
}

void node_peer_changed(struct node *node, node_id peer, bool connected)
{
    node->now_ms = node->env->monotonic_ms(node->env->context);
    node_peer(node, peer)->connected = connected;
    node_peer(node, peer)->may_have_restarted = true;
    if (!node->booted) {
        return;
    }
    raft_peer_unreachable(&node->replica.raft, peer);
    if (connected) {
        node->resume.ask_at_ms = node->now_ms; /* It may not have got the last question. */
    } else {
        forward_peer_lost(node, peer);
    }
}

void node_log_done(struct node *node, int result)
{
    node->now_ms = node->env->monotonic_ms(node->env->context);
    wal_job_end(node->wal, result);
    if (result != Q_OK) {
        Q_MARK_IF(NODE_LOG_IO_ERROR, result == Q_EIO);
        Q_MARK_IF(NODE_LOG_NO_SPACE, result == Q_ENOSPC);
        node_fail(node, result,
                  "writing the log failed (write or fdatasync below wal/; the kernel log may say "
                  "more); nothing more can be acknowledged");
        return;
    }
    if (node->booted) {
        replica_log_done(node);
    }
}

/* ---- the turn ---- */

void node_turn(struct node *node)
{
    node->now_ms = node->env->monotonic_ms(node->env->context);
    if (node->failure != Q_OK) {
        return;
    }
    boot_driver_tick(node);
    if (!node->booted && boot_is_done(&node->boot)) {
        start_replica(node);
    }
    if (node->booted && node->failure == Q_OK) {
        resume_driver_tick(node);
        /* While a snapshot is being installed this replica must not campaign. */
        if (!snapshot_is_installing(node) && node->resume.is_done) {
            raft_tick(&node->replica.raft, node->now_ms);
        }
        snapshot_receive_tick(node);
        snapshot_send_tick(node);
        counting_step(node);
    }
    requests_tick(node);
    if (node->booted && node->failure == Q_OK) {
        replica_collect(node);
        replica_compact(node);
    }
    if (node->failure == Q_OK && wal_job_begin(node->wal)) {
        node->env->log_start(node->env->context);
    }
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t node_next_deadline(const struct node *node)
{
    if (node->failure != Q_OK) {
        return UINT64_MAX; /* A turn does nothing any more: no time is worth waking for. */
    }
    uint64_t at = boot_next_deadline(&node->boot);
    if (!list_is_empty(&node->deadlines)) {
        at = earlier(
            at, LIST_ITEM(node->deadlines.next, struct node_request, deadline_link)->deadline_ms);
    }
    if (!list_is_empty(&node->parked)) {
        at = earlier(at, node->parked_retry_at_ms);
    }
    if (!list_is_empty(&node->counting) || node->replica.unfinished) {
        return node->now_ms;
    }
    if (!node->booted) {
        return at;
    }
    if (snapshot_is_installing(node)) {
        return node->now_ms + 1;
    }
    const struct raft_log *log = &node->replica.raft.log;
    if (log->bytes > node->options.log_keep_bytes) {
        at = earlier(at, node->replica.compact_at_ms);
    }
    at = earlier(at, snapshot_send_deadline(node));
    at = earlier(at, resume_next_deadline(&node->resume));
    if (!node->resume.is_done) {
        return at; /* Raft's own deadlines do not count yet. */
    }
    return earlier(at, raft_next_deadline(&node->replica.raft));
}

void node_resign(struct node *node)
{
    struct raft *raft = &node->replica.raft;
    if (!node->booted || raft->role != RAFT_LEADER) {
        return;
    }
    node_id best = NODE_NONE;
    raft_index best_match = 0;
    for (size_t i = 0; i < raft->config.voter_count; i++) {
        const struct raft_progress *progress = &raft->progress[i];
        if (progress->id != node->self && progress->recently_active &&
            progress->match_index >= best_match) {
            best = progress->id;
            best_match = progress->match_index;
        }
    }
    Q_MARK_IF(NODE_NOBODY_TO_RESIGN_TO, best == NODE_NONE && raft->config.voter_count > 1);
    if (best != NODE_NONE) {
        node_transfer(node, best);
    }
}

void node_transfer(struct node *node, node_id to)
{
    if (node->booted) {
        (void)raft_transfer(&node->replica.raft, node->env->monotonic_ms(node->env->context), to);
    }
}

/* ---- what others may see ---- */

struct wal *node_wal(struct node *node)
{
    return node->wal;
}

uint64_t node_cluster_id(const struct node *node)
{
    return node->booted ? node->identity.map.cluster_id : 0;
}

node_id node_self(const struct node *node)
{
    return node->self;
}

const char *node_address(const struct node *node, node_id id)
{
    return node->list.addresses[id - 1].text;
}

int node_health(const struct node *node, const char **out_error)
{
    *out_error = node->failure_text;
    return node->failure;
}

bool node_takes_part(const struct node *node)
{
    return node->booted && node->resume.is_done;
}

const struct raft *node_raft(const struct node *node)
{
    return &node->replica.raft;
}

uint64_t node_state_hash(struct node *node)
{
    return node->booted && !snapshot_is_installing(node) ? machine_hash(&node->replica.machine) : 0;
}

void node_load(const struct node *node, struct node_load *out_load)
{
    const struct replica *replica = &node->replica;
    *out_load = (struct node_load){.requests = node->request_count,
                                   .request_bytes = node->request_bytes,
                                   .gated_messages = replica->gated_count,
                                   .gated_bytes = replica->gated_bytes,
                                   .is_installing = snapshot_is_installing(node)};
    if (node->booted) {
        out_load->payloads = (size_t)(replica->payload_last + 1 - replica->payload_first);
        out_load->id_rows = replica->machine.meta.id_rows;
        out_load->id_bytes = replica->machine.meta.id_bytes;
    }
}

static void peer_status(const struct node *node, size_t i, struct node_peer_status *out)
{
    const struct peer *peer = &node->peers[i];
    out->id = (node_id)(i + 1);
    (void)snprintf(out->address, sizeof out->address, "%s", node->list.addresses[i].text);
    const bool self = out->id == node->self;
    out->connected = self || peer->connected;
    out->heard = self || (peer->heard_at_ms != 0 &&
                          node->now_ms - peer->heard_at_ms <= node->options.election_max_ms);
    if (node->booted && node->replica.raft.role == RAFT_LEADER) {
        const struct raft_progress *progress = raft_progress_of(&node->replica.raft, out->id);
        out->match_index = progress != NULL ? progress->match_index : 0;
    }
}

void node_status(const struct node *node, struct node_status *out_status)
{
    *out_status = (struct node_status){0};
    out_status->self = node->self;
    out_status->booted = node->booted;
    out_status->cluster_id = node_cluster_id(node);
    out_status->waiting = node->request_count;
    out_status->forwarded = node->forwarded_total;
    out_status->elections = node->elections_total;
    out_status->wal = wal_stats(node->wal);
    out_status->peer_count = node->list.count;
    for (size_t i = 0; i < node->list.count; i++) {
        peer_status(node, i, &out_status->peers[i]);
    }
    (void)boot_text(&node->boot, node->now_ms, out_status->waiting_for,
                    sizeof out_status->waiting_for);
    if (!node->booted) {
        return;
    }
    if (!node->resume.is_done && out_status->waiting_for[0] == '\0') {
        (void)resume_driver_text(node, out_status->waiting_for, sizeof out_status->waiting_for);
    }
    const struct raft *raft = &node->replica.raft;
    out_status->leader = raft->leader;
    out_status->role = raft->role;
    out_status->term = raft->hard.term;
    out_status->commit_index = raft->commit_index;
    out_status->applied_index = raft->applied_index;
    out_status->last_index = raft->log.last_index;
    out_status->first_index = raft->log.start_index + 1;
    out_status->shard_time = node->replica.machine.meta.shard_time;
}
