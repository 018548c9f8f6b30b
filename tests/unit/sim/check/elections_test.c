/* sim/check: the checkers about terms, votes and leaders fire on what they are for, only on it. */
#include "unit/sim/check/raft_fixture.h"

static void vote(struct fixture *fixture, node_id voter, raft_term term, node_id candidate)
{
    fixture->rafts[voter].hard = (struct raft_hard_state){.term = term, .vote = candidate};
    fixture_look(fixture, voter);
    fixture_sync(fixture, voter);
    check_durable_vote(&fixture->oracle, &fixture->oracle.mirrors[voter]);
}

static void lead(struct fixture *fixture, node_id id)
{
    fixture->rafts[id].role = RAFT_LEADER;
    fixture->rafts[id].leader = id;
    check_election_safety(&fixture->oracle, fixture_look(fixture, id));
}

TEST(a_leader_with_a_durable_quorum_is_fine_and_a_second_one_is_not)
{
    struct fixture fixture;
    fixture_setup(&fixture);
    vote(&fixture, 1, 2, 1);
    vote(&fixture, 2, 2, 1);
    lead(&fixture, 1);
    EXPECT(!fixture.violation.found);
    lead(&fixture, 2); /* In the same term. */
    EXPECT(fixture_reports(&fixture, "election_safety"));
    fixture_teardown(&fixture);
}

TEST(a_leader_by_too_few_durable_votes_is_reported)
{
    struct fixture fixture;
    fixture_setup(&fixture);
    vote(&fixture, 1, 2, 1);
    lead(&fixture, 1);
    EXPECT(fixture_reports(&fixture, "election_safety"));
    fixture_teardown(&fixture);
}

TEST(naming_itself_or_a_loser_as_leader_is_reported)
{
    struct fixture fixture;
    fixture_setup(&fixture);
    fixture.rafts[3].leader = 3;
    check_election_safety(&fixture.oracle, fixture_look(&fixture, 3));
    EXPECT(fixture_reports(&fixture, "election_safety"));
    fixture_teardown(&fixture);
    fixture_setup(&fixture);
    fixture.rafts[3].leader = 2;
    check_election_safety(&fixture.oracle, fixture_look(&fixture, 3));
    EXPECT(fixture_reports(&fixture, "election_safety"));
    fixture_teardown(&fixture);
}

TEST(a_second_vote_of_one_term_is_reported_even_after_a_restart)
{
    struct fixture fixture;
    fixture_setup(&fixture);
    vote(&fixture, 1, 2, 1);
    vote(&fixture, 1, 3, 2);
    EXPECT(!fixture.violation.found);
    mirror_crashed(&fixture.oracle.mirrors[1]);
    fixture.rafts[1].hard.vote = NODE_NONE;
    check_recovered(&fixture.oracle, &fixture.oracle.mirrors[1], &fixture.rafts[1]);
    EXPECT(fixture_reports(&fixture, "recovered"));
    fixture.violation.found = false;
    vote(&fixture, 1, 3, 3);
    EXPECT(fixture_reports(&fixture, "monotone"));
    fixture_teardown(&fixture);
}

TEST(a_term_that_goes_back_is_reported)
{
    struct fixture fixture;
    fixture_setup(&fixture);
    fixture.rafts[1].hard.term = 5;
    check_monotone(&fixture.oracle, fixture_look(&fixture, 1));
    EXPECT(!fixture.violation.found);
    fixture.rafts[1].hard.term = 4;
    check_monotone(&fixture.oracle, fixture_look(&fixture, 1));
    EXPECT(fixture_reports(&fixture, "monotone"));
    fixture_teardown(&fixture);
}

TEST(a_vote_sent_before_it_is_durable_is_reported)
{
    struct fixture fixture;
    fixture_setup(&fixture);
    vote(&fixture, 2, 4, 1);
    struct raft_message message = {.kind = RAFT_MSG_VOTE_REPLY, .from = 2, .to = 1, .term = 4};
    check_sent(&fixture.oracle, &message, 0);
    EXPECT(!fixture.violation.found);
    message.term = 5;
    message.reject = true;
    check_sent(&fixture.oracle, &message, 0);
    EXPECT(!fixture.violation.found);
    message.reject = false;
    check_sent(&fixture.oracle, &message, 0);
    EXPECT(fixture_reports(&fixture, "sent"));
    fixture_teardown(&fixture);
}

TEST(a_candidate_that_nobody_can_have_answered_is_reported)
{
    struct fixture fixture;
    fixture_setup(&fixture);
    fixture_look(&fixture, 1);
    fixture.rafts[1].role = RAFT_CANDIDATE;
    fixture.rafts[1].hard.term = 2;
    const struct mirror *mirror = fixture_look(&fixture, 1);
    check_candidate_contact(&fixture.oracle, mirror, 1);
    EXPECT(!fixture.violation.found);
    check_candidate_contact(&fixture.oracle, mirror, 0);
    EXPECT(fixture_reports(&fixture, "candidate_contact"));
    fixture_teardown(&fixture);
}

TEST(a_leader_nobody_answers_must_give_up_but_may_have_been_paused)
{
    struct fixture fixture;
    fixture_setup(&fixture);
    struct raft *raft = &fixture.rafts[1];
    raft->role = RAFT_LEADER;
    raft->now_ms = 10000;
    check_leader_quorum(&fixture.oracle, fixture_look(&fixture, 1), raft);
    raft->now_ms += 60000; /* Stood still: could not notice. */
    check_leader_quorum(&fixture.oracle, fixture_look(&fixture, 1), raft);
    EXPECT(!fixture.violation.found);
    for (int i = 0; i < 100; i++) {
        raft->now_ms += 50;
        raft->progress[1].heard_at_ms = raft->now_ms;
        check_leader_quorum(&fixture.oracle, fixture_look(&fixture, 1), raft);
    }
    EXPECT(!fixture.violation.found);
    for (int i = 0; i < 100; i++) {
        raft->now_ms += 50;
        check_leader_quorum(&fixture.oracle, fixture_look(&fixture, 1), raft);
    }
    EXPECT(fixture_reports(&fixture, "leader_quorum"));
    fixture_teardown(&fixture);
}

TEST(a_node_that_ignores_its_leader_is_reported)
{
    struct fixture fixture;
    fixture_setup(&fixture);
    struct raft *raft = &fixture.rafts[1];
    raft->hard.term = 3;
    raft->leader = 2;
    struct raft_message message = {.kind = RAFT_MSG_HEARTBEAT, .from = 2, .to = 1, .term = 3};
    check_follows(&fixture.oracle, 1, raft, &message);
    message.from = 3;
    message.term = 2;
    check_follows(&fixture.oracle, 1, raft, &message);
    EXPECT(!fixture.violation.found);
    message.term = 3;
    check_follows(&fixture.oracle, 1, raft, &message);
    EXPECT(fixture_reports(&fixture, "follows"));
    fixture_teardown(&fixture);
}

TEST(a_leader_that_falls_silent_or_whose_disk_hangs_is_reported)
{
    struct fixture fixture;
    fixture_setup(&fixture);
    fixture.rafts[1].role = RAFT_LEADER;
    fixture_look(&fixture, 1);
    struct mirror *mirror = fixture_look(&fixture, 1);
    check_heartbeats(&fixture.oracle, mirror, 2, 125, 50);
    EXPECT(!fixture.violation.found);
    check_heartbeats(&fixture.oracle, mirror, 2, 126, 50);
    EXPECT(fixture_reports(&fixture, "heartbeats"));
    fixture.violation.found = false;
    for (int i = 0; i < 18; i++) {
        check_leader_disk(&fixture.oracle, mirror, 100000, 600);
    }
    EXPECT(!fixture.violation.found);
    check_leader_disk(&fixture.oracle, mirror, 0, 600); /* The write has ended: from the start. */
    for (int i = 0; i < 19; i++) {
        check_leader_disk(&fixture.oracle, mirror, 100000, 600);
    }
    EXPECT(fixture_reports(&fixture, "leader_disk"));
    fixture_teardown(&fixture);
}

static void reply(struct raft *raft, enum raft_message_kind kind, bool reject, raft_term term)
{
    raft->outbox[raft->outbox_count++].message =
        (struct raft_message){.kind = kind, .to = 2, .term = term, .reject = reject};
}

TEST(help_for_a_rival_of_a_leader_that_is_heard_is_reported)
{
    struct fixture fixture;
    fixture_setup(&fixture);
    struct raft *raft = &fixture.rafts[1];
    reply(raft, RAFT_MSG_PRE_VOTE_REPLY, false, 2); /* It was there before. */
    reply(raft, RAFT_MSG_PRE_VOTE_REPLY, true, 2);
    reply(raft, RAFT_MSG_VOTE_REPLY, true, 2);
    reply(raft, RAFT_MSG_APPEND_REPLY, false, 2);
    check_loyal(&fixture.oracle, raft, 1);
    EXPECT(!fixture.violation.found);
    check_loyal(&fixture.oracle, raft, 0);
    EXPECT(fixture_reports(&fixture, "loyal"));
    fixture.violation.found = false;
    reply(raft, RAFT_MSG_VOTE_REPLY, false, 2);
    check_loyal(&fixture.oracle, raft, 1);
    EXPECT(fixture_reports(&fixture, "loyal"));
    fixture_teardown(&fixture);
}

TEST(who_speaks_of_an_earlier_term_and_is_not_told_of_ours_is_reported)
{
    static const enum raft_message_kind ASKED[] = {RAFT_MSG_HEARTBEAT, RAFT_MSG_PRE_VOTE};
    static const enum raft_message_kind OWED[] = {RAFT_MSG_APPEND_REPLY, RAFT_MSG_PRE_VOTE_REPLY};
    for (size_t i = 0; i < 2; i++) {
        struct fixture fixture;
        fixture_setup(&fixture);
        struct raft *raft = &fixture.rafts[1];
        raft->hard.term = 3;
        struct raft_message message = {.kind = ASKED[i], .from = 2, .term = 3};
        check_told(&fixture.oracle, raft, &message);
        EXPECT(!fixture.violation.found);
        message.term = 2;
        check_told(&fixture.oracle, raft, &message);
        EXPECT(fixture_reports(&fixture, "told"));
        fixture.violation.found = false;
        reply(raft, OWED[i], true, 2); /* Tells of an earlier term itself. */
        check_told(&fixture.oracle, raft, &message);
        EXPECT(fixture_reports(&fixture, "told"));
        fixture.violation.found = false;
        reply(raft, OWED[i], true, 3);
        check_told(&fixture.oracle, raft, &message);
        EXPECT(!fixture.violation.found);
        message.from = 3;
        check_told(&fixture.oracle, raft, &message);
        EXPECT(fixture_reports(&fixture, "told"));
        fixture_teardown(&fixture);
    }
}

TEST(an_incarnation_that_an_earlier_process_had_is_reported)
{
    struct fixture fixture;
    fixture_setup(&fixture);
    check_incarnation(&fixture.violation, 1, 4, 5);
    EXPECT(!fixture.violation.found);
    check_incarnation(&fixture.violation, 1, 5, 5);
    EXPECT(fixture_reports(&fixture, "incarnation"));
    fixture_teardown(&fixture);
}

TEST_MAIN(CASE(a_leader_with_a_durable_quorum_is_fine_and_a_second_one_is_not),
          CASE(a_leader_by_too_few_durable_votes_is_reported),
          CASE(naming_itself_or_a_loser_as_leader_is_reported),
          CASE(a_second_vote_of_one_term_is_reported_even_after_a_restart),
          CASE(a_term_that_goes_back_is_reported),
          CASE(a_vote_sent_before_it_is_durable_is_reported),
          CASE(a_candidate_that_nobody_can_have_answered_is_reported),
          CASE(a_leader_nobody_answers_must_give_up_but_may_have_been_paused),
          CASE(a_node_that_ignores_its_leader_is_reported),
          CASE(a_leader_that_falls_silent_or_whose_disk_hangs_is_reported),
          CASE(help_for_a_rival_of_a_leader_that_is_heard_is_reported),
          CASE(who_speaks_of_an_earlier_term_and_is_not_told_of_ours_is_reported),
          CASE(an_incarnation_that_an_earlier_process_had_is_reported))
