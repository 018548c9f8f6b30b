/* sim/crash/ledger: what is promised when, and which states keep it. */
#include "base/os/buf.h"
#include "harness/raft_one.h"
#include "harness/test.h"
#include "node/peer_message.h"
#include "sim/crash/ledger.h"

static struct one one;

/* As the node would: what raft asks to be saved goes into a job. */
static void save(struct ledger *ledger, size_t at)
{
    one_collect(&one);
    ledger_job_begins(ledger, &one.raft, at);
}

/* A follower in `term` with entries of that term. */
static void start(struct ledger *ledger)
{
    ledger_init(ledger);
    one_start_empty(&one, 3);
    one_append(&one, (struct raft_message){.kind = RAFT_MSG_APPEND, .from = 2, .term = 1}, 1, 2);
    save(ledger, 10);
}

static void send(struct ledger *ledger, struct raft_message message, size_t at)
{
    struct buf body = {.start = 0};
    const struct peer_header header = {.type = PEER_RAFT, .from_incarnation = 1};
    struct writer w = writer_of(buf_reserve(&body, 256), 256);
    peer_header_write(&w, &header);
    write_u32(&w, 1);
    message.from = 1;
    raft_message_encode(&message, &w);
    REQUIRE(!w.failed);
    buf_added(&body, writer_size(&w));
    ledger_sent(ledger, &one.raft, buf_bytes(&body), at);
    buf_deinit(&body);
}

/* A node that was started with this and nothing else. */
static const struct raft *found(struct raft_hard_state hard, const raft_term *terms, size_t count)
{
    static struct one other;
    one_start(&other, 3, hard, terms, count);
    for (size_t i = 0; i < count; i++) {
        /* The same entries, not only the same terms. */
        other.slots[(i + 1) % ONE_SLOTS] = *raft_log_at(&one.raft.log, i + 1);
    }
    return &other.raft;
}

static size_t find(const struct ledger *ledger, const struct raft *raft, size_t at)
{
    struct violation violation = {.found = false};
    const size_t version = ledger_find(ledger, raft, at, &violation);
    REQUIRE(violation.found == (version == LEDGER_NEVER));
    return version;
}

static const raft_term TWO[] = {1, 1};

TEST(a_job_may_be_found_once_it_is_written_and_must_be_once_it_is_confirmed)
{
    struct ledger ledger;
    start(&ledger);
    ledger_confirmed(&ledger, 12);
    const struct raft *nothing = found((struct raft_hard_state){0}, NULL, 0);
    EXPECT(find(&ledger, nothing, 10) == 0 && find(&ledger, nothing, 11) == 0);
    EXPECT(find(&ledger, nothing, 12) == LEDGER_NEVER);
    const struct raft *all = found((struct raft_hard_state){.term = 1}, TWO, 2);
    EXPECT(find(&ledger, all, 10) == LEDGER_NEVER); /* Nothing of it was written yet. */
    EXPECT(find(&ledger, all, 11) == 1 && find(&ledger, all, 12) == 1);
    ledger_deinit(&ledger);
}

TEST(a_part_of_a_job_or_more_than_was_written_is_a_phantom)
{
    struct ledger ledger;
    start(&ledger);
    EXPECT(find(&ledger, found((struct raft_hard_state){.term = 1}, TWO, 1), 11) == LEDGER_NEVER);
    EXPECT(find(&ledger, found((struct raft_hard_state){0}, TWO, 0), 11) == 0);
    EXPECT(find(&ledger, found((struct raft_hard_state){.term = 2}, TWO, 2), 11) == LEDGER_NEVER);
    const struct raft_hard_state voted = {.term = 1, .vote = 3};
    EXPECT(find(&ledger, found(voted, TWO, 2), 11) == LEDGER_NEVER);
    ledger_deinit(&ledger);
}

TEST(entries_from_before_a_truncation_are_phantoms_once_it_is_durable)
{
    struct ledger ledger;
    start(&ledger);
    ledger_confirmed(&ledger, 12);
    const struct raft *before = found((struct raft_hard_state){.term = 1}, TWO, 2);
    EXPECT(find(&ledger, before, 20) == 1);
    one_persist(&one);
    one_append(&one,
               (struct raft_message){
                   .kind = RAFT_MSG_APPEND, .from = 3, .term = 2, .prev_index = 1, .prev_term = 1},
               2, 1);
    save(&ledger, 20);
    ledger_confirmed(&ledger, 22);
    EXPECT(find(&ledger, before, 21) == 1);
    EXPECT(find(&ledger, before, 22) == LEDGER_NEVER);
    ledger_deinit(&ledger);
}

TEST(an_acknowledgement_promises_the_job_that_saves_it)
{
    struct ledger ledger;
    start(&ledger);
    const struct raft_message ack = {.kind = RAFT_MSG_APPEND_REPLY, .to = 2, .term = 1, .index = 2};
    const struct raft_message heartbeat = {.kind = RAFT_MSG_HEARTBEAT_REPLY, .to = 2, .term = 1};
    send(&ledger, heartbeat, 10);
    EXPECT(ledger_oldest(&ledger, 10) == 0);
    send(&ledger, ack, 11); /* Before it is confirmed: a bug. */
    EXPECT(ledger_oldest(&ledger, 10) == 0 && ledger_oldest(&ledger, 11) == 1);
    EXPECT(find(&ledger, found((struct raft_hard_state){0}, NULL, 0), 11) == LEDGER_NEVER);
    ledger_deinit(&ledger);
}

TEST(a_vote_promises_a_job_that_has_it_begun_or_not)
{
    struct ledger ledger;
    start(&ledger);
    ledger_confirmed(&ledger, 12);
    one_persist(&one);
    const struct raft_message vote = {.kind = RAFT_MSG_VOTE_REPLY, .to = 3, .term = 2};
    struct raft_message no = vote;
    no.reject = true;
    send(&ledger, no, 13);
    EXPECT(ledger_oldest(&ledger, 13) == 1);
    send(&ledger, vote, 14);
    EXPECT(ledger_oldest(&ledger, 14) == 2);
    EXPECT(ledger_newest(&ledger, 14) == 1); /* Nothing that can be found keeps it. */
    ledger_deinit(&ledger);
}

TEST(what_was_acknowledged_of_a_state_must_be_there)
{
    struct ledger ledger;
    struct violation violation = {.found = false};
    start(&ledger);
    ledger_confirmed(&ledger, 12);
    one_persist(&one);
    raft_log_reset(&one.raft.log, 9, 1);
    const struct raft_message ack = {.kind = RAFT_MSG_APPEND_REPLY, .to = 2, .term = 1, .index = 9};
    send(&ledger, ack, 13);
    EXPECT(ledger_oldest(&ledger, 13) == 1); /* The log need not say so. */
    ledger_check_applied(&ledger, 0, 12, &violation);
    ledger_check_applied(&ledger, 9, 13, &violation);
    EXPECT(!violation.found);
    ledger_check_applied(&ledger, 8, 13, &violation);
    EXPECT(violation.found);
    ledger_deinit(&ledger);
}

TEST(an_identity_that_was_told_must_be_kept_and_its_incarnation_must_grow)
{
    struct ledger ledger;
    ledger_init(&ledger);
    struct identity identity = {.nonce = 5, .incarnation = 3, .map = {.cluster_id = 8}};
    ledger_spoke(&ledger, &identity, false, 4);
    ledger_spoke(&ledger, &identity, true, 6);
    const struct {
        size_t at;
        struct identity identity;
        bool is_kept;
    } cases[] = {
        {3, {.nonce = 6, .incarnation = 1}, true},
        {4, {.nonce = 6, .incarnation = 4}, false},
        {4, {.nonce = 5, .incarnation = 3}, false},
        {4, {.nonce = 5, .incarnation = 4}, true},
        {6, {.nonce = 5, .incarnation = 4}, false},
        {6, {.nonce = 5, .incarnation = 4, .map = {.cluster_id = 9}}, false},
        {6, {.nonce = 5, .incarnation = 4, .map = {.cluster_id = 8}}, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct violation violation = {.found = false};
        ledger_check_identity(&ledger, &cases[i].identity, cases[i].at, &violation);
        EXPECT(violation.found != cases[i].is_kept);
    }
    ledger_deinit(&ledger);
}

TEST(after_a_power_failure_what_was_found_is_durable_after_a_kill_what_was_promised)
{
    struct ledger ledger;
    struct ledger after;
    start(&ledger); /* Written at 10, never confirmed, found at 11. */
    const struct raft *all = found((struct raft_hard_state){.term = 1}, TWO, 2);
    ledger_init_after(&after, &ledger, 11, 1, false);
    EXPECT(ledger_oldest(&after, 0) == 0 && ledger_newest(&after, 0) == 0);
    EXPECT(find(&after, all, 0) == 0);
    ledger_deinit(&after);
    ledger_init_after(&after, &ledger, 11, 1, true);
    EXPECT(ledger_oldest(&after, 3) == 0 && ledger_newest(&after, 3) == 1);
    ledger_confirmed(&after, 4); /* The start has repaired the log. */
    EXPECT(ledger_oldest(&after, 3) == 0 && ledger_oldest(&after, 4) == 1);
    ledger_deinit(&after);
    ledger_deinit(&ledger);
}

TEST_MAIN(CASE(a_job_may_be_found_once_it_is_written_and_must_be_once_it_is_confirmed),
          CASE(a_part_of_a_job_or_more_than_was_written_is_a_phantom),
          CASE(entries_from_before_a_truncation_are_phantoms_once_it_is_durable),
          CASE(an_acknowledgement_promises_the_job_that_saves_it),
          CASE(a_vote_promises_a_job_that_has_it_begun_or_not),
          CASE(what_was_acknowledged_of_a_state_must_be_there),
          CASE(an_identity_that_was_told_must_be_kept_and_its_incarnation_must_grow),
          CASE(after_a_power_failure_what_was_found_is_durable_after_a_kill_what_was_promised))
