/* core/cluster/witness and resume: what is remembered of a peer, and when a replica that starts may
 * take part again. */
#include "core/cluster/resume.h"
#include "harness/test.h"

static struct witness_promise promise(raft_term term, raft_index index)
{
    return (struct witness_promise){.term = term, .index = index};
}

static uint64_t start(uint64_t count, uint64_t bits)
{
    return count << 32 | bits;
}

TEST(incarnations_grow_with_each_start_and_differ_in_copies)
{
    const uint64_t first = incarnation_after(0, UINT64_MAX);
    EXPECT(first == start(1, UINT32_MAX));
    EXPECT(incarnation_after(first, 0) == start(2, 0));
    EXPECT(incarnation_after(7, 5) == start(1, 5)); /* Of the time when it was a mere count. */
    EXPECT(incarnation_after(start(3, 9), 1) != incarnation_after(start(3, 9), 2));
    const uint64_t last = start(UINT32_MAX, 4);
    EXPECT(incarnation_after(last, 5) == start(UINT32_MAX, 5)); /* Never back to 0. */
}

TEST(a_process_hears_nothing_of_its_own_promises)
{
    struct witness witness = {0};
    witness_meet(&witness, start(1, 7));
    witness_hear(&witness, promise(3, 9));
    const struct testimony own = witness_testify(&witness, start(1, 7));
    EXPECT(own.incarnation == 0 && own.promise.term == 0 && own.promise.index == 0);
    const struct testimony next = witness_testify(&witness, start(2, 1));
    EXPECT(next.incarnation == start(1, 7));
    EXPECT(next.promise.term == 3 && next.promise.index == 9);
}

TEST(promises_of_all_earlier_processes_are_kept_and_the_largest_is_told)
{
    struct witness witness = {0};
    witness_meet(&witness, start(1, 0));
    witness_hear(&witness, promise(5, 4));
    witness_hear(&witness, promise(5, 2)); /* Reordered. */
    witness_hear(&witness, promise(4, 90));
    witness_meet(&witness, start(2, 0));
    witness_hear(&witness, promise(5, 1));
    witness_meet(&witness, start(3, 0));
    witness_hear(&witness, promise(8, 8));
    const struct testimony said = witness_testify(&witness, start(3, 0));
    EXPECT(said.incarnation == start(2, 0));
    EXPECT(said.promise.term == 5 && said.promise.index == 4);
}

TEST(an_earlier_start_that_is_met_late_changes_nothing_and_is_told_of_the_later_one)
{
    struct witness witness = {0};
    witness_meet(&witness, start(5, 0));
    witness_hear(&witness, promise(2, 2));
    witness_meet(&witness, start(4, 0));
    EXPECT(witness.incarnation == start(5, 0));
    const struct testimony said = witness_testify(&witness, start(4, 0));
    EXPECT(said.incarnation == start(5, 0) && said.promise.index == 2);
}

/* A reply that leaves before its term is durable must not be taken for a promise: the node would be
 * called an old copy after an ordinary crash. */
TEST(only_messages_that_wait_for_the_disk_are_promises)
{
    static const bool PROMISES[] = {[RAFT_MSG_VOTE] = true,      [RAFT_MSG_VOTE_REPLY] = true,
                                    [RAFT_MSG_APPEND] = true,    [RAFT_MSG_APPEND_REPLY] = true,
                                    [RAFT_MSG_HEARTBEAT] = true, [RAFT_MSG_TIMEOUT_NOW] = false};
    for (int kind = RAFT_MSG_PRE_VOTE; kind <= RAFT_MSG_TIMEOUT_NOW; kind++) {
        const struct raft_message message = {
            .kind = (enum raft_message_kind)kind, .term = 6, .index = 11};
        struct witness_promise said = promise(0, 0);
        EXPECT(witness_promise_of(&message, &said) == PROMISES[kind]);
        EXPECT(said.term == (PROMISES[kind] ? 6 : 0));
        const bool tells_log = kind == RAFT_MSG_APPEND || kind == RAFT_MSG_APPEND_REPLY;
        EXPECT(said.index == (tells_log ? 11 : 0));
    }
    struct witness_promise said;
    struct raft_message reply = {.kind = RAFT_MSG_APPEND_REPLY, .term = 6, .index = 4};
    reply.reject = true;
    EXPECT(!witness_promise_of(&reply, &said));
    reply.reject = false;
    reply.index = 0; /* Tells an old leader of the term. */
    EXPECT(!witness_promise_of(&reply, &said));
    reply = (struct raft_message){.kind = RAFT_MSG_VOTE_REPLY, .term = 6, .reject = true};
    EXPECT(witness_promise_of(&reply, &said));
}

static enum resume_verdict judge(raft_term term, raft_index last, struct testimony said)
{
    const struct resume_state found = {
        .incarnation = start(4, 3), .term = term, .last_index = last};
    return resume_judge(&found, &said);
}

TEST(a_directory_is_old_when_it_has_forgotten_a_start_a_term_or_entries)
{
    struct testimony said = {.incarnation = start(3, 9), .promise = promise(5, 10)};
    EXPECT(judge(5, 10, said) == RESUME_FINE);
    EXPECT(judge(5, 11, said) == RESUME_FINE);
    EXPECT(judge(5, 9, said) == RESUME_ENTRIES_FORGOTTEN);
    EXPECT(judge(4, 100, said) == RESUME_TERM_FORGOTTEN);
    EXPECT(judge(6, 0, said) == RESUME_FINE); /* A later leader may have replaced them. */
    said.incarnation = start(4, 9);
    EXPECT(judge(5, 10, said) == RESUME_START_FORGOTTEN);
    said.incarnation = start(5, 0);
    EXPECT(judge(9, 99, said) == RESUME_START_FORGOTTEN);
    said = (struct testimony){0};
    EXPECT(judge(0, 0, said) == RESUME_FINE); /* Whoever has just started remembers nothing. */
}

static void open(struct resume *resume, size_t voter_count)
{
    const struct resume_state found = {.incarnation = start(2, 1), .term = 3, .last_index = 7};
    resume_init(resume, &found, 1, voter_count, 1000);
}

TEST(a_cluster_of_one_has_nobody_to_ask)
{
    struct resume resume;
    node_id to[NODES_MAX];
    open(&resume, 1);
    EXPECT(resume.is_done);
    EXPECT(resume_tick(&resume, 1000, to) == 0);
    EXPECT(resume_next_deadline(&resume) == UINT64_MAX);
}

TEST(a_replica_takes_part_at_once_when_all_have_answered)
{
    struct resume resume;
    node_id to[NODES_MAX];
    const struct testimony nothing = {0};
    open(&resume, 3);
    EXPECT(resume_tick(&resume, 1000, to) == 2 && to[0] == 2 && to[1] == 3);
    EXPECT(resume_tick(&resume, 1001, to) == 0);
    EXPECT(resume_next_deadline(&resume) == 1000 + RESUME_ASK_EVERY_MS);
    EXPECT(resume_hear(&resume, 2, &nothing) == RESUME_FINE);
    EXPECT(resume_hear(&resume, 2, &nothing) == RESUME_FINE); /* Doubled on the way. */
    EXPECT(resume_tick(&resume, 1050, to) == 0);
    EXPECT(!resume.is_done);
    EXPECT(resume_tick(&resume, 1100, to) == 1 && to[0] == 3);
    EXPECT(resume_hear(&resume, 3, &nothing) == RESUME_FINE);
    EXPECT(resume_next_deadline(&resume) == 0);
    EXPECT(resume_tick(&resume, 1101, to) == 0);
    EXPECT(resume.is_done);
    EXPECT(resume_next_deadline(&resume) == UINT64_MAX);
}

TEST(a_majority_is_enough_after_the_grace_and_not_a_millisecond_before)
{
    struct resume resume;
    node_id to[NODES_MAX];
    const struct testimony nothing = {0};
    open(&resume, 3);
    EXPECT(resume_hear(&resume, 3, &nothing) == RESUME_FINE);
    (void)resume_tick(&resume, 1000 + RESUME_GRACE_MS - 1, to);
    EXPECT(!resume.is_done);
    EXPECT(resume_next_deadline(&resume) == 1000 + RESUME_GRACE_MS);
    (void)resume_tick(&resume, 1000 + RESUME_GRACE_MS, to);
    EXPECT(resume.is_done);
    EXPECT(resume_next_deadline(&resume) < UINT64_MAX); /* The third is still asked. */
}

TEST(a_minority_is_never_enough)
{
    struct resume resume;
    node_id to[NODES_MAX];
    const struct testimony nothing = {0};
    open(&resume, 5);
    EXPECT(resume_hear(&resume, 3, &nothing) == RESUME_FINE);
    for (uint64_t now_ms = 1000; now_ms < 60000; now_ms += 50) {
        (void)resume_tick(&resume, now_ms, to);
        EXPECT(!resume.is_done);
    }
    EXPECT(resume_hear(&resume, 5, &nothing) == RESUME_FINE);
    (void)resume_tick(&resume, 60000, to);
    EXPECT(resume.is_done);
}

TEST(an_answer_that_comes_after_all_the_waiting_is_judged_all_the_same)
{
    struct resume resume;
    node_id to[NODES_MAX];
    const struct testimony nothing = {0};
    const struct testimony later = {.incarnation = start(1, 1), .promise = promise(3, 8)};
    open(&resume, 3);
    EXPECT(resume_hear(&resume, 2, &nothing) == RESUME_FINE);
    EXPECT(resume_tick(&resume, 5000, to) == 1 && to[0] == 3);
    EXPECT(resume.is_done);
    EXPECT(resume_hear(&resume, 3, &later) == RESUME_ENTRIES_FORGOTTEN);
    EXPECT(resume_hear(&resume, 3, &later) == RESUME_ENTRIES_FORGOTTEN);
}

TEST_MAIN(CASE(incarnations_grow_with_each_start_and_differ_in_copies),
          CASE(a_process_hears_nothing_of_its_own_promises),
          CASE(promises_of_all_earlier_processes_are_kept_and_the_largest_is_told),
          CASE(an_earlier_start_that_is_met_late_changes_nothing_and_is_told_of_the_later_one),
          CASE(only_messages_that_wait_for_the_disk_are_promises),
          CASE(a_directory_is_old_when_it_has_forgotten_a_start_a_term_or_entries),
          CASE(a_cluster_of_one_has_nobody_to_ask),
          CASE(a_replica_takes_part_at_once_when_all_have_answered),
          CASE(a_majority_is_enough_after_the_grace_and_not_a_millisecond_before),
          CASE(a_minority_is_never_enough),
          CASE(an_answer_that_comes_after_all_the_waiting_is_judged_all_the_same))
