/* core/raft/message: what is written is read back, and nothing malformed gets through. */
#include "base/err.h"
#include "base/prng.h"
#include "core/raft/message.h"
#include "harness/test.h"

#include <stdlib.h>

#define ENTRIES 4

struct sample {
    uint8_t bytes[512];
    size_t size;
};

static struct raft_message message_of(enum raft_message_kind kind)
{
    struct raft_message m = {.kind = kind, .from = 1, .to = 2, .term = 9};
    switch (kind) {
    case RAFT_MSG_VOTE: m.forced = true; /* fallthrough */
    case RAFT_MSG_PRE_VOTE:
        m.prev_index = 1000;
        m.prev_term = 8;
        break;
    case RAFT_MSG_PRE_VOTE_REPLY:
    case RAFT_MSG_VOTE_REPLY: m.reject = true; break;
    case RAFT_MSG_APPEND:
        m.prev_index = 77;
        m.prev_term = 5;
        m.commit = 70;
        m.entry_count = ENTRIES;
        break;
    case RAFT_MSG_APPEND_REPLY:
        m.index = 90;
        m.reject = true;
        m.hint_index = 60;
        m.hint_term = 4;
        break;
    case RAFT_MSG_HEARTBEAT: m.commit = 12; /* fallthrough */
    case RAFT_MSG_HEARTBEAT_REPLY: m.context = UINT64_C(0x1122334455667788); break;
    case RAFT_MSG_TIMEOUT_NOW: break;
    }
    return m;
}

static struct raft_entry entry_at(size_t i)
{
    static const char text[] = "abcdefgh";
    return (struct raft_entry){
        .term = 5 + i,
        .hlc = 1000 + i,
        .kind = i == 0 ? RAFT_ENTRY_NOOP : RAFT_ENTRY_COMMAND,
        .payload = bytes_of(text, i * 2),
    };
}

static struct sample encode(const struct raft_message *m)
{
    struct sample sample;
    struct writer w = writer_of(sample.bytes, sizeof sample.bytes);
    raft_message_encode(m, &w);
    REQUIRE(writer_size(&w) <= RAFT_MESSAGE_SIZE_MAX);
    for (size_t i = 0; i < m->entry_count; i++) {
        const struct raft_entry entry = entry_at(i);
        const size_t before = writer_size(&w);
        raft_entry_encode_header(&entry, &w);
        REQUIRE(writer_size(&w) - before == RAFT_ENTRY_HEADER_SIZE);
        write_bytes(&w, entry.payload);
    }
    REQUIRE(!w.failed);
    sample.size = writer_size(&w);
    return sample;
}

static int decode(const uint8_t *bytes, size_t size)
{
    /* An allocation of exactly this size lets the sanitizer see one byte too far. */
    uint8_t *exact = malloc(size + 1);
    if (exact == NULL) {
        abort();
    }
    memcpy(exact + 1, bytes, size);
    struct raft_message m;
    struct raft_entry entries[ENTRIES];
    const int err = raft_message_decode(bytes_of(exact + 1, size), &m, entries, ENTRIES);
    (void)raft_message_entry_count(bytes_of(exact + 1, size));
    free(exact);
    return err;
}

static bool equal(const struct raft_message *a, const struct raft_message *b)
{
    return a->kind == b->kind && a->from == b->from && a->to == b->to && a->term == b->term &&
           a->prev_index == b->prev_index && a->prev_term == b->prev_term &&
           a->commit == b->commit && a->index == b->index && a->hint_index == b->hint_index &&
           a->hint_term == b->hint_term && a->context == b->context && a->reject == b->reject &&
           a->forced == b->forced && a->entry_count == b->entry_count;
}

TEST(every_kind_survives_the_round_trip)
{
    for (int kind = RAFT_MSG_PRE_VOTE; kind <= RAFT_MSG_TIMEOUT_NOW; kind++) {
        const struct raft_message m = message_of((enum raft_message_kind)kind);
        const struct sample sample = encode(&m);
        struct raft_message back;
        struct raft_entry entries[ENTRIES];
        const struct bytes in = bytes_of(sample.bytes, sample.size);
        EXPECT(raft_message_decode(in, &back, entries, ENTRIES) == Q_OK);
        EXPECT(equal(&m, &back));
        EXPECT(raft_message_entry_count(in) == m.entry_count);
    }
}

TEST(entries_survive_the_round_trip_and_borrow_their_payload)
{
    const struct raft_message m = message_of(RAFT_MSG_APPEND);
    const struct sample sample = encode(&m);
    struct raft_message back;
    struct raft_entry entries[ENTRIES];
    EXPECT(raft_message_decode(bytes_of(sample.bytes, sample.size), &back, entries, ENTRIES) ==
           Q_OK);
    for (size_t i = 0; i < ENTRIES; i++) {
        const struct raft_entry entry = entry_at(i);
        EXPECT(entries[i].term == entry.term && entries[i].hlc == entry.hlc);
        EXPECT(entries[i].kind == entry.kind);
        EXPECT(bytes_equal(entries[i].payload, entry.payload));
        EXPECT(entries[i].payload.data > sample.bytes);
        EXPECT(entries[i].payload.data <= sample.bytes + sample.size);
    }
}

TEST(a_message_cut_at_any_byte_is_refused)
{
    for (int kind = RAFT_MSG_PRE_VOTE; kind <= RAFT_MSG_TIMEOUT_NOW; kind++) {
        const struct raft_message m = message_of((enum raft_message_kind)kind);
        const struct sample sample = encode(&m);
        for (size_t size = 0; size < sample.size; size++) {
            EXPECT(decode(sample.bytes, size) == Q_EPROTO);
        }
        EXPECT(decode(sample.bytes, sample.size) == Q_OK);
    }
}

TEST(a_byte_too_many_is_refused)
{
    for (int kind = RAFT_MSG_PRE_VOTE; kind <= RAFT_MSG_TIMEOUT_NOW; kind++) {
        const struct raft_message m = message_of((enum raft_message_kind)kind);
        struct sample sample = encode(&m);
        sample.bytes[sample.size] = 0;
        EXPECT(decode(sample.bytes, sample.size + 1) == Q_EPROTO);
    }
}

TEST(as_many_entries_as_fit_are_taken_and_one_more_is_too_big)
{
    const struct raft_message m = message_of(RAFT_MSG_APPEND);
    const struct sample sample = encode(&m);
    const struct bytes in = bytes_of(sample.bytes, sample.size);
    struct raft_message back;
    struct raft_entry entries[ENTRIES];
    EXPECT(raft_message_decode(in, &back, entries, ENTRIES) == Q_OK);
    EXPECT(raft_message_decode(in, &back, entries, ENTRIES - 1) == Q_ETOOBIG);
}

/* Offsets of the common head: kind 0, flags 1, from 2, to 6, term 10. */
TEST(impossible_heads_are_refused)
{
    const struct raft_message m = message_of(RAFT_MSG_HEARTBEAT_REPLY);
    struct sample sample = encode(&m);
    const struct {
        size_t at;
        uint8_t value;
    } wrong[] = {{0, 0}, {0, 10}, {0, 255}, {1, 1}, {1, 2},
                 {1, 4}, {2, 0},  {6, 0},   {6, 1}, {10, 0}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct sample copy = sample;
        copy.bytes[wrong[i].at] = wrong[i].value;
        EXPECT(decode(copy.bytes, copy.size) == Q_EPROTO);
    }
}

static int decode_message(struct raft_message m)
{
    const struct sample sample = encode(&m);
    return decode(sample.bytes, sample.size);
}

TEST(fields_that_contradict_each_other_are_refused)
{
    struct raft_message m = message_of(RAFT_MSG_VOTE);
    m.prev_term = 0;
    EXPECT(decode_message(m) == Q_EPROTO);
    m = message_of(RAFT_MSG_VOTE);
    m.prev_index = 0;
    EXPECT(decode_message(m) == Q_EPROTO);
    m = message_of(RAFT_MSG_VOTE);
    m.prev_term = m.term;
    EXPECT(decode_message(m) == Q_EPROTO);
    m = message_of(RAFT_MSG_APPEND);
    m.prev_index = UINT64_MAX - 2;
    EXPECT(decode_message(m) == Q_EPROTO);
    m = message_of(RAFT_MSG_APPEND);
    m.term = 4; /* prev_term is 5. */
    EXPECT(decode_message(m) == Q_EPROTO);
    m = message_of(RAFT_MSG_APPEND_REPLY);
    m.hint_index = m.index;
    EXPECT(decode_message(m) == Q_EPROTO);
    m = message_of(RAFT_MSG_APPEND_REPLY);
    m.reject = false;
    EXPECT(decode_message(m) == Q_EPROTO);
}

TEST(entries_whose_terms_step_back_or_run_ahead_are_refused)
{
    struct raft_message m = message_of(RAFT_MSG_APPEND);
    m.term = 8; /* The terms of the entries are 5, 6, 7, 8. */
    EXPECT(decode_message(m) == Q_OK);
    m.term = 7;
    EXPECT(decode_message(m) == Q_EPROTO);
    m.term = 9;
    m.prev_term = 6;
    EXPECT(decode_message(m) == Q_EPROTO);
}

TEST(an_entry_count_that_lies_is_refused)
{
    struct raft_message m = message_of(RAFT_MSG_APPEND);
    struct sample sample = encode(&m);
    const size_t at = 18 + 32; /* Head, prev_index, prev_term, commit and index come before. */
    EXPECT(sample.bytes[at] == ENTRIES);
    sample.bytes[at] = ENTRIES + 1;
    EXPECT(decode(sample.bytes, sample.size) != Q_OK);
    sample.bytes[at] = ENTRIES - 1;
    EXPECT(decode(sample.bytes, sample.size) == Q_EPROTO);
    sample.bytes[at + 3] = 0xff;
    EXPECT(decode(sample.bytes, sample.size) == Q_EPROTO);
    EXPECT(raft_message_entry_count(bytes_of(sample.bytes, sample.size)) == 0);
}

TEST(a_noop_with_a_payload_or_an_unknown_kind_of_entry_is_refused)
{
    struct raft_message m = message_of(RAFT_MSG_APPEND);
    struct sample sample = encode(&m);
    const size_t first = 18 + 32 + 4;
    const size_t second = first + RAFT_ENTRY_HEADER_SIZE;
    EXPECT(sample.bytes[second + 16] == RAFT_ENTRY_COMMAND);
    sample.bytes[second + 16] = RAFT_ENTRY_NOOP;
    EXPECT(decode(sample.bytes, sample.size) == Q_EPROTO);
    sample.bytes[second + 16] = 3;
    EXPECT(decode(sample.bytes, sample.size) == Q_EPROTO);
}

TEST(garbage_never_gets_further_than_an_error_or_a_sane_message)
{
    struct prng prng;
    prng_init(&prng, 42);
    size_t accepted = 0;
    for (int round = 0; round < 200000; round++) {
        const int kind = 1 + (int)prng_below(&prng, RAFT_MSG_TIMEOUT_NOW);
        const struct raft_message m = message_of((enum raft_message_kind)kind);
        struct sample sample = encode(&m);
        for (uint64_t flips = 1 + prng_below(&prng, 4); flips > 0; flips--) {
            sample.bytes[prng_below(&prng, sample.size)] = (uint8_t)prng_next(&prng);
        }
        struct raft_message back;
        struct raft_entry entries[ENTRIES];
        if (raft_message_decode(bytes_of(sample.bytes, sample.size), &back, entries, ENTRIES) ==
            Q_OK) {
            accepted++;
            EXPECT(back.from != 0 && back.to != 0 && back.from != back.to && back.term > 0);
            EXPECT(back.entry_count <= ENTRIES && back.prev_term <= back.term);
        }
    }
    EXPECT(accepted > 0); /* Otherwise the loop would prove nothing. */
}

TEST_MAIN(CASE(every_kind_survives_the_round_trip),
          CASE(entries_survive_the_round_trip_and_borrow_their_payload),
          CASE(a_message_cut_at_any_byte_is_refused),
          CASE(a_byte_too_many_is_refused),
          CASE(as_many_entries_as_fit_are_taken_and_one_more_is_too_big),
          CASE(impossible_heads_are_refused),
          CASE(fields_that_contradict_each_other_are_refused),
          CASE(entries_whose_terms_step_back_or_run_ahead_are_refused),
          CASE(an_entry_count_that_lies_is_refused),
          CASE(a_noop_with_a_payload_or_an_unknown_kind_of_entry_is_refused),
          CASE(garbage_never_gets_further_than_an_error_or_a_sane_message))
