/* One test per rule of Raft: sections of Ongaro's dissertation, "Consensus: Bridging Theory and
 * Practice" (2014), or of the paper ("In Search of an Understandable Consensus Algorithm", extended
 * version) where it says so. Here are elections; replication and the rest are in
 * paper_replication_test.c and paper_leader_test.c. */
#include "harness/raft_one.h"

static struct one one;

static struct raft_message vote_request(node_id from, raft_term term)
{
    return (struct raft_message){.kind = RAFT_MSG_VOTE, .from = from, .term = term};
}

static struct raft_message heartbeat(node_id from, raft_term term)
{
    return (struct raft_message){.kind = RAFT_MSG_HEARTBEAT, .from = from, .term = term};
}

static void become_candidate(size_t voters)
{
    one_start_empty(&one, voters);
    one_advance(&one, 600);
    for (node_id i = 2; i <= voters; i++) {
        one_receive(&one,
                    (struct raft_message){.kind = RAFT_MSG_PRE_VOTE_REPLY, .from = i, .term = 1});
    }
    REQUIRE(one.raft.role == RAFT_CANDIDATE);
    one_collect(&one);
}

/* Paper, 5.2: "When servers start up, they begin as followers." */
TEST(a_replica_starts_as_follower_without_a_leader)
{
    one_start_empty(&one, 3);
    EXPECT(one.raft.role == RAFT_FOLLOWER && one.raft.leader == NODE_NONE);
    one_collect(&one);
    EXPECT(one.count == 0);
}

/* Paper, 5.1: a larger term in any message turns every role into a follower of that term. */
TEST(a_larger_term_makes_any_role_a_follower)
{
    one_start_empty(&one, 3);
    one_receive(&one, heartbeat(2, 5));
    EXPECT(one.raft.hard.term == 5 && one.raft.leader == 2);

    become_candidate(3);
    one_receive(&one, heartbeat(3, 7));
    EXPECT(one.raft.role == RAFT_FOLLOWER && one.raft.hard.term == 7 && one.raft.leader == 3);

    one_start_empty(&one, 3);
    one_win(&one);
    one_receive(&one, (struct raft_message){
                          .kind = RAFT_MSG_APPEND_REPLY, .from = 2, .term = 9, .index = 0});
    EXPECT(one.raft.role == RAFT_FOLLOWER && one.raft.hard.term == 9);
    EXPECT(one.raft.leader == NODE_NONE); /* It does not go on naming itself (B10). */
}

/* Paper, 5.1: "If a server receives a request with a stale term number, it rejects the request";
 * our answer carries the newer term, so that the old leader steps down. */
TEST(a_request_of_an_earlier_term_is_answered_with_the_present_one)
{
    one_start(&one, 3, (struct raft_hard_state){.term = 4}, NULL, 0);
    one_append(&one, (struct raft_message){.from = 2, .term = 3}, 3, 1);
    one_collect(&one);
    EXPECT(one.raft.log.last_index == 0 && one.raft.leader == NODE_NONE);
    EXPECT(one_sent(&one, RAFT_MSG_APPEND_REPLY, 2, 0)->message.term == 4);
    one_receive(&one, heartbeat(2, 3));
    one_collect(&one);
    EXPECT(one_sent(&one, RAFT_MSG_APPEND_REPLY, 2, 0)->message.term == 4);
}

/* Paper, 5.2: a follower that hears from no leader for an election timeout begins an election;
 * with PreVote (9.6) it asks first and raises its term only when a majority would vote for it. */
TEST(an_election_begins_with_a_question_that_changes_nothing)
{
    one_start(&one, 3, (struct raft_hard_state){.term = 4, .vote = 2}, NULL, 0);
    one_advance(&one, 600);
    one_collect(&one);
    EXPECT(one.raft.role == RAFT_PRE_CANDIDATE);
    EXPECT(one.raft.hard.term == 4 && one.raft.hard.vote == 2);
    EXPECT(one_effect(&one, RAFT_EFFECT_SAVE) == NULL);
    EXPECT(one_sent(&one, RAFT_MSG_PRE_VOTE, 2, 0)->message.term == 5);
    EXPECT(one_sent(&one, RAFT_MSG_PRE_VOTE, 3, 0)->after_save == 0);
    one_receive(&one, (struct raft_message){.kind = RAFT_MSG_PRE_VOTE_REPLY, .from = 3, .term = 5});
    EXPECT(one.raft.role == RAFT_CANDIDATE && one.raft.hard.term == 5);
}

/* 9.6: answers to a question about an earlier term do not start an election. */
TEST(a_late_answer_to_an_earlier_question_is_not_counted)
{
    one_start(&one, 3, (struct raft_hard_state){.term = 5}, NULL, 0);
    one_advance(&one, 600);
    one_receive(&one, (struct raft_message){.kind = RAFT_MSG_PRE_VOTE_REPLY, .from = 3, .term = 5});
    EXPECT(one.raft.role == RAFT_PRE_CANDIDATE);
}

/* 3.4: "To prevent split votes, election timeouts are chosen randomly from a fixed interval." */
TEST(election_timeouts_are_random_within_their_interval)
{
    uint64_t smallest = UINT64_MAX;
    uint64_t largest = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct raft_config config = one_config(3);
        config.seed = seed;
        raft_init(&one.raft, &config, one.slots, ONE_SLOTS, (struct raft_hard_state){0});
        raft_recovered(&one.raft, 1000, 0);
        const uint64_t timeout = raft_next_deadline(&one.raft) - 1000;
        smallest = timeout < smallest ? timeout : smallest;
        largest = timeout > largest ? timeout : largest;
    }
    EXPECT(smallest >= 300 && smallest < 330);
    EXPECT(largest <= 600 && largest > 570);
}

/* Paper, 5.2: a candidate increments its term, votes for itself, asks all others. Section 3.8: term
 * and vote are on disk before anybody hears of them, in one piece. */
TEST(a_candidate_asks_for_votes_once_its_own_is_durable)
{
    become_candidate(3);
    const struct raft_effect *save = one_effect(&one, RAFT_EFFECT_SAVE);
    EXPECT(save->has_hard);
    EXPECT(save->hard.term == 1 && save->hard.vote == 1);
    for (node_id to = 2; to <= 3; to++) {
        EXPECT(one_sent(&one, RAFT_MSG_VOTE, to, 0)->after_save == save->save);
    }
}

/* The same for its own vote: others' votes do not make a leader before it is durable. */
TEST(a_candidates_own_vote_counts_only_when_durable)
{
    become_candidate(3);
    one_receive(&one, (struct raft_message){.kind = RAFT_MSG_VOTE_REPLY, .from = 2, .term = 1});
    EXPECT(one.raft.role == RAFT_CANDIDATE);
    one_persist(&one);
    EXPECT(one.raft.role == RAFT_LEADER && one.raft.leader == 1);
}

TEST(a_cluster_of_one_elects_itself_when_its_vote_is_durable)
{
    one_start_empty(&one, 1);
    one_advance(&one, 600);
    EXPECT(one.raft.role == RAFT_CANDIDATE);
    one_collect(&one);
    one_persist(&one);
    EXPECT(one.raft.role == RAFT_LEADER && one.raft.commit_index == 0);
    one_collect(&one);
    one_persist(&one);
    EXPECT(one.raft.commit_index == 1);
}

/* Paper, 5.2: "each server will vote for at most one candidate in a given term, first come". */
TEST(a_replica_votes_once_per_term)
{
    one_start_empty(&one, 3);
    one_receive(&one, vote_request(2, 3));
    one_receive(&one, vote_request(3, 3));
    one_receive(&one, vote_request(2, 3)); /* Doubled by the network: the same answer. */
    one_collect(&one);
    EXPECT(!one_sent(&one, RAFT_MSG_VOTE_REPLY, 2, 0)->message.reject);
    EXPECT(one_sent(&one, RAFT_MSG_VOTE_REPLY, 3, 0)->message.reject);
    EXPECT(!one_sent(&one, RAFT_MSG_VOTE_REPLY, 2, 1)->message.reject);
    EXPECT(one.raft.hard.vote == 2);
}

/* 3.8 again: after a restart the vote still stands. */
TEST(a_vote_is_remembered_over_a_restart_and_leaves_only_when_durable)
{
    one_start_empty(&one, 3);
    one_receive(&one, vote_request(2, 3));
    one_collect(&one);
    const struct raft_effect *save = one_effect(&one, RAFT_EFFECT_SAVE);
    EXPECT(save->has_hard && save->hard.term == 3 && save->hard.vote == 2);
    EXPECT(one_sent(&one, RAFT_MSG_VOTE_REPLY, 2, 0)->after_save == save->save);
    one_start(&one, 3, save->hard, NULL, 0);
    one_receive(&one, vote_request(3, 3));
    one_collect(&one);
    EXPECT(one_sent(&one, RAFT_MSG_VOTE_REPLY, 3, 0)->message.reject);
}

/* Asking whether one would win must not undo a vote given (B04). */
TEST(a_pre_vote_leaves_the_vote_of_the_term_alone)
{
    one_start(&one, 3, (struct raft_hard_state){.term = 3, .vote = 2}, NULL, 0);
    one_advance(&one, 600);
    one_receive(&one, (struct raft_message){.kind = RAFT_MSG_PRE_VOTE, .from = 3, .term = 4});
    one_receive(&one, vote_request(3, 3));
    one_collect(&one);
    EXPECT(!one_sent(&one, RAFT_MSG_PRE_VOTE_REPLY, 3, 0)->message.reject);
    EXPECT(one_sent(&one, RAFT_MSG_PRE_VOTE_REPLY, 3, 0)->message.term == 4);
    EXPECT(one_sent(&one, RAFT_MSG_VOTE_REPLY, 3, 0)->message.reject);
    EXPECT(one.raft.hard.term == 3 && one.raft.hard.vote == 2);
}

/* The vote is the voter's own: learning who won does not cast it (B05). */
TEST(discovering_a_leader_does_not_change_the_vote)
{
    one_start(&one, 3, (struct raft_hard_state){.term = 3, .vote = 2}, NULL, 0);
    one_receive(&one, heartbeat(3, 3));
    EXPECT(one.raft.leader == 3 && one.raft.hard.vote == 2);
}

/* Paper, 5.2: a candidate wins with a majority. Five voters need three, itself included. */
TEST(a_majority_elects_and_less_does_not)
{
    become_candidate(5);
    one_persist(&one);
    one_receive(&one, (struct raft_message){.kind = RAFT_MSG_VOTE_REPLY, .from = 2, .term = 1});
    one_receive(&one, (struct raft_message){.kind = RAFT_MSG_VOTE_REPLY, .from = 2, .term = 1});
    EXPECT(one.raft.role == RAFT_CANDIDATE); /* A doubled vote is one vote. */
    one_receive(&one, (struct raft_message){
                          .kind = RAFT_MSG_VOTE_REPLY, .from = 4, .term = 1, .reject = true});
    EXPECT(one.raft.role == RAFT_CANDIDATE);
    one_receive(&one, (struct raft_message){.kind = RAFT_MSG_VOTE_REPLY, .from = 3, .term = 1});
    EXPECT(one.raft.role == RAFT_LEADER);
}

TEST(a_candidate_that_a_majority_refuses_becomes_follower)
{
    become_candidate(3);
    for (node_id from = 2; from <= 3; from++) {
        one_receive(&one,
                    (struct raft_message){
                        .kind = RAFT_MSG_VOTE_REPLY, .from = from, .term = 1, .reject = true});
    }
    EXPECT(one.raft.role == RAFT_FOLLOWER && one.raft.hard.term == 1 && one.raft.hard.vote == 1);
}

/* Votes of an earlier candidacy say nothing about this one (B07). */
/* A refusal that comes twice, or late behind a vote, is still one voter's one answer. */
TEST(of_a_voters_answers_the_first_counts)
{
    become_candidate(5);
    one_persist(&one);
    const struct raft_message yes = {.kind = RAFT_MSG_VOTE_REPLY, .from = 2, .term = 1};
    struct raft_message no = yes;
    no.reject = true;
    one_receive(&one, no);
    one_receive(&one, yes);
    no.from = 3;
    for (int i = 0; i < 5; i++) {
        one_receive(&one, no);
    }
    EXPECT(one.raft.role == RAFT_CANDIDATE);
    for (node_id from = 4; from <= 5; from++) {
        struct raft_message vote = yes;
        vote.from = from;
        EXPECT(one.raft.role == RAFT_CANDIDATE);
        one_receive(&one, vote);
    }
    EXPECT(one.raft.role == RAFT_LEADER);
}

TEST(votes_of_an_earlier_term_are_not_counted)
{
    become_candidate(3);
    one_persist(&one);
    one_advance(&one, 600); /* Split vote: asks again. */
    one_receive(&one, (struct raft_message){.kind = RAFT_MSG_PRE_VOTE_REPLY, .from = 2, .term = 2});
    EXPECT(one.raft.role == RAFT_CANDIDATE && one.raft.hard.term == 2);
    one_collect(&one);
    one_persist(&one);
    one_receive(&one, (struct raft_message){.kind = RAFT_MSG_VOTE_REPLY, .from = 3, .term = 1});
    EXPECT(one.raft.role == RAFT_CANDIDATE);
}

/* Paper, 5.2: a candidate that hears from the leader of its own term recognises it (B06)... */
TEST(a_candidate_recognises_the_leader_of_its_term)
{
    become_candidate(3);
    one_receive(&one, heartbeat(2, 1));
    EXPECT(one.raft.role == RAFT_FOLLOWER && one.raft.leader == 2 && one.raft.hard.vote == 1);
}

/* ... and ignores one of an earlier term. */
TEST(a_candidate_ignores_the_leader_of_an_earlier_term)
{
    become_candidate(3);
    one_persist(&one);
    one_advance(&one, 600);
    one_receive(&one, (struct raft_message){.kind = RAFT_MSG_PRE_VOTE_REPLY, .from = 2, .term = 2});
    EXPECT(one.raft.role == RAFT_CANDIDATE && one.raft.hard.term == 2);
    one_receive(&one, heartbeat(2, 1));
    EXPECT(one.raft.role == RAFT_CANDIDATE);
}

/* 3.6.1: the voter refuses when its own log is more up to date: later term, then longer. */
TEST(a_vote_needs_a_log_at_least_as_up_to_date)
{
    const struct {
        raft_term last_term;
        raft_index last_index;
        bool granted;
    } candidates[] = {
        {1, 9, false}, {2, 2, false}, {2, 3, true}, {2, 4, true}, {3, 1, true},
    };
    for (size_t i = 0; i < sizeof candidates / sizeof candidates[0]; i++) {
        for (int kind = RAFT_MSG_PRE_VOTE; kind <= RAFT_MSG_VOTE; kind += 2) {
            one_start(&one, 3, (struct raft_hard_state){.term = 3}, (raft_term[]){1, 2, 2}, 3);
            one_receive(&one, (struct raft_message){.kind = (enum raft_message_kind)kind,
                                                    .from = 2,
                                                    .term = 4,
                                                    .prev_index = candidates[i].last_index,
                                                    .prev_term = candidates[i].last_term});
            one_collect(&one);
            const enum raft_message_kind reply =
                kind == RAFT_MSG_VOTE ? RAFT_MSG_VOTE_REPLY : RAFT_MSG_PRE_VOTE_REPLY;
            EXPECT(one_sent(&one, reply, 2, 0)->message.reject == !candidates[i].granted);
        }
    }
}

/* 9.6 and B39: whoever asks with an old term learns of the present one and can catch up. */
TEST(a_refused_pre_vote_tells_the_present_term)
{
    one_start(&one, 3, (struct raft_hard_state){.term = 9}, (raft_term[]){9}, 1);
    one_receive(&one, (struct raft_message){.kind = RAFT_MSG_PRE_VOTE, .from = 2, .term = 4});
    one_collect(&one);
    const struct raft_effect *reply = one_sent(&one, RAFT_MSG_PRE_VOTE_REPLY, 2, 0);
    EXPECT(reply->message.reject && reply->message.term == 9);

    one_start_empty(&one, 3);
    one_advance(&one, 600);
    one_receive(&one, (struct raft_message){
                          .kind = RAFT_MSG_PRE_VOTE_REPLY, .from = 2, .term = 9, .reject = true});
    EXPECT(one.raft.role == RAFT_FOLLOWER && one.raft.hard.term == 9);
}

/* 4.2.3: a server that hears from a current leader ignores requests for votes... */
TEST(requests_for_votes_are_ignored_while_the_leader_is_alive)
{
    one_start_empty(&one, 3);
    one_receive(&one, heartbeat(2, 3));
    one_collect(&one);
    one_advance(&one, 299);
    one_receive(&one, vote_request(3, 8));
    one_receive(&one, (struct raft_message){.kind = RAFT_MSG_PRE_VOTE, .from = 3, .term = 8});
    one_collect(&one);
    EXPECT(one.raft.hard.term == 3 && one.raft.leader == 2);
    EXPECT(one_sent(&one, RAFT_MSG_VOTE_REPLY, 0, 0) == NULL);
    EXPECT(one_sent(&one, RAFT_MSG_PRE_VOTE_REPLY, 0, 0) == NULL);
    one.now_ms += 1; /* The minimum election timeout is over: it may be dead. */
    one_receive(&one, vote_request(3, 8));
    EXPECT(one.raft.hard.term == 8 && one.raft.hard.vote == 3);
}

TEST(a_leader_that_has_its_quorum_ignores_requests_for_votes)
{
    one_start_empty(&one, 3);
    one_win(&one);
    one_receive(&one, vote_request(3, 8));
    EXPECT(one.raft.role == RAFT_LEADER && one.raft.hard.term == 1);
}

/* ... except when the leader itself asked for the election (section 3.10). */
TEST(a_forced_request_for_votes_is_heard_in_spite_of_the_leader)
{
    one_start_empty(&one, 3);
    one_receive(&one, heartbeat(2, 3));
    struct raft_message request = vote_request(3, 4);
    request.forced = true;
    one_receive(&one, request);
    EXPECT(one.raft.hard.term == 4 && one.raft.hard.vote == 3);
}

/* 6.2: "a leader steps down if an election timeout elapses without a successful round of
 * heartbeats to a majority of its cluster." */
TEST(a_leader_without_a_quorum_steps_down)
{
    one_start_empty(&one, 5);
    one_win_and_settle(&one);
    for (int i = 0; i < 12; i++) {
        one_advance(&one, 50);
        one_collect(&one);
    }
    EXPECT(one.raft.role == RAFT_LEADER); /* All had answered in that period. */
    for (int i = 0; i < 12; i++) {
        one_advance(&one, 50);
        one_receive(&one, (struct raft_message){.kind = RAFT_MSG_HEARTBEAT_REPLY,
                                                .from = 2,
                                                .term = one.raft.hard.term});
        one_collect(&one);
    }
    EXPECT(one.raft.role == RAFT_FOLLOWER && one.raft.leader == NODE_NONE);
    EXPECT(one.raft.hard.term == 1);
}

TEST(a_leader_with_a_bare_quorum_stays)
{
    one_start_empty(&one, 5);
    one_win_and_settle(&one);
    for (int i = 0; i < 60; i++) {
        one_advance(&one, 50);
        for (node_id from = 2; from <= 3; from++) {
            one_receive(&one, (struct raft_message){.kind = RAFT_MSG_HEARTBEAT_REPLY,
                                                    .from = from,
                                                    .term = one.raft.hard.term});
        }
        one_collect(&one);
    }
    EXPECT(one.raft.role == RAFT_LEADER);
}

/* Paper, 5.2: heartbeats go to all, at their interval, and hold off elections. */
TEST(a_leader_sends_heartbeats_at_their_interval)
{
    one_start_empty(&one, 3);
    one_win_and_settle(&one);
    one_advance(&one, 49);
    one_collect(&one);
    EXPECT(one_sent(&one, RAFT_MSG_HEARTBEAT, 0, 0) == NULL);
    one_advance(&one, 1);
    one_collect(&one);
    EXPECT(one_sent(&one, RAFT_MSG_HEARTBEAT, 2, 0) != NULL);
    EXPECT(one_sent(&one, RAFT_MSG_HEARTBEAT, 3, 0) != NULL);
}

TEST(heartbeats_hold_off_elections)
{
    one_start_empty(&one, 3);
    for (int i = 0; i < 100; i++) {
        one_receive(&one, heartbeat(2, 1));
        one_advance(&one, 290);
        EXPECT(one.raft.role == RAFT_FOLLOWER);
    }
}

/* Strangers have no say: from outside the list, or addressed to somebody else. */
TEST(messages_of_strangers_are_dropped)
{
    one_start_empty(&one, 3);
    one_receive(&one, vote_request(9, 4));
    one_receive(&one, vote_request(1, 4));
    struct raft_message other = vote_request(2, 4);
    other.to = 3;
    one_receive(&one, other);
    one_collect(&one);
    EXPECT(one.count == 0 && one.raft.hard.term == 0 && one.raft.dropped_messages == 3);
}

/* Limit: replies beyond the outbox are dropped and counted, as the network might have. */
TEST(a_full_outbox_drops_one_message_too_many)
{
    one_start(&one, 3, (struct raft_hard_state){.term = 4}, NULL, 0);
    for (int i = 0; i < RAFT_OUTBOX_MAX; i++) {
        one_receive(&one, heartbeat(2, 4));
    }
    EXPECT(one.raft.dropped_messages == 0);
    one_receive(&one, heartbeat(2, 4));
    EXPECT(one.raft.dropped_messages == 1);
    one_collect(&one);
    EXPECT(one_sent(&one, RAFT_MSG_HEARTBEAT_REPLY, 2, RAFT_OUTBOX_MAX - 1) != NULL);
}

TEST_MAIN(CASE(a_replica_starts_as_follower_without_a_leader),
          CASE(a_larger_term_makes_any_role_a_follower),
          CASE(a_request_of_an_earlier_term_is_answered_with_the_present_one),
          CASE(an_election_begins_with_a_question_that_changes_nothing),
          CASE(a_late_answer_to_an_earlier_question_is_not_counted),
          CASE(election_timeouts_are_random_within_their_interval),
          CASE(a_candidate_asks_for_votes_once_its_own_is_durable),
          CASE(a_candidates_own_vote_counts_only_when_durable),
          CASE(a_cluster_of_one_elects_itself_when_its_vote_is_durable),
          CASE(a_replica_votes_once_per_term),
          CASE(a_vote_is_remembered_over_a_restart_and_leaves_only_when_durable),
          CASE(a_pre_vote_leaves_the_vote_of_the_term_alone),
          CASE(discovering_a_leader_does_not_change_the_vote),
          CASE(a_majority_elects_and_less_does_not),
          CASE(a_candidate_that_a_majority_refuses_becomes_follower),
          CASE(of_a_voters_answers_the_first_counts),
          CASE(votes_of_an_earlier_term_are_not_counted),
          CASE(a_candidate_recognises_the_leader_of_its_term),
          CASE(a_candidate_ignores_the_leader_of_an_earlier_term),
          CASE(a_vote_needs_a_log_at_least_as_up_to_date),
          CASE(a_refused_pre_vote_tells_the_present_term),
          CASE(requests_for_votes_are_ignored_while_the_leader_is_alive),
          CASE(a_leader_that_has_its_quorum_ignores_requests_for_votes),
          CASE(a_forced_request_for_votes_is_heard_in_spite_of_the_leader),
          CASE(a_leader_without_a_quorum_steps_down),
          CASE(a_leader_with_a_bare_quorum_stays),
          CASE(a_leader_sends_heartbeats_at_their_interval),
          CASE(heartbeats_hold_off_elections),
          CASE(messages_of_strangers_are_dropped),
          CASE(a_full_outbox_drops_one_message_too_many))
