/* The invariants of the cluster, one file each, called as the run goes.
 *
 * Each takes the oracle and the mirror of the one node that just had its turn, costs what that turn
 * changed, and reports into oracle->violation. Numbers in brackets are those of the list in
 * docs/internals/sim.md.
 */
#ifndef Q_SIM_CHECK_CHECKS_H
#define Q_SIM_CHECK_CHECKS_H

#include "base/bytes.h"
#include "node/node.h"
#include "sim/check/oracle.h"

/* [1] One leader per term; nobody names a leader that did not win that term. */
void check_election_safety(struct oracle *oracle, const struct mirror *mirror);
/* [2] Term, commit and applied index never go back, a vote is not changed within a term. */
void check_monotone(struct oracle *oracle, const struct mirror *mirror);
/* [2] After a log job: the vote that became durable is the only one of its term for ever. */
void check_durable_vote(struct oracle *oracle, const struct mirror *mirror);
/* [2] [12] Before mirror_recovered: what was durable has been recovered. */
void check_recovered(struct oracle *oracle, const struct mirror *mirror, const struct raft *raft);
/* [3] The same (index, term) is the same entry after the same prefix, everywhere. */
void check_log_matching(struct oracle *oracle, const struct mirror *mirror);
/* [4] A leader only appends; no node drops what it knows to be committed. */
void check_leader_append_only(struct oracle *oracle, const struct mirror *mirror);
/* [6] Before check_committed: what is newly committed is durable on a quorum. */
void check_committed_is_durable(struct oracle *oracle, const struct mirror *mirror);
/* [4] [7] One entry per committed index; leaders commit by an entry of their own term. */
void check_committed(struct oracle *oracle, const struct mirror *mirror);
/* [5] A new leader holds every entry committed in earlier terms. */
void check_leader_completeness(struct oracle *oracle, const struct mirror *mirror);
/* [8] Equal state at equal applied index. */
void check_state_hash(struct oracle *oracle, node_id node, raft_index applied, uint64_t hash);
/* [8] The same, after every turn, by a hash that is kept with each write. */
void check_digest(struct oracle *oracle, node_id node, raft_index applied, uint64_t digest);
/* [13] Everything bounded is within its bounds. */
void check_bounds(struct oracle *oracle, const struct mirror *mirror, const struct raft *raft);
/* [13] After a turn: what the node holds, given the limits it was started with. */
void check_load(struct oracle *oracle,
                const struct mirror *mirror,
                size_t requests_max,
                size_t request_bytes_max,
                const struct node_load *load);
/* [13] Bytes that a session has not parsed, and of replies that its client has not taken: no reply
 * of the simulator is larger than the largest value. */
void check_session(struct violation *violation, size_t input, size_t output);
/* [11] The repeat of a request id is answered as the first time. */
void check_repeat(struct violation *violation,
                  struct bytes request_id,
                  struct bytes first,
                  struct bytes repeat);
/* CheckQuorum: a leader that has not heard from a quorum for long does not stay one. */
void check_leader_quorum(struct oracle *oracle, struct mirror *mirror, const struct raft *raft);
/* PreVote: a node becomes a candidate only when a quorum could have heard and answered it.
 * `heard` = how many peers' frames reached it within the last three election timeouts. Not for an
 * election that leadership transfer asked for. */
void check_candidate_contact(struct oracle *oracle, const struct mirror *mirror, size_t heard);
/* [6] Before a message leaves: the vote or acknowledgement it carries is durable at its sender,
 * whose log begins after `start_index` (what is before that is in its state). */
void check_sent(struct oracle *oracle, const struct raft_message *message, raft_index start_index);
/* [6] What a leader counts for a voter, and every node for itself, is on that disk. */
void check_match(struct oracle *oracle, const struct mirror *mirror, const struct raft *raft);
/* [10] A read is confirmed only by rounds sent after it arrived: reads that wait for the rounds
 * sent up to the last look never become more. `round`: the newest round sent; `waiting_before`:
 * reads that wait for mirror->round_sent or an earlier one; `waiting_now`: for `round` or earlier.
 */
void check_reads(struct oracle *oracle,
                 struct mirror *mirror,
                 uint64_t round,
                 size_t waiting_before,
                 size_t waiting_now);
/* After a node has taken in a heartbeat of its own or a later term it follows the sender. */
void check_follows(struct oracle *oracle,
                   node_id node,
                   const struct raft *raft,
                   const struct raft_message *message);
/* Whoever leads or asks for pre-votes in an earlier term has been told of ours: else it would stay
 * behind, and a node that has moved ahead of a working majority outside. Before the outbox is
 * emptied. */
void check_told(struct oracle *oracle, const struct raft *raft, const struct raft_message *message);
/* PreVote and votes are refused while the leader is heard (section 4.2.3 of the dissertation): what
 * a request of a later term, not forced by leadership transfer, has put into the outbox behind
 * `outbox_before` of a node that heard its leader. */
void check_loyal(struct oracle *oracle, const struct raft *raft, size_t outbox_before);
/* Each process of a node has a higher incarnation than any before it: what is addressed to an
 * earlier one is told by that. `earlier`: the highest of earlier processes, `now`: what this one
 * writes into its messages. */
void check_incarnation(struct violation *violation, node_id node, uint64_t earlier, uint64_t now);
/* Before and after a node took in a frame of another cluster: nothing of Raft may have changed. */
void check_foreign(struct oracle *oracle,
                   node_id node,
                   const struct raft *before,
                   const struct raft *after);
/* A leader sends something to every connected voter in each heartbeat interval. `silent_ms`: since
 * the last message, the connection, or its election, whichever is latest. */
void check_heartbeats(struct oracle *oracle,
                      const struct mirror *mirror,
                      node_id peer,
                      uint64_t silent_ms,
                      uint32_t heartbeat_ms);
/* A leader whose log device hangs gives up. `busy_us`: how much longer the write under way has
 * taken since the last call, 0 when there is none or it is another one. */
void check_leader_disk(struct oracle *oracle,
                       struct mirror *mirror,
                       uint64_t busy_us,
                       uint32_t election_max_ms);
/* [10] Local reads may be old but never wrong: growing strings and lists show a beginning of what
 * the closing read showed, counters (which only go up here) no more than it, registers a value that
 * was written there. */
void check_local_growing(struct violation *violation,
                         const char *key,
                         struct bytes seen,
                         struct bytes closing);
void check_local_counter(struct violation *violation,
                         const char *key,
                         struct bytes seen,
                         struct bytes closing);
void check_local_register(struct violation *violation,
                          const char *key,
                          struct bytes seen,
                          bool was_written);

#endif
