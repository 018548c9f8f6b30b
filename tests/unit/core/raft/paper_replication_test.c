/* One test per rule of replication, commitment and durability; see paper_test.c. */
#include "harness/raft_one.h"

static struct one one;

static struct raft_message append_after(node_id from, raft_term term, raft_index prev, raft_term at)
{
    return (struct raft_message){.from = from, .term = term, .prev_index = prev, .prev_term = at};
}

static const struct raft_message *last_reply(void)
{
    one_collect(&one);
    const struct raft_effect *effect = one_sent(&one, RAFT_MSG_APPEND_REPLY, 0, 0);
    REQUIRE(effect != NULL);
    return &effect->message;
}

/* ---- followers ---- */

/* Paper, 5.3: "If the follower does not find an entry in its log with the same index and term, then
 * it refuses the new entries." Section 3.5's hint leads the leader back at once. */
TEST(an_append_that_does_not_fit_is_refused_with_a_hint)
{
    const struct {
        raft_index prev;
        raft_term prev_term;
        raft_index hint;
        raft_term hint_term;
    } cases[] = {
        {9, 5, 4, 3}, /* Too far ahead: my last entry. */
        {4, 2, 2, 2}, /* Terms of mine above 2 cannot be in its log there. */
        {4, 4, 3, 3},
        {6, 1, 1, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        one_start(&one, 3, (struct raft_hard_state){.term = 6}, (raft_term[]){1, 2, 3, 3}, 4);
        one_append(&one, append_after(2, 6, cases[i].prev, cases[i].prev_term), 6, 1);
        const struct raft_message *reply = last_reply();
        EXPECT(reply->reject && reply->index == cases[i].prev);
        EXPECT(reply->hint_index == cases[i].hint && reply->hint_term == cases[i].hint_term);
        EXPECT(one.raft.log.last_index == 4);
    }
}

/* Paper, figure 2: "If an existing entry conflicts with a new one (same index but different terms),
 * delete the existing entry and all that follow it." */
TEST(conflicting_entries_are_replaced)
{
    one_start(&one, 3, (struct raft_hard_state){.term = 6}, (raft_term[]){1, 2, 3, 3}, 4);
    one_append(&one, append_after(2, 6, 2, 2), 6, 1);
    EXPECT(one.raft.log.last_index == 3 && raft_log_last_term(&one.raft.log) == 6);
    EXPECT(one.raft.stable_index == 2); /* What was durable at 3 is gone. */
    EXPECT(last_reply()->index == 3);
    const struct raft_effect *save = one_effect(&one, RAFT_EFFECT_SAVE);
    EXPECT(save->first == 3 && save->last == 3);
}

/* What is cut off behind entries not yet durable makes none of those durable. */
TEST(a_conflict_behind_what_is_durable_makes_nothing_durable)
{
    one_start(&one, 3, (struct raft_hard_state){.term = 1}, (raft_term[]){1}, 1);
    one_append(&one, append_after(2, 1, 1, 1), 1, 4);
    one_collect(&one);
    one_append(&one, append_after(3, 2, 3, 1), 2, 1);
    EXPECT(one.raft.log.last_index == 4 && raft_log_last_term(&one.raft.log) == 2);
    EXPECT(one.raft.stable_index == 1);
}

/* ... though not the largest time that was seen: what comes later is later than that, too. */
TEST(the_largest_time_seen_outlives_its_entry)
{
    one_start(&one, 3, (struct raft_hard_state){.term = 1}, (raft_term[]){1}, 1);
    one_append(&one, append_after(2, 1, 1, 1), 1, 8);
    const uint64_t largest = one.raft.last_hlc;
    one_append(&one, append_after(3, 2, 1, 1), 2, 1);
    EXPECT(one.raft.log.last_index == 2);
    EXPECT(raft_log_at(&one.raft.log, 2)->hlc < largest && one.raft.last_hlc == largest);
}

/* ... and only then: a late append that says less than the log holds removes nothing (B08). */
TEST(a_late_append_removes_nothing)
{
    one_start(&one, 3, (struct raft_hard_state){.term = 3}, (raft_term[]){1, 2, 3, 3}, 4);
    one_append(&one, append_after(2, 3, 1, 1), 2, 1);
    EXPECT(one.raft.log.last_index == 4);
    EXPECT(last_reply()->index == 2); /* Vouches for what was compared, no more. */
    one_append(&one, append_after(2, 3, 2, 2), 3, 0);
    EXPECT(one.raft.log.last_index == 4 && last_reply()->index == 2);
}

/* Paper, figure 2: "commitIndex = min(leaderCommit, index of last new entry)": what lies behind was
 * not compared with this leader's log. */
TEST(commit_does_not_pass_the_last_new_entry)
{
    one_start(&one, 3, (struct raft_hard_state){.term = 3}, (raft_term[]){1, 2, 3, 3}, 4);
    struct raft_message append = append_after(2, 3, 1, 1);
    append.commit = 4;
    one_append(&one, append, 2, 1);
    EXPECT(one.raft.commit_index == 2);
}

TEST(a_heartbeat_moves_the_commit_but_not_past_the_log)
{
    one_start(&one, 3, (struct raft_hard_state){.term = 3}, (raft_term[]){1, 2, 3, 3}, 4);
    struct raft_message beat = {.kind = RAFT_MSG_HEARTBEAT, .from = 2, .term = 3, .commit = 3};
    one_receive(&one, beat);
    EXPECT(one.raft.commit_index == 3);
    beat.commit = 2;
    one_receive(&one, beat); /* Late: commit never goes back. */
    EXPECT(one.raft.commit_index == 3);
    beat.commit = 99;
    one_receive(&one, beat);
    EXPECT(one.raft.commit_index == 4);
}

/* An append that starts before the commit index is late; the answer is what is known to agree. */
TEST(an_append_behind_the_commit_is_answered_with_the_commit)
{
    one_start(&one, 3, (struct raft_hard_state){.term = 3}, (raft_term[]){1, 2, 3, 3}, 4);
    one_receive(
        &one, (struct raft_message){.kind = RAFT_MSG_HEARTBEAT, .from = 2, .term = 3, .commit = 3});
    one_collect(&one);
    raft_compact(&one.raft, 2);
    one_append(&one, append_after(2, 3, 1, 1), 3, 9);
    const struct raft_message *reply = last_reply();
    EXPECT(reply->index == 3 && !reply->reject && one.raft.log.last_index == 4);
}

/* Paper, 5.1 and section 3.8: acknowledgements leave when the entries are durable. */
TEST(an_acknowledgement_waits_for_its_entries_to_be_durable)
{
    one_start_empty(&one, 3);
    one_append(&one, append_after(2, 1, 0, 0), 1, 3);
    one_collect(&one);
    const struct raft_effect *save = one_effect(&one, RAFT_EFFECT_SAVE);
    EXPECT(save->first == 1 && save->last == 3 && save->has_hard && save->hard.term == 1);
    EXPECT(one_sent(&one, RAFT_MSG_APPEND_REPLY, 2, 0)->after_save == save->save);
    EXPECT(one.effects[0].kind == RAFT_EFFECT_SAVE);
    one_persist(&one);
    one_append(&one, append_after(2, 1, 0, 0), 1, 3); /* Doubled: durable already. */
    one_collect(&one);
    EXPECT(one_effect(&one, RAFT_EFFECT_SAVE) == NULL);
    EXPECT(one_sent(&one, RAFT_MSG_APPEND_REPLY, 2, 0)->after_save == 0);
}

/* 10.2.1 and our own rule: applied state never runs ahead of the local durable log. */
TEST(only_what_is_committed_and_durable_is_applied)
{
    one_start_empty(&one, 3);
    struct raft_message append = append_after(2, 1, 0, 0);
    append.commit = 2;
    one_append(&one, append, 1, 3);
    one_collect(&one);
    EXPECT(one.raft.commit_index == 2 && one_effect(&one, RAFT_EFFECT_APPLY) == NULL);
    one_persist(&one);
    one_collect(&one);
    const struct raft_effect *apply = one_effect(&one, RAFT_EFFECT_APPLY);
    EXPECT(apply != NULL && apply->first == 1 && apply->last == 2);
    one_collect(&one);
    EXPECT(one_effect(&one, RAFT_EFFECT_APPLY) == NULL);
}

/* Limit: an APPLY effect carries apply_bytes_max or one entry, and waits for the one before. */
TEST(applies_come_in_bounded_batches_one_at_a_time)
{
    struct raft_effect effects[16];
    one_start_empty(&one, 1);
    one.raft.config.apply_bytes_max = (size_t)2 * (100 + RAFT_ENTRY_OVERHEAD);
    one_win(&one);
    one_persist(&one);
    one_collect(&one);
    for (int i = 0; i < 3; i++) {
        (void)one_propose(&one, 100);
    }
    (void)one_propose(&one, 1000);
    (void)raft_collect(&one.raft, effects, 16);
    one_persist(&one);
    EXPECT(raft_collect(&one.raft, effects, 16) == 1 && effects[0].last == 3);
    EXPECT(raft_collect(&one.raft, effects, 16) == 0);
    raft_applied(&one.raft, 3);
    EXPECT(raft_collect(&one.raft, effects, 16) == 1);
    EXPECT(effects[0].first == 4 && effects[0].last == 4);
    raft_applied(&one.raft, 4);
    EXPECT(raft_collect(&one.raft, effects, 16) == 1 && effects[0].last == 5);
}

/* etcd's "append ABA": save 1 wrote entries that were replaced, and came back, before it completed.
 * Its completion must not make the new save's entries count as durable. */
TEST(a_late_completion_does_not_cover_entries_replaced_meanwhile)
{
    one_start_empty(&one, 3);
    one_append(&one, append_after(2, 2, 0, 0), 2, 3);
    one_collect(&one); /* Save 1: three entries of term 2. */
    one_append(&one, append_after(3, 3, 1, 2), 3, 1);
    one_collect(&one); /* Save 2: index 2 of term 3. */
    one_append(&one, append_after(2, 4, 1, 2), 2, 2);
    one_collect(&one); /* Save 3: the entries of term 2 again. */
    EXPECT(one.raft.save_number == 3);
    raft_persisted(&one.raft, one.now_ms, 1);
    EXPECT(one.raft.stable_index == 1);
    raft_check(&one.raft);
    raft_persisted(&one.raft, one.now_ms, 2);
    EXPECT(one.raft.stable_index == 1);
    raft_persisted(&one.raft, one.now_ms, 3);
    EXPECT(one.raft.stable_index == 3);
}

/* The same within a cluster of one entry: a change of term alone voids nothing that stayed. */
TEST(a_completion_counts_over_a_change_of_term_for_what_stayed)
{
    one_start_empty(&one, 3);
    one_append(&one, append_after(2, 2, 0, 0), 2, 3);
    one_collect(&one);
    one_receive(&one, (struct raft_message){.kind = RAFT_MSG_HEARTBEAT, .from = 3, .term = 3});
    one_collect(&one);
    raft_persisted(&one.raft, one.now_ms, 1);
    EXPECT(one.raft.stable_index == 3);
}

/* Limit: RAFT_SAVES_MAX saves in flight; what is gated waits until one more may be emitted. */
TEST(at_the_limit_of_saves_gated_messages_wait)
{
    one_start_empty(&one, 3);
    for (raft_index i = 0; i < RAFT_SAVES_MAX; i++) {
        one_append(&one, append_after(2, 1, i, i == 0 ? 0 : 1), 1, 1);
        one_collect(&one);
        EXPECT(one_effect(&one, RAFT_EFFECT_SAVE) != NULL);
    }
    one_append(&one, append_after(2, 1, RAFT_SAVES_MAX, 1), 1, 1);
    one_collect(&one);
    EXPECT(one_effect(&one, RAFT_EFFECT_SAVE) == NULL);
    EXPECT(one_sent(&one, RAFT_MSG_APPEND_REPLY, 2, 0) == NULL);
    raft_persisted(&one.raft, one.now_ms, 1);
    one_collect(&one);
    EXPECT(one_effect(&one, RAFT_EFFECT_SAVE)->last == RAFT_SAVES_MAX + 1);
    EXPECT(one_sent(&one, RAFT_MSG_APPEND_REPLY, 2, 0)->message.index == RAFT_SAVES_MAX + 1);
}

/* Acknowledgements are cumulative: those of one turn, or of a disk that lags, are one message. */
TEST(acknowledgements_that_wait_are_merged)
{
    one_start_empty(&one, 3);
    for (raft_index i = 0; i < (raft_index)4 * RAFT_OUTBOX_MAX; i++) {
        one_append(&one, append_after(2, 1, i, i == 0 ? 0 : 1), 1, 1);
    }
    one_append(&one, append_after(2, 1, 0, 0), 1, 1); /* A late one does not lower it. */
    EXPECT(one.raft.dropped_messages == 0);
    one_collect(&one);
    EXPECT(one_sent(&one, RAFT_MSG_APPEND_REPLY, 2, 0)->message.index ==
           (raft_index)4 * RAFT_OUTBOX_MAX);
    EXPECT(one_sent(&one, RAFT_MSG_APPEND_REPLY, 2, 1) == NULL);
}

/* ... but never with the answer to a message of a lower term, which is not gated: entries were
 * acknowledged before they were durable (simulator, seeds 1178, 2076, 2154). */
TEST(an_acknowledgement_is_not_merged_into_an_answer_that_waits_for_nothing)
{
    one_start(&one, 3, (struct raft_hard_state){.term = 2}, (raft_term[]){1}, 1);
    one_append(&one, append_after(2, 1, 1, 1), 1, 1); /* Term 1 is over: told so. */
    one_append(&one, append_after(2, 2, 1, 1), 2, 1);
    one_collect(&one);
    const struct raft_effect *told = one_sent(&one, RAFT_MSG_APPEND_REPLY, 2, 0);
    const struct raft_effect *acknowledged = one_sent(&one, RAFT_MSG_APPEND_REPLY, 2, 1);
    EXPECT(told->message.index == 0 && told->after_save == 0);
    EXPECT(acknowledged->message.index == 2 && acknowledged->after_save > 0);
}

/* ---- leaders ---- */

/* 6.4 and paper, section 8: a leader begins its term with an empty entry, its clock after all. */
TEST(a_new_leader_appends_an_empty_entry_of_its_term)
{
    one_start(&one, 3, (struct raft_hard_state){.term = 2}, (raft_term[]){1, 2}, 2);
    one_win(&one);
    const struct raft_entry *noop = raft_log_at(&one.raft.log, 3);
    EXPECT(one.raft.log.last_index == 3 && noop->kind == RAFT_ENTRY_NOOP);
    EXPECT(noop->term == 3 && noop->payload.size == 0 && noop->hlc == 102);
    const struct raft_effect *append = one_sent(&one, RAFT_MSG_APPEND, 2, 0);
    EXPECT(append->message.prev_index == 2 && append->message.prev_term == 2);
    EXPECT(append->first == 3 && append->last == 3 && append->message.entry_count == 1);
}

/* 10.2.1: the leader writes its log in parallel, and counts itself like any other replica. */
TEST(the_leader_counts_itself_only_when_its_own_entry_is_durable)
{
    one_start_empty(&one, 3);
    one_win(&one);
    EXPECT(one_sent(&one, RAFT_MSG_APPEND, 2, 0)->after_save == 0);
    one_ack(&one, 2, 1);
    EXPECT(one.raft.commit_index == 0);
    one_persist(&one);
    EXPECT(one.raft.commit_index == 1);
    (void)one_propose(&one, 10);
    one_collect(&one);
    one_ack(&one, 2, 2);
    one_ack(&one, 3, 2); /* A majority without the leader is a majority, too. */
    EXPECT(one.raft.commit_index == 2 && one.raft.stable_index == 1);
}

/* 3.6.2 and figure 3.7: entries of earlier terms are not committed by counting replicas (B01). */
TEST(an_entry_of_an_earlier_term_commits_only_under_one_of_this_term)
{
    one_start(&one, 5, (struct raft_hard_state){.term = 3}, (raft_term[]){1, 2}, 2);
    one_win(&one); /* Term 4; the no-op has index 3. */
    one_persist(&one);
    one_ack(&one, 2, 2);
    one_ack(&one, 3, 2);
    EXPECT(one.raft.commit_index == 0);
    one_ack(&one, 2, 3);
    EXPECT(one.raft.commit_index == 0);
    one_ack(&one, 3, 3);
    EXPECT(one.raft.commit_index == 3);
}

/* Acknowledgements that come late, doubled, or of an earlier term change nothing (B07). */
TEST(stale_acknowledgements_change_nothing)
{
    one_start(&one, 3, (struct raft_hard_state){.term = 3}, (raft_term[]){1, 2}, 2);
    one_win(&one);
    one_receive(&one, (struct raft_message){
                          .kind = RAFT_MSG_APPEND_REPLY, .from = 2, .term = 3, .index = 3});
    one_persist(&one);
    EXPECT(one.raft.commit_index == 0 && raft_progress_of(&one.raft, 2)->match_index == 0);
    one_ack(&one, 2, 3);
    EXPECT(one.raft.commit_index == 3);
    one_ack(&one, 2, 1);
    EXPECT(raft_progress_of(&one.raft, 2)->match_index == 3);
    one_receive(&one, (struct raft_message){.kind = RAFT_MSG_APPEND_REPLY,
                                            .from = 2,
                                            .term = 4,
                                            .index = 2,
                                            .reject = true,
                                            .hint_index = 1,
                                            .hint_term = 1});
    EXPECT(raft_progress_of(&one.raft, 2)->state == RAFT_REPLICATE);
    one_ack(&one, 3, 99); /* More than there is. */
    EXPECT(raft_progress_of(&one.raft, 3)->match_index == 0);
}

/* Paper, figure 2: matchIndex and nextIndex are "reinitialized after election". What a follower
 * held under an earlier leadership it may have replaced since. */
TEST(a_leader_elected_again_knows_nothing_of_its_followers)
{
    one_start_empty(&one, 5);
    one_win(&one);
    one_persist(&one);
    one_ack(&one, 2, 1);
    EXPECT(raft_progress_of(&one.raft, 2)->match_index == 1);
    one_receive(&one, (struct raft_message){
                          .kind = RAFT_MSG_HEARTBEAT, .from = 3, .term = one.raft.hard.term + 1});
    one_win(&one);
    EXPECT(raft_progress_of(&one.raft, 2)->match_index == 0);
    one_persist(&one);
    one_ack(&one, 3, 2);
    EXPECT(one.raft.commit_index == 0);
}

/* 3.5: the leader never overwrites or deletes entries of its own log, whoever claims to lead. */
TEST(a_leader_only_appends)
{
    one_start_empty(&one, 3);
    one_win_and_settle(&one);
    (void)one_propose(&one, 10);
    one_append(&one, append_after(2, one.raft.hard.term, 1, 1), 1, 3);
    EXPECT(one.raft.role == RAFT_LEADER && one.raft.log.last_index == 2);
}

/* Followers hear of a commit at once, not with the next heartbeat. */
TEST(a_commit_is_told_to_followers_at_once)
{
    one_start_empty(&one, 3);
    one_win_and_settle(&one);
    (void)one_propose(&one, 10);
    one_collect(&one);
    one_persist(&one);
    one_ack(&one, 2, 2);
    one_collect(&one);
    const struct raft_effect *news = one_sent(&one, RAFT_MSG_APPEND, 2, 0);
    EXPECT(news != NULL && news->message.commit == 2 && news->message.entry_count == 0);
    EXPECT(one_sent(&one, RAFT_MSG_APPEND, 2, 1) == NULL);
    EXPECT(one_sent(&one, RAFT_MSG_APPEND, 3, 0)->message.commit == 2);
    one_collect(&one);
    EXPECT(one.count == 0); /* Said once. */
}

/* All proposals of a turn leave together. */
TEST(proposals_of_one_turn_travel_in_one_message)
{
    one_start_empty(&one, 3);
    one_win_and_settle(&one);
    for (int i = 0; i < 5; i++) {
        EXPECT(one_propose(&one, 10) == (raft_index)i + 2);
    }
    one_collect(&one);
    EXPECT(one_sent(&one, RAFT_MSG_APPEND, 2, 0)->message.entry_count == 5);
    EXPECT(one_sent(&one, RAFT_MSG_APPEND, 2, 1) == NULL);
    EXPECT(one_effect(&one, RAFT_EFFECT_SAVE)->last == 6);
}

/* 3.5: the leader finds the last entry on which the two agree; with hints in few steps. */
TEST(probing_jumps_by_the_hint)
{
    const raft_term terms[] = {1, 1, 1, 1, 4, 4, 4, 5};
    one_start(&one, 3, (struct raft_hard_state){.term = 5}, terms, 8);
    one_win(&one);
    EXPECT(one_sent(&one, RAFT_MSG_APPEND, 2, 0)->message.prev_index == 8);
    /* The follower has 1 1 2 2 2: nothing at 8, its last with a term <= 5 is 5 of term 2. */
    const struct raft_message refusal = {.kind = RAFT_MSG_APPEND_REPLY,
                                         .from = 2,
                                         .term = one.raft.hard.term,
                                         .index = 8,
                                         .reject = true,
                                         .hint_index = 5,
                                         .hint_term = 2};
    one_receive(&one, refusal);
    one_collect(&one);
    EXPECT(one_sent(&one, RAFT_MSG_APPEND, 2, 0)->message.prev_index == 4);
    one_receive(&one, refusal); /* Doubled: it answers an earlier probe. */
    one_collect(&one);
    EXPECT(one_sent(&one, RAFT_MSG_APPEND, 2, 0) == NULL);
    EXPECT(raft_progress_of(&one.raft, 2)->next_index == 5);
}

/* Paper, 5.3: "the leader retries AppendEntries RPCs indefinitely", but a probe is one message per
 * heartbeat and not a flood; it is never forgotten (B42). */
TEST(a_lost_probe_goes_out_again_when_the_follower_shows_life)
{
    one_start_empty(&one, 3);
    one_win(&one);
    for (int i = 0; i < 5; i++) {
        one_advance(&one, 50);
        one_collect(&one);
        EXPECT(one_sent(&one, RAFT_MSG_APPEND, 2, 0) == NULL);
        one_receive(&one, (struct raft_message){.kind = RAFT_MSG_HEARTBEAT_REPLY,
                                                .from = 2,
                                                .term = one.raft.hard.term});
        one_collect(&one);
        EXPECT(one_sent(&one, RAFT_MSG_APPEND, 2, 0) != NULL);
        EXPECT(one_sent(&one, RAFT_MSG_APPEND, 3, 0) == NULL);
    }
}

TEST(a_lost_append_is_noticed_by_the_next_heartbeat)
{
    one_start_empty(&one, 3);
    one_win_and_settle(&one);
    (void)one_propose(&one, 10);
    one_collect(&one); /* Lost. */
    one_receive(&one,
                (struct raft_message){.kind = RAFT_MSG_HEARTBEAT_REPLY, .from = 2, .term = 1});
    one_collect(&one);
    const struct raft_effect *question = one_sent(&one, RAFT_MSG_APPEND, 2, 0);
    EXPECT(question->message.prev_index == 2 && question->message.entry_count == 0);
    one_receive(&one, (struct raft_message){.kind = RAFT_MSG_APPEND_REPLY,
                                            .from = 2,
                                            .term = 1,
                                            .index = 2,
                                            .reject = true,
                                            .hint_index = 1,
                                            .hint_term = 1});
    one_collect(&one);
    EXPECT(one_sent(&one, RAFT_MSG_APPEND, 2, 0)->message.prev_index == 1);
}

/* Limit: the window in messages; one message of append_bytes_max, or one larger entry. */
TEST(the_window_stops_at_its_limit_and_opens_by_acknowledgement)
{
    one_start_empty(&one, 3);
    one_win_and_settle(&one);
    for (int i = 0; i < 5; i++) {
        (void)one_propose(&one, 980); /* One per message, four messages. */
        one_collect(&one);
        EXPECT((one_sent(&one, RAFT_MSG_APPEND, 2, 0) != NULL) == (i < 4));
    }
    one_ack(&one, 2, 2);
    one_collect(&one);
    EXPECT(one_sent(&one, RAFT_MSG_APPEND, 2, 0)->first == 6);
    EXPECT(one_sent(&one, RAFT_MSG_APPEND, 2, 1) == NULL);
}

TEST(the_window_stops_at_its_limit_of_bytes)
{
    one_start_empty(&one, 3);
    one_win_and_settle(&one);
    one.raft.config.inflight_bytes_max = (size_t)2 * (980 + RAFT_ENTRY_OVERHEAD);
    for (int i = 0; i < 3; i++) {
        (void)one_propose(&one, 980);
        one_collect(&one);
        EXPECT((one_sent(&one, RAFT_MSG_APPEND, 2, 0) != NULL) == (i < 2));
    }
}

TEST(a_full_window_that_was_lost_opens_by_one_per_heartbeat)
{
    one_start_empty(&one, 3);
    one_win_and_settle(&one);
    for (int i = 0; i < 6; i++) {
        (void)one_propose(&one, 980);
        one_collect(&one);
    }
    one_receive(&one,
                (struct raft_message){.kind = RAFT_MSG_HEARTBEAT_REPLY, .from = 2, .term = 1});
    one_collect(&one);
    EXPECT(one_sent(&one, RAFT_MSG_APPEND, 2, 0)->first == 6);
    EXPECT(one_sent(&one, RAFT_MSG_APPEND, 2, 1) == NULL);
}

/* B41: what was in flight when probing began is forgotten, its bytes too. */
TEST(a_rejection_empties_the_window)
{
    one_start_empty(&one, 3);
    one_win_and_settle(&one);
    for (int round = 0; round < 20; round++) {
        (void)one_propose(&one, 400);
        one_collect(&one);
        const raft_index last = one.raft.log.last_index;
        EXPECT(one_sent(&one, RAFT_MSG_APPEND, 2, 0) != NULL);
        one_receive(&one, (struct raft_message){.kind = RAFT_MSG_APPEND_REPLY,
                                                .from = 2,
                                                .term = 1,
                                                .index = last,
                                                .reject = true,
                                                .hint_index = last - 1,
                                                .hint_term = 1});
        EXPECT(raft_progress_of(&one.raft, 2)->state == RAFT_PROBE);
        EXPECT(raft_progress_of(&one.raft, 2)->inflight_bytes == 0);
        one_collect(&one);
        one_persist(&one);
        one_ack(&one, 2, last);
        EXPECT(raft_progress_of(&one.raft, 2)->state == RAFT_REPLICATE);
        one_collect(&one);
    }
}

TEST(an_entry_larger_than_a_message_travels_alone)
{
    one_start_empty(&one, 3);
    one_win_and_settle(&one);
    (void)one_propose(&one, 10);
    (void)one_propose(&one, 5000);
    (void)one_propose(&one, 10);
    one_collect(&one);
    EXPECT(one_sent(&one, RAFT_MSG_APPEND, 2, 0)->last == 2);
    EXPECT(one_sent(&one, RAFT_MSG_APPEND, 2, 1)->first == 3);
    EXPECT(one_sent(&one, RAFT_MSG_APPEND, 2, 1)->last == 3);
    EXPECT(one_sent(&one, RAFT_MSG_APPEND, 2, 2) == NULL); /* 5,000 bytes fill the window. */
}

/* B68: proposals beyond the limit of uncommitted bytes are refused, one is always possible, and a
 * new leader counts what it inherits. */
TEST(uncommitted_bytes_are_bounded)
{
    raft_index index = 0;
    static const uint8_t payload[8192];
    one_start_empty(&one, 3);
    one.raft.config.uncommitted_bytes_max = 1000;
    one_win_and_settle(&one);
    EXPECT(one.raft.uncommitted_bytes == 0);
    EXPECT(raft_propose(&one.raft, 1, bytes_of(payload, 5000), &index) == Q_OK);
    EXPECT(raft_propose(&one.raft, 1, bytes_of(payload, 0), &index) == Q_EBUSY);
    one_collect(&one);
    one_persist(&one);
    one_ack(&one, 2, index);
    EXPECT(one.raft.uncommitted_bytes == 0);
    EXPECT(raft_propose(&one.raft, 1, bytes_of(payload, 500), &index) == Q_OK);
    const size_t left = 1000 - 500 - RAFT_ENTRY_OVERHEAD - RAFT_ENTRY_OVERHEAD;
    EXPECT(raft_propose(&one.raft, 1, bytes_of(payload, left + 1), &index) == Q_EBUSY);
    EXPECT(raft_propose(&one.raft, 1, bytes_of(payload, left), &index) == Q_OK);
    EXPECT(raft_propose(&one.raft, 1, bytes_of(payload, 0), &index) == Q_EBUSY);

    one_start(&one, 3, (struct raft_hard_state){.term = 2}, (raft_term[]){1, 2}, 2);
    one_win(&one);
    EXPECT(one.raft.uncommitted_bytes == (size_t)3 * RAFT_ENTRY_OVERHEAD);
    EXPECT(raft_propose(&one.raft, 50, bytes_of(payload, 1), &index) == Q_OK);
    EXPECT(raft_log_at(&one.raft.log, index)->hlc > raft_log_at(&one.raft.log, index - 1)->hlc);
}

TEST(followers_do_not_take_proposals)
{
    raft_index index = 77;
    one_start_empty(&one, 3);
    EXPECT(raft_propose(&one.raft, 1, bytes_of(NULL, 0), &index) == Q_ENOTLEADER && index == 77);
}

TEST_MAIN(CASE(an_append_that_does_not_fit_is_refused_with_a_hint),
          CASE(conflicting_entries_are_replaced),
          CASE(a_conflict_behind_what_is_durable_makes_nothing_durable),
          CASE(the_largest_time_seen_outlives_its_entry),
          CASE(a_late_append_removes_nothing),
          CASE(commit_does_not_pass_the_last_new_entry),
          CASE(a_heartbeat_moves_the_commit_but_not_past_the_log),
          CASE(an_append_behind_the_commit_is_answered_with_the_commit),
          CASE(an_acknowledgement_waits_for_its_entries_to_be_durable),
          CASE(only_what_is_committed_and_durable_is_applied),
          CASE(applies_come_in_bounded_batches_one_at_a_time),
          CASE(a_late_completion_does_not_cover_entries_replaced_meanwhile),
          CASE(a_completion_counts_over_a_change_of_term_for_what_stayed),
          CASE(at_the_limit_of_saves_gated_messages_wait),
          CASE(acknowledgements_that_wait_are_merged),
          CASE(an_acknowledgement_is_not_merged_into_an_answer_that_waits_for_nothing),
          CASE(a_new_leader_appends_an_empty_entry_of_its_term),
          CASE(the_leader_counts_itself_only_when_its_own_entry_is_durable),
          CASE(an_entry_of_an_earlier_term_commits_only_under_one_of_this_term),
          CASE(stale_acknowledgements_change_nothing),
          CASE(a_leader_elected_again_knows_nothing_of_its_followers),
          CASE(a_leader_only_appends),
          CASE(a_commit_is_told_to_followers_at_once),
          CASE(proposals_of_one_turn_travel_in_one_message),
          CASE(probing_jumps_by_the_hint),
          CASE(a_lost_probe_goes_out_again_when_the_follower_shows_life),
          CASE(a_lost_append_is_noticed_by_the_next_heartbeat),
          CASE(the_window_stops_at_its_limit_and_opens_by_acknowledgement),
          CASE(the_window_stops_at_its_limit_of_bytes),
          CASE(a_full_window_that_was_lost_opens_by_one_per_heartbeat),
          CASE(a_rejection_empties_the_window),
          CASE(an_entry_larger_than_a_message_travels_alone),
          CASE(uncommitted_bytes_are_bounded),
          CASE(followers_do_not_take_proposals))
