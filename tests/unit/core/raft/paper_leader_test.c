/* One test per rule of reads, transfer, a leader's own health, and snapshots; see paper_test.c. */
#include "harness/raft_one.h"

static struct one one;

static void heartbeat_reply(node_id from, uint64_t context)
{
    one_receive(&one, (struct raft_message){.kind = RAFT_MSG_HEARTBEAT_REPLY,
                                            .from = from,
                                            .term = one.raft.hard.term,
                                            .context = context});
}

static uint64_t read_now(void)
{
    uint64_t context = 0;
    REQUIRE(raft_read_index(&one.raft, &context) == Q_OK && context > 0);
    return context;
}

/* ---- ReadIndex, section 6.4 ---- */

/* "1. If the leader has not yet marked an entry from its current term committed, it waits." (B11)
 */
TEST(reads_wait_for_the_first_commit_of_the_term)
{
    one_start(&one, 3, (struct raft_hard_state){.term = 1}, (raft_term[]){1}, 1);
    one_win(&one);
    const uint64_t context = read_now();
    one_collect(&one);
    EXPECT(one_sent(&one, RAFT_MSG_HEARTBEAT, 2, 0) == NULL);
    heartbeat_reply(2, context);
    one_collect(&one);
    EXPECT(one_effect(&one, RAFT_EFFECT_READ) == NULL);
    one_persist(&one);
    one_ack(&one, 2, 2);
    one_collect(&one);
    EXPECT(one_sent(&one, RAFT_MSG_HEARTBEAT, 2, 0)->message.context == context);
    heartbeat_reply(2, context);
    one_collect(&one);
    const struct raft_effect *read = one_effect(&one, RAFT_EFFECT_READ);
    EXPECT(read != NULL && read->context == context && read->index == 2);
}

/* "3. The leader ... issues a new round of heartbeats and waits for their acknowledgments from a
 * majority of the cluster." (B34) */
TEST(reads_wait_for_a_majority_to_acknowledge)
{
    one_start_empty(&one, 5);
    one_win_and_settle(&one);
    const uint64_t context = read_now();
    one_collect(&one);
    heartbeat_reply(2, context);
    heartbeat_reply(2, context);
    one_collect(&one);
    EXPECT(one_effect(&one, RAFT_EFFECT_READ) == NULL);
    heartbeat_reply(3, 0); /* Answers a heartbeat sent before the read arrived. */
    one_collect(&one);
    EXPECT(one_effect(&one, RAFT_EFFECT_READ) == NULL);
    heartbeat_reply(3, context);
    one_collect(&one);
    EXPECT(one_effect(&one, RAFT_EFFECT_READ)->context == context);
}

/* Reads that arrive while a round is in flight are not confirmed by it, only by the next. */
TEST(a_round_confirms_only_reads_that_came_before_it)
{
    one_start_empty(&one, 3);
    one_win_and_settle(&one);
    const uint64_t first = read_now();
    EXPECT(read_now() == first || read_now() == first + 1);
    one_collect(&one);
    const uint64_t second = read_now();
    EXPECT(second > first);
    one_collect(&one);
    EXPECT(one_sent(&one, RAFT_MSG_HEARTBEAT, 2, 0) == NULL); /* One round at a time. */
    (void)one_propose(&one, 10);
    one_collect(&one);
    one_persist(&one);
    one_ack(&one, 3, 2);
    EXPECT(one.raft.commit_index == 2);
    heartbeat_reply(2, first);
    one_collect(&one);
    EXPECT(one_effect(&one, RAFT_EFFECT_READ)->context < second);
    EXPECT(one_effect(&one, RAFT_EFFECT_READ)->index == 1);
    heartbeat_reply(2, first); /* Doubled. */
    one_collect(&one);
    EXPECT(one_effect(&one, RAFT_EFFECT_READ) == NULL);
    heartbeat_reply(2, second);
    one_collect(&one);
    EXPECT(one_effect(&one, RAFT_EFFECT_READ)->context == second);
    EXPECT(one_effect(&one, RAFT_EFFECT_READ)->index == 2);
}

/* B33: a round that was lost is retried under a new number. */
TEST(a_lost_round_is_retried_with_a_context_never_used_before)
{
    one_start_empty(&one, 3);
    one_win_and_settle(&one);
    const uint64_t first = read_now();
    one_collect(&one); /* Lost. */
    one_advance(&one, 50);
    one_collect(&one);
    const uint64_t retry = one_sent(&one, RAFT_MSG_HEARTBEAT, 2, 0)->message.context;
    EXPECT(retry > first);
    const uint64_t later = read_now();
    EXPECT(later > retry);
    heartbeat_reply(3, retry);
    one_collect(&one);
    EXPECT(one_effect(&one, RAFT_EFFECT_READ)->context == retry);
}

/* B36: a leader that was deposed answers none of the reads it had queued. */
TEST(reads_of_a_deposed_leader_are_void)
{
    one_start_empty(&one, 3);
    one_win_and_settle(&one);
    const uint64_t old = read_now();
    one_collect(&one);
    one_receive(&one, (struct raft_message){.kind = RAFT_MSG_HEARTBEAT, .from = 2, .term = 5});
    heartbeat_reply(3, old);
    one_collect(&one);
    EXPECT(one_effect(&one, RAFT_EFFECT_READ) == NULL);
    EXPECT(one_effect(&one, RAFT_EFFECT_ROLE) != NULL);
    uint64_t context = 7;
    EXPECT(raft_read_index(&one.raft, &context) == Q_ENOTLEADER && context == 7);
    one_persist(&one);
    one_win_and_settle(&one);
    EXPECT(read_now() > old); /* And no number comes back with leadership. */
}

TEST(a_cluster_of_one_confirms_its_reads_itself)
{
    one_start_empty(&one, 1);
    one_win_and_settle(&one);
    const uint64_t context = read_now();
    one_collect(&one);
    EXPECT(one_effect(&one, RAFT_EFFECT_READ)->context == context);
    EXPECT(one_effect(&one, RAFT_EFFECT_READ)->index == 1);
}

TEST(a_follower_echoes_the_context)
{
    one_start_empty(&one, 3);
    one_receive(&one, (struct raft_message){
                          .kind = RAFT_MSG_HEARTBEAT, .from = 2, .term = 1, .context = 42});
    one_collect(&one);
    EXPECT(one_sent(&one, RAFT_MSG_HEARTBEAT_REPLY, 2, 0)->message.context == 42);
}

/* ---- transfer, section 3.10 ---- */

TEST(a_transfer_catches_the_target_up_stops_proposals_and_says_go)
{
    raft_index index = 0;
    one_start_empty(&one, 3);
    one_win_and_settle(&one);
    (void)one_propose(&one, 10);
    one_collect(&one);
    EXPECT(raft_transfer(&one.raft, one.now_ms, 3) == Q_OK);
    EXPECT(raft_propose(&one.raft, 1, bytes_of(NULL, 0), &index) == Q_EBUSY);
    one_collect(&one);
    EXPECT(one_sent(&one, RAFT_MSG_TIMEOUT_NOW, 3, 0) == NULL);
    one_ack(&one, 3, 2);
    one_collect(&one);
    EXPECT(one_sent(&one, RAFT_MSG_TIMEOUT_NOW, 3, 0) != NULL);
    one_collect(&one);
    EXPECT(one_sent(&one, RAFT_MSG_TIMEOUT_NOW, 3, 0) == NULL);
    one_ack(&one, 3, 2); /* Once is enough: the target has begun its election. */
    one_collect(&one);
    EXPECT(one_sent(&one, RAFT_MSG_TIMEOUT_NOW, 3, 0) == NULL);
}

/* "If leadership transfer does not complete after about an election timeout, the prior leader
 * aborts the transfer and resumes accepting client requests." */
TEST(a_transfer_that_comes_to_nothing_is_given_up)
{
    one_start_empty(&one, 3);
    one_win_and_settle(&one);
    EXPECT(raft_transfer(&one.raft, one.now_ms, 3) == Q_OK);
    for (int i = 0; i < 11; i++) {
        one_advance(&one, 50);
        heartbeat_reply(2, 0);
        one_collect(&one);
        EXPECT(one.raft.transfer_target == 3);
    }
    one_advance(&one, 50);
    EXPECT(one.raft.transfer_target == NODE_NONE && one.raft.role == RAFT_LEADER);
    (void)one_propose(&one, 10);
}

TEST(the_time_of_a_transfer_counts_from_when_it_was_asked_for)
{
    one_start_empty(&one, 3);
    one_win_and_settle(&one);
    EXPECT(raft_transfer(&one.raft, one.now_ms + 40, 3) == Q_OK);
    EXPECT(one.raft.transfer_deadline_ms == one.now_ms + 40 + one.raft.config.election_max_ms);
}

TEST(a_transfer_needs_a_leader_and_a_voter)
{
    one_start_empty(&one, 3);
    EXPECT(raft_transfer(&one.raft, one.now_ms, 2) == Q_ENOTLEADER);
    one_win_and_settle(&one);
    EXPECT(raft_transfer(&one.raft, one.now_ms, 9) == Q_EINVAL);
    EXPECT(raft_transfer(&one.raft, one.now_ms, 1) == Q_OK);
    EXPECT(one.raft.transfer_target == NODE_NONE);
}

TEST(the_target_campaigns_at_once_without_asking_first)
{
    one_start_empty(&one, 3);
    one_receive(&one, (struct raft_message){.kind = RAFT_MSG_HEARTBEAT, .from = 2, .term = 1});
    one_receive(&one, (struct raft_message){.kind = RAFT_MSG_TIMEOUT_NOW, .from = 3, .term = 1});
    EXPECT(one.raft.role == RAFT_FOLLOWER); /* Only the leader may say so. */
    one_receive(&one, (struct raft_message){.kind = RAFT_MSG_TIMEOUT_NOW, .from = 2, .term = 1});
    one_collect(&one);
    EXPECT(one.raft.role == RAFT_CANDIDATE && one.raft.hard.term == 2);
    EXPECT(one_sent(&one, RAFT_MSG_VOTE, 2, 0)->message.forced);
    EXPECT(one_sent(&one, RAFT_MSG_PRE_VOTE, 0, 0) == NULL);
}

/* ---- B40: a leader whose disk does not answer ---- */

static void hang_disk_for_an_election_timeout(void)
{
    one_start_empty(&one, 3);
    one_win_and_settle(&one);
    (void)one_propose(&one, 10);
    one_collect(&one);
    one_ack(&one, 3, 2);
    for (int i = 0; i < 12; i++) {
        REQUIRE(one.raft.role == RAFT_LEADER && one.raft.transfer_target == NODE_NONE);
        one_advance(&one, 50);
        heartbeat_reply(2, 0);
        heartbeat_reply(3, 0);
        one_collect(&one);
    }
}

TEST(a_leader_whose_disk_hangs_hands_over_to_the_best_follower)
{
    hang_disk_for_an_election_timeout();
    EXPECT(one.raft.transfer_target == 3);
    EXPECT(one_sent(&one, RAFT_MSG_TIMEOUT_NOW, 3, 0) != NULL);
    for (int i = 0; i < 12 && one.raft.role == RAFT_LEADER; i++) {
        one_advance(&one, 50);
        heartbeat_reply(2, 0);
        heartbeat_reply(3, 0);
    }
    EXPECT(one.raft.role == RAFT_FOLLOWER); /* Nobody took it: leaving is all that is left. */
}

TEST(a_candidate_that_starts_over_from_a_snapshot_is_a_follower)
{
    one_start(&one, 3, (struct raft_hard_state){.term = 3}, (raft_term[]){1}, 1);
    one_advance(&one, 600);
    REQUIRE(one.raft.role == RAFT_PRE_CANDIDATE);
    EXPECT(raft_restore(&one.raft, 10, 3));
    EXPECT(one.raft.role == RAFT_FOLLOWER && one.raft.log.last_index == 10);
}

TEST(the_next_deadline_is_the_earliest_of_what_a_leader_waits_for)
{
    one_start_empty(&one, 3);
    one_win_and_settle(&one);
    one.raft.heartbeat_deadline_ms = 3000;
    one.raft.check_quorum_deadline_ms = 3001;
    one.raft.transfer_deadline_ms = 2000;
    EXPECT(raft_next_deadline(&one.raft) == 3000); /* No transfer is under way. */
    one.raft.check_quorum_deadline_ms = 2999;
    EXPECT(raft_next_deadline(&one.raft) == 2999);
    one.raft.transfer_target = 2;
    EXPECT(raft_next_deadline(&one.raft) == 2000);
    one.raft.transfer_deadline_ms = 4000;
    EXPECT(raft_next_deadline(&one.raft) == 2999);
}

TEST(what_follows_a_vote_that_became_durable_late_counts_from_that_moment)
{
    one_start_empty(&one, 1);
    one_advance(&one, 600);
    one_collect(&one);
    REQUIRE(one.raft.role == RAFT_CANDIDATE);
    raft_persisted(&one.raft, one.now_ms + 500, one.raft.save_number);
    REQUIRE(one.raft.role == RAFT_LEADER);
    EXPECT(raft_next_deadline(&one.raft) == one.now_ms + 500 + one.raft.config.heartbeat_ms);
}

TEST(a_replica_whose_disk_hangs_does_not_campaign)
{
    one_start_empty(&one, 3);
    one_receive(&one, (struct raft_message){.kind = RAFT_MSG_HEARTBEAT, .from = 2, .term = 1});
    one_collect(&one);
    EXPECT(one.raft.save_number == 1);
    one_advance(&one, 600);
    EXPECT(one.raft.role == RAFT_FOLLOWER);
    EXPECT(raft_next_deadline(&one.raft) > one.now_ms);
    one_persist(&one);
    one_advance(&one, 600);
    EXPECT(one.raft.role == RAFT_PRE_CANDIDATE);
}

/* ---- snapshots, section 5 ---- */

/* A leader of three entries compacted away to index 3, and a follower that has nothing. */
static void lead_over_an_empty_follower(void)
{
    one_start_empty(&one, 3);
    one_win_and_settle(&one);
    (void)one_propose(&one, 10);
    (void)one_propose(&one, 10);
    one_collect(&one);
    one_persist(&one);
    one_ack(&one, 2, 3);
    one_collect(&one);
    raft_compact(&one.raft, 3);
    one_receive(&one, (struct raft_message){.kind = RAFT_MSG_APPEND_REPLY,
                                            .from = 3,
                                            .term = one.raft.hard.term,
                                            .index = 3,
                                            .reject = true,
                                            .hint_index = 0,
                                            .hint_term = 0});
}

TEST(a_follower_behind_the_log_gets_one_snapshot)
{
    lead_over_an_empty_follower();
    one_collect(&one);
    const struct raft_effect *snapshot = one_effect(&one, RAFT_EFFECT_SNAPSHOT);
    EXPECT(snapshot != NULL && snapshot->to == 3 && snapshot->index == 3);
    EXPECT(raft_progress_of(&one.raft, 3)->state == RAFT_SNAPSHOT);
    for (int i = 0; i < 5; i++) {
        one_advance(&one, 50);
        heartbeat_reply(3, 0);
        one_collect(&one);
        EXPECT(one_effect(&one, RAFT_EFFECT_SNAPSHOT) == NULL);
        EXPECT(one_sent(&one, RAFT_MSG_APPEND, 3, 0) == NULL);
        /* B28: without heartbeats it would start an election while it installs. */
        EXPECT(one_sent(&one, RAFT_MSG_HEARTBEAT, 3, 0) != NULL);
    }
}

TEST(after_a_snapshot_replication_goes_on_behind_it)
{
    lead_over_an_empty_follower();
    one_collect(&one);
    (void)one_propose(&one, 10);
    raft_snapshot_done(&one.raft, 3, true, 3);
    one_collect(&one);
    EXPECT(one_sent(&one, RAFT_MSG_APPEND, 3, 0)->message.prev_index == 3);
    EXPECT(raft_progress_of(&one.raft, 3)->match_index < 3); /* Its own word is still missing. */
    one_ack(&one, 3, 4);
    EXPECT(raft_progress_of(&one.raft, 3)->state == RAFT_REPLICATE);
}

TEST(a_failed_snapshot_is_tried_again_when_the_follower_answers)
{
    lead_over_an_empty_follower();
    one_collect(&one);
    raft_snapshot_done(&one.raft, 3, false, 0);
    one_collect(&one);
    EXPECT(one_effect(&one, RAFT_EFFECT_SNAPSHOT) == NULL);
    heartbeat_reply(3, 0);
    one_collect(&one);
    EXPECT(one_effect(&one, RAFT_EFFECT_SNAPSHOT) != NULL);
}

/* etcd-io/raft d87942f: it may come back with a log that reaches ours, by whatever way. */
TEST(any_acknowledgement_that_reaches_the_log_ends_the_snapshot)
{
    lead_over_an_empty_follower();
    one_collect(&one);
    one_ack(&one, 3, 2); /* Not enough: the log starts after 3. */
    EXPECT(raft_progress_of(&one.raft, 3)->state == RAFT_SNAPSHOT);
    one_ack(&one, 3, 3);
    EXPECT(raft_progress_of(&one.raft, 3)->state == RAFT_REPLICATE);
}

TEST(nobody_streams_a_snapshot_to_a_follower_that_is_silent)
{
    one_start_empty(&one, 3);
    one_win_and_settle(&one);
    for (int i = 0; i < 14; i++) { /* Longer than CheckQuorum remembers. */
        one_advance(&one, 50);
        heartbeat_reply(2, 0);
    }
    (void)one_propose(&one, 10);
    one_collect(&one);
    one_persist(&one);
    one_ack(&one, 2, 2);
    one_collect(&one);
    raft_peer_unreachable(&one.raft, 3);
    raft_compact(&one.raft, 2);
    one_collect(&one);
    EXPECT(one_effect(&one, RAFT_EFFECT_SNAPSHOT) == NULL);
    heartbeat_reply(3, 0);
    one_collect(&one);
    EXPECT(one_effect(&one, RAFT_EFFECT_SNAPSHOT)->to == 3);
}

/* Figure 5.3, step 6: "If existing log entry has same index and term as lastIndex and lastTerm of
 * snapshot, discard log up through lastIndex (but retain any following entries)." */
TEST(a_snapshot_of_an_entry_held_keeps_the_tail)
{
    one_start(&one, 3, (struct raft_hard_state){.term = 2}, (raft_term[]){1, 1, 2, 2}, 4);
    EXPECT(raft_restore(&one.raft, 3, 2));
    EXPECT(one.raft.log.start_index == 3 && one.raft.log.last_index == 4);
    EXPECT(one.raft.applied_index == 3 && one.raft.commit_index == 3);
    one_collect(&one);
}

/* "7. Discard the entire log." */
TEST(a_snapshot_of_an_entry_not_held_replaces_the_log)
{
    one_start(&one, 3, (struct raft_hard_state){.term = 5}, (raft_term[]){1, 1, 2, 2}, 4);
    EXPECT(raft_restore(&one.raft, 3, 3)); /* Another branch at 3. */
    EXPECT(one.raft.log.start_index == 3 && one.raft.log.last_index == 3);
    EXPECT(raft_log_last_term(&one.raft.log) == 3 && one.raft.stable_index == 3);
    EXPECT(raft_restore(&one.raft, 90, 4));
    EXPECT(one.raft.log.last_index == 90 && one.raft.applied_index == 90);
    one_collect(&one);
    EXPECT(one_effect(&one, RAFT_EFFECT_APPLY) == NULL);
}

/* B23: an old snapshot must not take back what came after it. */
TEST(a_stale_snapshot_changes_nothing)
{
    one_start(&one, 3, (struct raft_hard_state){.term = 2}, (raft_term[]){1, 1, 2, 2}, 4);
    one_receive(
        &one, (struct raft_message){.kind = RAFT_MSG_HEARTBEAT, .from = 2, .term = 2, .commit = 3});
    EXPECT(!raft_restore(&one.raft, 3, 2));
    EXPECT(!raft_restore(&one.raft, 2, 1));
    EXPECT(one.raft.log.start_index == 0 && one.raft.log.last_index == 4);
    EXPECT(raft_restore(&one.raft, 4, 2));
}

TEST(a_snapshot_voids_the_saves_of_the_log_it_replaced)
{
    one_start_empty(&one, 3);
    one_append(&one, (struct raft_message){.from = 2, .term = 3}, 1, 9);
    one_collect(&one);
    EXPECT(raft_restore(&one.raft, 5, 2)); /* Another branch: 6 to 9 are gone. */
    one_append(&one, (struct raft_message){.from = 2, .term = 3, .prev_index = 5, .prev_term = 2},
               3, 4);
    one_collect(&one);
    raft_persisted(&one.raft, one.now_ms, 1);
    EXPECT(one.raft.stable_index == 5);
    one_persist(&one);
    EXPECT(one.raft.stable_index == 9);
}

TEST(an_installed_snapshot_is_acknowledged_to_the_leader)
{
    one_start_empty(&one, 3);
    one_receive(&one, (struct raft_message){.kind = RAFT_MSG_HEARTBEAT, .from = 2, .term = 4});
    EXPECT(raft_restore(&one.raft, 5, 2));
    one_collect(&one);
    const struct raft_effect *reply = one_sent(&one, RAFT_MSG_APPEND_REPLY, 2, 0);
    EXPECT(reply != NULL && reply->message.index == 5 && !reply->message.reject);
}

/* The tail that stays behind a snapshot was never compared with this leader's log. */
TEST(the_tail_behind_a_snapshot_is_not_acknowledged_with_it)
{
    one_start(&one, 3, (struct raft_hard_state){.term = 2}, (raft_term[]){1, 1, 2, 2, 2}, 5);
    one_receive(&one, (struct raft_message){.kind = RAFT_MSG_HEARTBEAT, .from = 2, .term = 4});
    EXPECT(raft_restore(&one.raft, 3, 2));
    one_collect(&one);
    EXPECT(one.raft.log.last_index == 5);
    EXPECT(one_sent(&one, RAFT_MSG_APPEND_REPLY, 2, 0)->message.index == 3);
}

/* B24: the leader can name the term of the entry just before its log, and of none before that. */
TEST(an_append_right_behind_the_compaction_point_carries_its_term)
{
    lead_over_an_empty_follower();
    one_ack(&one, 3, 3);
    (void)one_propose(&one, 10);
    one_collect(&one);
    const struct raft_effect *append = one_sent(&one, RAFT_MSG_APPEND, 3, 0);
    EXPECT(append->message.prev_index == 3 && append->message.prev_term == 1);
}

TEST_MAIN(CASE(reads_wait_for_the_first_commit_of_the_term),
          CASE(reads_wait_for_a_majority_to_acknowledge),
          CASE(a_round_confirms_only_reads_that_came_before_it),
          CASE(a_lost_round_is_retried_with_a_context_never_used_before),
          CASE(reads_of_a_deposed_leader_are_void),
          CASE(a_cluster_of_one_confirms_its_reads_itself),
          CASE(a_follower_echoes_the_context),
          CASE(a_transfer_catches_the_target_up_stops_proposals_and_says_go),
          CASE(a_transfer_that_comes_to_nothing_is_given_up),
          CASE(the_time_of_a_transfer_counts_from_when_it_was_asked_for),
          CASE(a_transfer_needs_a_leader_and_a_voter),
          CASE(the_target_campaigns_at_once_without_asking_first),
          CASE(a_leader_whose_disk_hangs_hands_over_to_the_best_follower),
          CASE(a_candidate_that_starts_over_from_a_snapshot_is_a_follower),
          CASE(the_next_deadline_is_the_earliest_of_what_a_leader_waits_for),
          CASE(what_follows_a_vote_that_became_durable_late_counts_from_that_moment),
          CASE(a_replica_whose_disk_hangs_does_not_campaign),
          CASE(a_follower_behind_the_log_gets_one_snapshot),
          CASE(after_a_snapshot_replication_goes_on_behind_it),
          CASE(a_failed_snapshot_is_tried_again_when_the_follower_answers),
          CASE(any_acknowledgement_that_reaches_the_log_ends_the_snapshot),
          CASE(nobody_streams_a_snapshot_to_a_follower_that_is_silent),
          CASE(a_snapshot_of_an_entry_held_keeps_the_tail),
          CASE(a_snapshot_of_an_entry_not_held_replaces_the_log),
          CASE(a_stale_snapshot_changes_nothing),
          CASE(a_snapshot_voids_the_saves_of_the_log_it_replaced),
          CASE(an_installed_snapshot_is_acknowledged_to_the_leader),
          CASE(the_tail_behind_a_snapshot_is_not_acknowledged_with_it),
          CASE(an_append_right_behind_the_compaction_point_carries_its_term))
