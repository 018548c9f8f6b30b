/* sim/check: the checkers about entries, commits and states fire on what they are for. */
#include "front/session.h"
#include "node/machine/machine.h"
#include "unit/sim/check/raft_fixture.h"

/* Entries 1..3 of term 1 on all nodes, durable on the first `durable` of them. */
static void replicate(struct fixture *fixture, node_id durable)
{
    for (node_id id = 1; id <= FIXTURE_NODES; id++) {
        fixture_append(fixture, id, 1, "a");
        fixture_append(fixture, id, 1, "b");
        fixture_append(fixture, id, 1, "c");
        check_log_matching(&fixture->oracle, fixture_look(fixture, id));
        if (id <= durable) {
            fixture_sync(fixture, id);
        }
    }
}

static void commit(struct fixture *fixture, node_id id, raft_index index)
{
    fixture->rafts[id].commit_index = index;
    const struct mirror *mirror = fixture_look(fixture, id);
    check_committed_is_durable(&fixture->oracle, mirror);
    check_committed(&fixture->oracle, mirror);
}

TEST(equal_logs_match_and_another_payload_does_not)
{
    struct fixture fixture;
    fixture_setup(&fixture);
    replicate(&fixture, 0);
    EXPECT(!fixture.violation.found);
    fixture_append(&fixture, 1, 1, "d");
    fixture_append(&fixture, 2, 1, "D");
    check_log_matching(&fixture.oracle, fixture_look(&fixture, 1));
    check_log_matching(&fixture.oracle, fixture_look(&fixture, 2));
    EXPECT(fixture_reports(&fixture, "log_matching"));
    fixture_teardown(&fixture);
}

TEST(another_prefix_does_not_match_either)
{
    struct fixture fixture;
    fixture_setup(&fixture);
    fixture_append(&fixture, 1, 1, "a");
    fixture_append(&fixture, 2, 2, "a"); /* Another entry 1 ... */
    fixture_append(&fixture, 1, 3, "x");
    fixture_append(&fixture, 2, 3, "x"); /* ... below the same entry 2. */
    check_log_matching(&fixture.oracle, fixture_look(&fixture, 1));
    EXPECT(!fixture.violation.found);
    check_log_matching(&fixture.oracle, fixture_look(&fixture, 2));
    EXPECT(fixture_reports(&fixture, "log_matching"));
    fixture_teardown(&fixture);
}

TEST(a_commit_needs_a_quorum_of_disks)
{
    struct fixture fixture;
    fixture_setup(&fixture);
    replicate(&fixture, 2);
    commit(&fixture, 1, 3);
    EXPECT(!fixture.violation.found);
    fixture_teardown(&fixture);
    fixture_setup(&fixture);
    replicate(&fixture, 1);
    commit(&fixture, 1, 3);
    EXPECT(fixture_reports(&fixture, "committed_is_durable"));
    fixture_teardown(&fixture);
}

TEST(a_leader_that_counts_an_old_term_is_reported)
{
    struct fixture fixture;
    fixture_setup(&fixture);
    replicate(&fixture, 3);
    fixture.rafts[1].role = RAFT_LEADER;
    fixture.rafts[1].hard.term = 2;
    commit(&fixture, 1, 3);
    EXPECT(fixture_reports(&fixture, "committed"));
    fixture_teardown(&fixture);
}

TEST(two_entries_committed_at_one_index_are_reported)
{
    struct fixture fixture;
    fixture_setup(&fixture);
    replicate(&fixture, 3);
    fixture_append(&fixture, 1, 2, "d");
    fixture_append(&fixture, 2, 3, "e");
    fixture.rafts[1].commit_index = 4;
    check_committed(&fixture.oracle, fixture_look(&fixture, 1));
    EXPECT(!fixture.violation.found);
    fixture.rafts[2].commit_index = 4;
    check_committed(&fixture.oracle, fixture_look(&fixture, 2));
    EXPECT(fixture_reports(&fixture, "committed"));
    fixture_teardown(&fixture);
}

TEST(a_new_leader_without_a_committed_entry_is_reported)
{
    struct fixture fixture;
    fixture_setup(&fixture);
    replicate(&fixture, 3);
    commit(&fixture, 1, 3);
    raft_log_truncate_after(&fixture.rafts[2].log, 2);
    fixture.rafts[2].role = RAFT_LEADER;
    fixture.rafts[2].hard.term = 2;
    check_leader_completeness(&fixture.oracle, fixture_look(&fixture, 2));
    EXPECT(fixture_reports(&fixture, "leader_completeness"));
    fixture.violation.found = false;
    fixture.rafts[3].role = RAFT_LEADER;
    fixture.rafts[3].hard.term = 2;
    check_leader_completeness(&fixture.oracle, fixture_look(&fixture, 3));
    EXPECT(!fixture.violation.found);
    fixture_teardown(&fixture);
}

TEST(dropping_entries_as_leader_or_after_their_commit_is_reported)
{
    struct fixture fixture;
    fixture_setup(&fixture);
    replicate(&fixture, 3);
    raft_log_truncate_after(&fixture.rafts[2].log, 2);
    check_leader_append_only(&fixture.oracle, fixture_look(&fixture, 2));
    EXPECT(!fixture.violation.found); /* A follower may, before the commit. */
    fixture.rafts[1].role = RAFT_LEADER;
    fixture_look(&fixture, 1);
    raft_log_truncate_after(&fixture.rafts[1].log, 2);
    check_leader_append_only(&fixture.oracle, fixture_look(&fixture, 1));
    EXPECT(fixture_reports(&fixture, "leader_append_only"));
    fixture.violation.found = false;
    fixture.rafts[3].commit_index = 3;
    fixture_look(&fixture, 3);
    raft_log_truncate_after(&fixture.rafts[3].log, 2);
    check_leader_append_only(&fixture.oracle, fixture_look(&fixture, 3));
    EXPECT(fixture_reports(&fixture, "leader_append_only"));
    fixture_teardown(&fixture);
}

TEST(synced_entries_must_come_back_but_a_torn_batch_may_replace_them)
{
    struct fixture fixture;
    fixture_setup(&fixture);
    replicate(&fixture, 3);
    struct mirror *mirror = &fixture.oracle.mirrors[1];
    mirror_crashed(mirror);
    raft_log_truncate_after(&fixture.rafts[1].log, 2);
    check_recovered(&fixture.oracle, mirror, &fixture.rafts[1]);
    EXPECT(fixture_reports(&fixture, "recovered"));
    fixture.violation.found = false;
    /* Entry 3 was being replaced when the power failed. */
    mirror->job_from = 3;
    mirror->job_last = 3;
    check_recovered(&fixture.oracle, mirror, &fixture.rafts[1]);
    EXPECT(!fixture.violation.found);
    fixture_teardown(&fixture);
}

TEST(an_acknowledgement_beyond_the_disk_is_reported)
{
    struct fixture fixture;
    fixture_setup(&fixture);
    replicate(&fixture, 3);
    struct raft_message message = {
        .kind = RAFT_MSG_APPEND_REPLY, .from = 2, .to = 1, .term = 1, .index = 3};
    check_sent(&fixture.oracle, &message, 0);
    EXPECT(!fixture.violation.found);
    message.index = 4;
    check_sent(&fixture.oracle, &message, 0);
    EXPECT(fixture_reports(&fixture, "sent"));
    fixture_teardown(&fixture);
}

TEST(what_a_leader_believes_of_a_disk_must_be_true)
{
    struct fixture fixture;
    fixture_setup(&fixture);
    replicate(&fixture, 2);
    fixture.rafts[1].role = RAFT_LEADER;
    fixture.rafts[1].stable_index = 3;
    fixture.rafts[1].progress[1].match_index = 3;
    check_match(&fixture.oracle, fixture_look(&fixture, 1), &fixture.rafts[1]);
    EXPECT(!fixture.violation.found);
    fixture.rafts[1].progress[2].match_index = 3;
    check_match(&fixture.oracle, fixture_look(&fixture, 1), &fixture.rafts[1]);
    EXPECT(fixture_reports(&fixture, "match"));
    fixture.violation.found = false;
    fixture.rafts[3].stable_index = 3;
    check_match(&fixture.oracle, fixture_look(&fixture, 3), &fixture.rafts[3]);
    EXPECT(fixture_reports(&fixture, "match"));
    fixture_teardown(&fixture);
}

TEST(different_states_after_one_entry_are_reported)
{
    struct fixture fixture;
    fixture_setup(&fixture);
    check_state_hash(&fixture.oracle, 1, 7, 42);
    check_state_hash(&fixture.oracle, 2, 7, 42);
    check_state_hash(&fixture.oracle, 2, 8, 43);
    EXPECT(!fixture.violation.found);
    check_state_hash(&fixture.oracle, 3, 7, 43);
    EXPECT(fixture_reports(&fixture, "state_machine"));
    fixture_teardown(&fixture);
}

TEST(bounds_are_checked_one_past_their_limit)
{
    struct fixture fixture;
    fixture_setup(&fixture);
    struct raft *raft = &fixture.rafts[1];
    raft->role = RAFT_LEADER;
    raft->progress[1].inflight_count = 4;
    raft->progress[1].inflight_bytes = 1100;
    raft->uncommitted_bytes = 1100;
    check_bounds(&fixture.oracle, fixture_look(&fixture, 1), raft);
    EXPECT(!fixture.violation.found);
    raft->uncommitted_bytes = 1101;
    check_bounds(&fixture.oracle, fixture_look(&fixture, 1), raft);
    EXPECT(fixture_reports(&fixture, "bounds"));
    fixture.violation.found = false;
    raft->uncommitted_bytes = 0;
    raft->progress[2].inflight_bytes = 1; /* A leak: nothing is in flight. */
    check_bounds(&fixture.oracle, fixture_look(&fixture, 1), raft);
    EXPECT(fixture_reports(&fixture, "bounds"));
    fixture_teardown(&fixture);
}

TEST(what_a_node_holds_is_checked_one_past_its_limit)
{
    const struct node_load most = {.requests = 8,
                                   .request_bytes = 1000,
                                   .gated_messages = GATED_MESSAGES_MAX,
                                   .gated_bytes = (size_t)GATED_MESSAGES_MAX * 256,
                                   .payloads = 2,
                                   .id_rows = ID_ROWS_MAX,
                                   .id_bytes = ID_BYTES_MAX};
    struct node_load more[7];
    for (size_t i = 0; i < 7; i++) {
        more[i] = most;
    }
    more[0].requests++;
    more[1].request_bytes++;
    more[2].gated_messages++;
    more[3].gated_bytes++;
    more[4].payloads++;
    more[5].id_rows++;
    more[6].id_bytes++;
    struct fixture fixture;
    fixture_setup(&fixture);
    fixture_append(&fixture, 1, 1, "a");
    fixture_append(&fixture, 1, 1, "b");
    const struct mirror *mirror = fixture_look(&fixture, 1);
    check_load(&fixture.oracle, mirror, 8, 1000, &most);
    const struct node_load lone = {.requests = 1, .request_bytes = 5000};
    check_load(&fixture.oracle, mirror, 8, 1000, &lone);
    EXPECT(!fixture.violation.found);
    for (size_t i = 0; i < 7; i++) {
        check_load(&fixture.oracle, mirror, 8, 1000, &more[i]);
        EXPECT(fixture_reports(&fixture, "bounds"));
        fixture.violation.found = false;
    }
    check_session(&fixture.violation, REQUEST_SIZE_MAX, SESSION_OUTPUT_MAX + VALUE_SIZE_DEFAULT);
    EXPECT(!fixture.violation.found);
    check_session(&fixture.violation, REQUEST_SIZE_MAX + 1, 0);
    EXPECT(fixture_reports(&fixture, "bounds"));
    fixture.violation.found = false;
    check_session(&fixture.violation, 0, SESSION_OUTPUT_MAX + VALUE_SIZE_DEFAULT + 1);
    EXPECT(fixture_reports(&fixture, "bounds"));
    fixture_teardown(&fixture);
}

TEST_MAIN(CASE(equal_logs_match_and_another_payload_does_not),
          CASE(another_prefix_does_not_match_either),
          CASE(a_commit_needs_a_quorum_of_disks),
          CASE(a_leader_that_counts_an_old_term_is_reported),
          CASE(two_entries_committed_at_one_index_are_reported),
          CASE(a_new_leader_without_a_committed_entry_is_reported),
          CASE(dropping_entries_as_leader_or_after_their_commit_is_reported),
          CASE(synced_entries_must_come_back_but_a_torn_batch_may_replace_them),
          CASE(an_acknowledgement_beyond_the_disk_is_reported),
          CASE(what_a_leader_believes_of_a_disk_must_be_true),
          CASE(different_states_after_one_entry_are_reported),
          CASE(bounds_are_checked_one_past_their_limit),
          CASE(what_a_node_holds_is_checked_one_past_its_limit))
