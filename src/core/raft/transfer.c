/* Leadership transfer (section 3.10), and a leader whose own disk stands still. */
#include "base/err.h"
#include "base/mark.h"
#include "core/raft/raft_private.h"

void raft_transfer_clear(struct raft *raft)
{
    raft->transfer_target = NODE_NONE;
    raft->transfer_deadline_ms = 0;
    raft->transfer_sent = false;
}

void raft_transfer_advance(struct raft *raft)
{
    if (raft->transfer_target == NODE_NONE || raft->transfer_sent) {
        return;
    }
    const struct raft_progress *target = raft_progress_of(raft, raft->transfer_target);
    Q_CHECK(target != NULL);
    Q_MARK_IF(RAFT_TRANSFER_WAITS, target->match_index < raft->log.last_index);
    if (target->match_index == raft->log.last_index) {
        const struct raft_message go = {.kind = RAFT_MSG_TIMEOUT_NOW, .to = target->id};
        raft_send(raft, go, false);
        raft->transfer_sent = true;
    }
}

static void start(struct raft *raft, node_id to)
{
    raft->transfer_target = to;
    raft->transfer_deadline_ms = raft->now_ms + raft->config.election_max_ms;
    raft->transfer_sent = false;
    raft_transfer_advance(raft);
}

int raft_transfer(struct raft *raft, uint64_t now_ms, node_id to)
{
    raft_observe_time(raft, now_ms);
    if (raft->role != RAFT_LEADER) {
        return Q_ENOTLEADER;
    }
    if (raft_progress_of(raft, to) == NULL) {
        return Q_EINVAL;
    }
    if (to != raft->config.self && to != raft->transfer_target) {
        start(raft, to);
    }
    return Q_OK;
}

/* The most caught-up follower heard from lately; NODE_NONE when there is none. */
static node_id best_successor(const struct raft *raft)
{
    const struct raft_progress *best = NULL;
    for (size_t i = 0; i < raft->config.voter_count; i++) {
        const struct raft_progress *progress = &raft->progress[i];
        const bool alive = progress->heard_at_ms > 0 &&
                           raft->now_ms - progress->heard_at_ms < raft->config.election_min_ms;
        if (progress->id == raft->config.self || !alive) {
            continue;
        }
        if (best == NULL || progress->match_index > best->match_index) {
            best = progress;
        }
    }
    return best == NULL ? NODE_NONE : best->id;
}

void raft_transfer_tick(struct raft *raft)
{
    Q_CHECK(raft->role == RAFT_LEADER);
    const bool stuck = raft_storage_is_stuck(raft);
    if (raft->transfer_target != NODE_NONE) {
        if (raft->now_ms < raft->transfer_deadline_ms) {
            return;
        }
        Q_MARK(RAFT_TRANSFER_TIMED_OUT);
        raft_transfer_clear(raft); /* Nothing came of it: proposals are welcome again. */
        if (stuck) {
            raft_become_follower(raft, raft->hard.term, NODE_NONE);
        }
        return;
    }
    if (stuck) {
        /* Heartbeats would go on while nothing commits (hashicorp/raft#503). */
        const node_id successor = best_successor(raft);
        if (successor == NODE_NONE) {
            Q_MARK(RAFT_NO_SUCCESSOR);
            raft_become_follower(raft, raft->hard.term, NODE_NONE);
        } else {
            Q_MARK(RAFT_TRANSFER_DISK_STUCK);
            start(raft, successor);
        }
    }
}

void raft_on_timeout_now(struct raft *raft, const struct raft_message *message)
{
    if (raft->role == RAFT_FOLLOWER && raft->leader == message->from) {
        raft_campaign(raft, true);
    }
}
