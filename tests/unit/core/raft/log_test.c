/* core/raft/log: the ring of entry descriptors. */
#include "core/raft/log.h"
#include "harness/test.h"

#include <stdlib.h>

#define SLOTS 8

static struct raft_entry entry_of(raft_term term, size_t size)
{
    static const uint8_t payload[256];
    return (struct raft_entry){
        .term = term,
        .hlc = 1,
        .kind = RAFT_ENTRY_COMMAND,
        .payload = bytes_of(payload, size),
    };
}

static void append(struct raft_log *log, raft_term term, size_t size)
{
    const struct raft_entry entry = entry_of(term, size);
    raft_log_append(log, &entry);
}

TEST(an_empty_log_knows_only_index_zero)
{
    struct raft_entry slots[SLOTS];
    struct raft_log log;
    raft_log_init(&log, slots, SLOTS);
    raft_term term = 7;
    EXPECT(raft_log_term(&log, 0, &term) && term == 0);
    EXPECT(!raft_log_term(&log, 1, &term));
    EXPECT(raft_log_last_term(&log) == 0);
    EXPECT(log.last_index == 0 && log.bytes == 0);
}

TEST(one_slot_is_kept_back_and_the_last_one_can_still_be_used)
{
    struct raft_entry slots[SLOTS];
    struct raft_log log;
    raft_log_init(&log, slots, SLOTS);
    EXPECT(raft_log_room(&log) == SLOTS - 1);
    for (int i = 0; i < SLOTS - 1; i++) {
        append(&log, 1, 0);
    }
    EXPECT(raft_log_room(&log) == 0);
    append(&log, 1, 0); /* The no-op of a new leader. */
    EXPECT(raft_log_room(&log) == 0 && log.last_index == SLOTS);
}

TEST(the_ring_wraps_and_keeps_entries_at_their_index)
{
    struct raft_entry slots[SLOTS];
    struct raft_log log;
    raft_log_init(&log, slots, SLOTS);
    for (raft_index i = 1; i <= 100; i++) {
        append(&log, i, (size_t)i);
        if (i > 5) {
            raft_log_compact(&log, i - 5);
        }
        for (raft_index at = log.start_index + 1; at <= log.last_index; at++) {
            EXPECT(raft_log_at(&log, at)->term == at);
            EXPECT(raft_log_at(&log, at)->payload.size == at);
        }
    }
    EXPECT(log.start_index == 95 && log.start_term == 95);
}

TEST(growing_moves_every_entry_and_returns_the_old_ring)
{
    struct raft_entry slots[SLOTS];
    struct raft_entry larger[4 * SLOTS];
    struct raft_log log;
    raft_log_init(&log, slots, SLOTS);
    for (raft_index i = 1; i <= 6; i++) {
        append(&log, i, 0);
    }
    raft_log_compact(&log, 3);
    for (raft_index i = 7; i <= 11; i++) {
        append(&log, i, 0);
    }
    EXPECT(raft_log_room(&log) == 0);
    EXPECT(raft_log_grow(&log, larger, (size_t)4 * SLOTS) == slots);
    EXPECT(raft_log_room(&log) == 4 * SLOTS - SLOTS - 1);
    for (raft_index i = 4; i <= 11; i++) {
        EXPECT(raft_log_at(&log, i)->term == i);
    }
}

TEST(truncation_drops_the_tail_and_its_bytes)
{
    struct raft_entry slots[SLOTS];
    struct raft_log log;
    raft_log_init(&log, slots, SLOTS);
    append(&log, 1, 10);
    append(&log, 1, 20);
    append(&log, 2, 30);
    raft_log_truncate_after(&log, 1);
    EXPECT(log.last_index == 1 && raft_log_last_term(&log) == 1);
    EXPECT(log.bytes == 10 + RAFT_ENTRY_OVERHEAD);
    raft_log_truncate_after(&log, 1); /* Nothing to drop. */
    raft_log_truncate_after(&log, 0);
    EXPECT(log.last_index == 0 && log.bytes == 0);
}

TEST(compaction_remembers_the_term_before_the_first_entry)
{
    struct raft_entry slots[SLOTS];
    struct raft_log log;
    raft_log_init(&log, slots, SLOTS);
    append(&log, 3, 10);
    append(&log, 5, 20);
    raft_log_compact(&log, 1);
    raft_term term = 0;
    EXPECT(raft_log_term(&log, 1, &term) && term == 3);
    EXPECT(!raft_log_term(&log, 0, &term));
    raft_log_compact(&log, 2);
    EXPECT(raft_log_term(&log, 2, &term) && term == 5);
    EXPECT(!raft_log_term(&log, 3, &term));
    EXPECT(raft_log_last_term(&log) == 5 && log.bytes == 0);
    raft_log_compact(&log, 2); /* Again: nothing happens. */
    EXPECT(log.start_index == 2);
}

TEST(a_reset_starts_after_the_snapshot)
{
    struct raft_entry slots[SLOTS];
    struct raft_log log;
    raft_log_init(&log, slots, SLOTS);
    append(&log, 1, 10);
    raft_log_reset(&log, 40, 7);
    EXPECT(log.last_index == 40 && raft_log_last_term(&log) == 7 && log.bytes == 0);
    append(&log, 7, 0);
    EXPECT(log.last_index == 41 && raft_log_at(&log, 41)->term == 7);
}

TEST(the_floor_is_the_last_index_whose_term_is_not_larger)
{
    struct raft_entry slots[SLOTS];
    struct raft_log log;
    raft_log_init(&log, slots, SLOTS);
    raft_log_reset(&log, 10, 2);
    append(&log, 3, 0); /* 11 */
    append(&log, 3, 0); /* 12 */
    append(&log, 6, 0); /* 13 */
    EXPECT(raft_log_floor(&log, 13, 6) == 13);
    EXPECT(raft_log_floor(&log, 99, 6) == 13);
    EXPECT(raft_log_floor(&log, 13, 5) == 12);
    EXPECT(raft_log_floor(&log, 11, 3) == 11);
    EXPECT(raft_log_floor(&log, 13, 1) == 10);
    EXPECT(raft_log_floor(&log, 4, 1) == 4); /* Compacted away: nothing better is known. */
}

TEST_MAIN(CASE(an_empty_log_knows_only_index_zero),
          CASE(one_slot_is_kept_back_and_the_last_one_can_still_be_used),
          CASE(the_ring_wraps_and_keeps_entries_at_their_index),
          CASE(growing_moves_every_entry_and_returns_the_old_ring),
          CASE(truncation_drops_the_tail_and_its_bytes),
          CASE(compaction_remembers_the_term_before_the_first_entry),
          CASE(a_reset_starts_after_the_snapshot),
          CASE(the_floor_is_the_last_index_whose_term_is_not_larger))
