/* What the files of core/raft share and nobody else may use. */
#ifndef Q_CORE_RAFT_RAFT_PRIVATE_H
#define Q_CORE_RAFT_RAFT_PRIVATE_H

#include "base/check.h"
#include "base/plant.h"
#include "core/raft/raft.h"

/* ---- raft.c: roles and the outbox ---- */

size_t raft_quorum(const struct raft *raft);
struct raft_progress *raft_progress_mutable(struct raft *raft, node_id id);
/* The `rank`-th largest (from 1) of `count` values; at most NODES_MAX. */
uint64_t raft_nth_largest(const uint64_t *values, size_t count, size_t rank);
/* Enters `term` (>= the present one) as follower of `leader`, or of nobody. Leadership, transfer
 * and reads of the old role end here. */
void raft_become_follower(struct raft *raft, raft_term term, node_id leader);
/* It is `now_ms`, or later: time never goes back here. */
void raft_observe_time(struct raft *raft, uint64_t now_ms);
/* The election timer starts anew, with the timeout drawn last. */
void raft_restart_election_timer(struct raft *raft);
void raft_draw_election_timeout(struct raft *raft);
/* Queues a reply or request; fills in sender and term when they are zero. `gated`: its meaning
 * rests on state that may not be durable yet. */
void raft_send(struct raft *raft, struct raft_message message, bool gated);
/* Appends to the log and keeps what depends on its tail. */
void raft_append_entry(struct raft *raft, const struct raft_entry *entry);

/* ---- election.c ---- */

void raft_campaign(struct raft *raft, bool forced);
void raft_on_vote_request(struct raft *raft, const struct raft_message *message);
void raft_on_vote_reply(struct raft *raft, const struct raft_message *message);
/* A candidate's vote for itself is durable. */
void raft_own_vote_durable(struct raft *raft);
/* True when a live leader is known, so that nobody may take its place (section 4.2.3). */
bool raft_leader_is_alive(const struct raft *raft);

/* ---- replication.c ---- */

void raft_become_probe(struct raft *raft, struct raft_progress *progress);
bool raft_window_is_full(const struct raft *raft, const struct raft_progress *progress);
void raft_window_add(struct raft_progress *progress, raft_index last_index, size_t bytes);
void raft_on_append(struct raft *raft,
                    const struct raft_message *message,
                    const struct raft_entry *entries);
void raft_on_append_reply(struct raft *raft, const struct raft_message *message);
void raft_on_heartbeat(struct raft *raft, const struct raft_message *message);
void raft_on_heartbeat_reply(struct raft *raft, const struct raft_message *message);
/* Every follower gets a heartbeat at the next collect. */
void raft_want_heartbeats(struct raft *raft);

/* ---- commit.c ---- */

/* Moves commit_index forward to `index` if it is larger. */
void raft_commit_to(struct raft *raft, raft_index index);
/* Leader: commits what a quorum holds. */
void raft_commit_by_quorum(struct raft *raft);
/* Drops the tail after `last`; no save in flight speaks for it any more. */
void raft_truncate_tail(struct raft *raft, raft_index last);
/* True when the oldest save in flight is older than an election timeout (B40). */
bool raft_storage_is_stuck(const struct raft *raft);
void raft_count_uncommitted(struct raft *raft);

/* ---- read_index.c ---- */

void raft_reads_void(struct raft *raft);
/* Starts a round when reads wait and none is in flight. */
void raft_reads_start(struct raft *raft);
/* The heartbeat timer fired: a round still in flight may have been lost. */
void raft_reads_retry(struct raft *raft);
/* Context a heartbeat carries now; 0 = none. */
uint64_t raft_reads_context(const struct raft *raft);
void raft_reads_acked(struct raft *raft, struct raft_progress *progress, uint64_t context);

/* ---- transfer.c ---- */

void raft_transfer_clear(struct raft *raft);
/* The target may have caught up. */
void raft_transfer_advance(struct raft *raft);
/* Time-outs of a transfer and of a leader whose own log stands still. */
void raft_transfer_tick(struct raft *raft);
void raft_on_timeout_now(struct raft *raft, const struct raft_message *message);

/* ---- snapshot.c ---- */

void raft_enter_snapshot(struct raft *raft, struct raft_progress *progress);

#endif
