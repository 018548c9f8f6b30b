/* Start, time, dispatch of messages, and the one way back to being a follower. */
#include "base/err.h"
#include "base/mark.h"
#include "core/raft/raft_private.h"

size_t raft_quorum(const struct raft *raft)
{
    if (Q_PLANT(B12)) {
        return (raft->config.voter_count + 1) / 2;
    }
    return raft->config.voter_count / 2 + 1;
}

struct raft_progress *raft_progress_mutable(struct raft *raft, node_id id)
{
    for (size_t i = 0; i < raft->config.voter_count; i++) {
        if (raft->progress[i].id == id) {
            return &raft->progress[i];
        }
    }
    return NULL;
}

const struct raft_progress *raft_progress_of(const struct raft *raft, node_id id)
{
    for (size_t i = 0; i < raft->config.voter_count; i++) {
        if (raft->progress[i].id == id) {
            return &raft->progress[i];
        }
    }
    return NULL;
}

uint64_t raft_nth_largest(const uint64_t *values, size_t count, size_t rank)
{
    Q_CHECK(count <= NODES_MAX);
    Q_CHECK(rank >= 1 && rank <= count);
    uint64_t sorted[NODES_MAX];
    for (size_t i = 0; i < count; i++) {
        size_t at = i;
        while (at > 0 && sorted[at - 1] < values[i]) {
            sorted[at] = sorted[at - 1];
            at--;
        }
        sorted[at] = values[i];
    }
    return sorted[rank - 1];
}

void raft_draw_election_timeout(struct raft *raft)
{
    raft->election_timeout_ms =
        Q_PLANT(B43)
            ? raft->config.election_min_ms
            : prng_between(&raft->prng, raft->config.election_min_ms, raft->config.election_max_ms);
    if (Q_PLANT(NONDET)) {
        raft->election_timeout_ms = raft->config.election_min_ms + ((uintptr_t)raft >> 12) % 251;
    }
}

void raft_observe_time(struct raft *raft, uint64_t now_ms)
{
    if (now_ms > raft->now_ms) {
        raft->now_ms = now_ms;
    }
}

void raft_restart_election_timer(struct raft *raft)
{
    raft->election_deadline_ms = raft->now_ms + raft->election_timeout_ms;
}

void raft_become_follower(struct raft *raft, raft_term term, node_id leader)
{
    Q_CHECK(term >= raft->hard.term);
    Q_CHECK(leader != raft->config.self);
    if (raft->role != RAFT_FOLLOWER || raft->leader != leader || raft->hard.term != term) {
        raft->role_changed = true;
    }
    if (Q_PLANT(B10) && raft->role == RAFT_LEADER && leader == NODE_NONE) {
        leader = raft->config.self;
    }
    if (term > raft->hard.term) {
        Q_MARK_IF(RAFT_LEADER_OUTDATED, raft->role == RAFT_LEADER);
        Q_MARK_IF(RAFT_CANDIDATE_OUTDATED, raft->role == RAFT_CANDIDATE);
        raft->hard = (struct raft_hard_state){.term = term, .vote = NODE_NONE};
    }
    if (Q_PLANT(B05) && leader != NODE_NONE) {
        raft->hard.vote = leader;
    }
    raft->role = RAFT_FOLLOWER;
    raft->leader = leader;
    raft_transfer_clear(raft);
    raft_reads_void(raft);
    raft_draw_election_timeout(raft);
    raft_restart_election_timer(raft);
}

void raft_send(struct raft *raft, struct raft_message message, bool gated)
{
    Q_CHECK(message.to != NODE_NONE && message.to != raft->config.self);
    if (raft->outbox_count == RAFT_OUTBOX_MAX) {
        raft->dropped_messages++;
        return;
    }
    message.from = raft->config.self;
    if (message.term == 0) {
        message.term = raft->hard.term;
    }
    raft->outbox[raft->outbox_count++] = (struct raft_outgoing){.message = message, .gated = gated};
}

void raft_append_entry(struct raft *raft, const struct raft_entry *entry)
{
    raft_log_append(&raft->log, entry);
    if (entry->hlc > raft->last_hlc) {
        raft->last_hlc = entry->hlc;
    }
}

/* ---- start ---- */

static void check_config(const struct raft_config *config)
{
    Q_CHECK(config->voter_count >= 1 && config->voter_count <= NODES_MAX);
    Q_CHECK(config->heartbeat_ms > 0 && config->heartbeat_ms < config->election_min_ms);
    Q_CHECK(config->election_min_ms <= config->election_max_ms);
    Q_CHECK(config->inflight_messages_max >= 1);
    Q_CHECK(config->inflight_messages_max <= INFLIGHT_MESSAGES_MAX);
    bool has_self = false;
    for (size_t i = 0; i < config->voter_count; i++) {
        Q_CHECK(config->voters[i] != NODE_NONE);
        Q_CHECK(i == 0 || config->voters[i - 1] < config->voters[i]);
        has_self = has_self || config->voters[i] == config->self;
    }
    Q_CHECK(has_self);
}

void raft_init(struct raft *raft,
               const struct raft_config *config,
               struct raft_entry *slots,
               size_t capacity,
               struct raft_hard_state hard)
{
    check_config(config);
    memset(raft, 0, sizeof *raft);
    raft->config = *config;
    raft->hard = hard;
    raft->saved_hard = hard;
    raft->durable_term = hard.term;
    raft_log_init(&raft->log, slots, capacity);
    prng_init(&raft->prng, config->seed);
    for (size_t i = 0; i < config->voter_count; i++) {
        raft->progress[i].id = config->voters[i];
        raft->progress[i].next_index = 1;
    }
}

void raft_recover_entry(struct raft *raft, const struct raft_entry *entry)
{
    Q_CHECK(raft->save_number == 0);
    raft_append_entry(raft, entry);
}

void raft_recovered(struct raft *raft, uint64_t now_ms, raft_index applied)
{
    Q_CHECK(applied >= raft->log.start_index);
    Q_CHECK(applied <= raft->log.last_index);
    raft->now_ms = now_ms;
    raft->commit_index = applied;
    raft->applied_index = applied;
    raft->applying_index = applied;
    raft->stable_index = raft->log.last_index;
    raft->saving_index = raft->log.last_index;
    if (raft_log_last_term(&raft->log) > raft->hard.term) {
        /* A snapshot may have come from a term this node had not entered itself. */
        raft->hard = (struct raft_hard_state){.term = raft_log_last_term(&raft->log)};
    }
    raft_draw_election_timeout(raft);
    raft_restart_election_timer(raft);
}

void raft_resume(struct raft *raft, uint64_t now_ms)
{
    Q_CHECK(raft->role == RAFT_FOLLOWER);
    raft_observe_time(raft, now_ms);
    raft_restart_election_timer(raft);
}

/* ---- time ---- */

/* A leader that has not heard from a quorum for an election timeout gives up (CheckQuorum, section
 * 6.2): its clients must learn that it cannot serve them, and its followers may be electing. */
static void check_quorum(struct raft *raft)
{
    size_t active = 0;
    for (size_t i = 0; i < raft->config.voter_count; i++) {
        struct raft_progress *progress = &raft->progress[i];
        active += progress->recently_active || progress->id == raft->config.self ? 1 : 0;
        progress->recently_active = false;
    }
    raft->check_quorum_deadline_ms = raft->now_ms + raft->config.election_max_ms;
    if (active < raft_quorum(raft) && !Q_PLANT(B37)) {
        Q_MARK(RAFT_CHECK_QUORUM);
        raft_become_follower(raft, raft->hard.term, NODE_NONE);
    }
}

static void leader_tick(struct raft *raft)
{
    if (raft->now_ms >= raft->check_quorum_deadline_ms) {
        check_quorum(raft);
    }
    if (raft->role == RAFT_LEADER) {
        raft_transfer_tick(raft);
    }
    if (raft->role == RAFT_LEADER && raft->now_ms >= raft->heartbeat_deadline_ms) {
        raft->heartbeat_deadline_ms = raft->now_ms + raft->config.heartbeat_ms;
        raft_reads_retry(raft);
        raft_want_heartbeats(raft);
    }
}

void raft_tick(struct raft *raft, uint64_t now_ms)
{
    raft_observe_time(raft, now_ms);
    if (raft->role == RAFT_LEADER) {
        leader_tick(raft);
    } else if (raft->now_ms >= raft->election_deadline_ms) {
        raft_campaign(raft, false);
    }
}

uint64_t raft_next_deadline(const struct raft *raft)
{
    if (raft->role != RAFT_LEADER) {
        return raft->election_deadline_ms;
    }
    uint64_t next = raft->heartbeat_deadline_ms;
    if (raft->check_quorum_deadline_ms < next) {
        next = raft->check_quorum_deadline_ms;
    }
    if (raft->transfer_target != NODE_NONE && raft->transfer_deadline_ms < next) {
        next = raft->transfer_deadline_ms;
    }
    return next;
}

/* ---- messages ---- */

static bool is_request_for_votes(const struct raft_message *message)
{
    return message->kind == RAFT_MSG_VOTE || message->kind == RAFT_MSG_PRE_VOTE;
}

static bool is_from_leader(const struct raft_message *message)
{
    return message->kind == RAFT_MSG_APPEND || message->kind == RAFT_MSG_HEARTBEAT;
}

/* Returns false when the message is dealt with or must be ignored. */
static bool enter_higher_term(struct raft *raft, const struct raft_message *message)
{
    if (is_request_for_votes(message) && !message->forced && raft_leader_is_alive(raft) &&
        !Q_PLANT(LOYAL)) {
        Q_MARK_IF(RAFT_PRE_VOTE_IGNORED, message->kind == RAFT_MSG_PRE_VOTE);
        Q_MARK_IF(RAFT_VOTE_IGNORED, message->kind == RAFT_MSG_VOTE);
        return false;
    }
    Q_MARK_IF(RAFT_VOTE_FORCED, message->forced && raft_leader_is_alive(raft));
    if (message->kind == RAFT_MSG_PRE_VOTE) {
        return true; /* Its term is only asked about; nobody has entered it. */
    }
    if (message->kind == RAFT_MSG_PRE_VOTE_REPLY && !message->reject) {
        return true; /* Echoes the term we asked about. */
    }
    raft_become_follower(raft, message->term, is_from_leader(message) ? message->from : NODE_NONE);
    return true;
}

/* An old leader, or a candidate that is behind, must learn of our term. Without the answer to a
 * leader, a node that has moved ahead of a working majority would be stuck: it ignores that leader,
 * and PreVote keeps it from deposing it. */
static void answer_lower_term(struct raft *raft, const struct raft_message *message)
{
    if (is_from_leader(message)) {
        if (Q_PLANT(B39L)) {
            return;
        }
        Q_MARK(RAFT_OLD_LEADER_TOLD);
        raft_send(raft, (struct raft_message){.kind = RAFT_MSG_APPEND_REPLY, .to = message->from},
                  false);
    } else if (message->kind == RAFT_MSG_PRE_VOTE && !Q_PLANT(B39)) {
        Q_MARK(RAFT_OLD_PRE_CANDIDATE_TOLD);
        raft_send(raft,
                  (struct raft_message){
                      .kind = RAFT_MSG_PRE_VOTE_REPLY, .to = message->from, .reject = true},
                  false);
    } else {
        Q_MARK(RAFT_OLD_TERM_DROPPED);
    }
}

/* Only the leader of the present term says these things. Returns false if that cannot be. */
static bool follow_sender(struct raft *raft, const struct raft_message *message)
{
    if (raft->role == RAFT_LEADER) {
        return false; /* A second leader of our term does not exist. */
    }
    if (Q_PLANT(B06) && raft->role == RAFT_CANDIDATE) {
        return false;
    }
    if (raft->role != RAFT_FOLLOWER || raft->leader != message->from) {
        Q_MARK_IF(RAFT_CANDIDATE_FOLLOWS, raft->role == RAFT_CANDIDATE);
        Q_MARK_IF(RAFT_PRE_CANDIDATE_FOLLOWS, raft->role == RAFT_PRE_CANDIDATE);
        raft_become_follower(raft, raft->hard.term, message->from);
    }
    raft->leader_heard_at_ms = raft->now_ms;
    raft_restart_election_timer(raft);
    return true;
}

static void dispatch(struct raft *raft,
                     const struct raft_message *message,
                     const struct raft_entry *entries)
{
    switch (message->kind) {
    case RAFT_MSG_PRE_VOTE:
    case RAFT_MSG_VOTE: raft_on_vote_request(raft, message); break;
    case RAFT_MSG_PRE_VOTE_REPLY:
    case RAFT_MSG_VOTE_REPLY: raft_on_vote_reply(raft, message); break;
    case RAFT_MSG_APPEND:
        if (follow_sender(raft, message)) {
            raft_on_append(raft, message, entries);
        }
        break;
    case RAFT_MSG_HEARTBEAT:
        if (follow_sender(raft, message)) {
            raft_on_heartbeat(raft, message);
        }
        break;
    case RAFT_MSG_APPEND_REPLY:
        if (raft->role == RAFT_LEADER) {
            raft_on_append_reply(raft, message);
        }
        break;
    case RAFT_MSG_HEARTBEAT_REPLY:
        if (raft->role == RAFT_LEADER) {
            raft_on_heartbeat_reply(raft, message);
        }
        break;
    case RAFT_MSG_TIMEOUT_NOW: raft_on_timeout_now(raft, message); break;
    }
}

void raft_receive(struct raft *raft,
                  uint64_t now_ms,
                  const struct raft_message *message,
                  const struct raft_entry *entries)
{
    raft_observe_time(raft, now_ms);
    struct raft_progress *progress = raft_progress_mutable(raft, message->from);
    if (progress == NULL || message->from == raft->config.self ||
        message->to != raft->config.self) {
        raft->dropped_messages++;
        return;
    }
    progress->heard_at_ms = raft->now_ms;
    if (message->term > raft->hard.term && !enter_higher_term(raft, message)) {
        return;
    }
    if (message->term < raft->hard.term) {
        const bool counted = Q_PLANT(B07) && (message->kind == RAFT_MSG_VOTE_REPLY ||
                                              message->kind == RAFT_MSG_APPEND_REPLY);
        if (!counted) {
            answer_lower_term(raft, message);
            return;
        }
    }
    dispatch(raft, message, entries);
}

/* ---- the rest of the interface that is one step ---- */

int raft_propose(struct raft *raft, hlc_time hlc, struct bytes payload, raft_index *out_index)
{
    if (raft->role != RAFT_LEADER) {
        return Q_ENOTLEADER;
    }
    if (raft->transfer_target != NODE_NONE) {
        Q_MARK(RAFT_PROPOSE_IN_TRANSFER);
        return Q_EBUSY;
    }
    const struct raft_entry entry = {
        .term = raft->hard.term,
        .hlc = hlc > raft->last_hlc || Q_PLANT(HLC) ? hlc : raft->last_hlc + 1,
        .kind = RAFT_ENTRY_COMMAND,
        .payload = payload,
    };
    const size_t size = raft_entry_size(&entry);
    if (raft->uncommitted_bytes > 0 &&
        raft->uncommitted_bytes + size > raft->config.uncommitted_bytes_max && !Q_PLANT(B68)) {
        return Q_EBUSY;
    }
    raft_append_entry(raft, &entry);
    raft->uncommitted_bytes += size;
    *out_index = raft->log.last_index;
    return Q_OK;
}

void raft_applied(struct raft *raft, raft_index index)
{
    Q_CHECK(index >= raft->applied_index);
    Q_CHECK(index <= raft->applying_index);
    raft->applied_index = index;
}

void raft_compact(struct raft *raft, raft_index index)
{
    Q_CHECK(index <= raft->applied_index);
    if (index > raft->log.start_index) {
        raft_log_compact(&raft->log, index);
    }
}

const char *raft_role_name(enum raft_role role)
{
    switch (role) {
    case RAFT_FOLLOWER: return "follower";
    case RAFT_PRE_CANDIDATE: return "pre-candidate";
    case RAFT_CANDIDATE: return "candidate";
    case RAFT_LEADER: return "leader";
    }
    return "?";
}
