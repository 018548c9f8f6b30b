/* base/cursor: what every wire and disk format leans on when its input is short or hostile. */
#include "base/cursor.h"
#include "harness/test.h"

TEST(what_is_written_is_read_back)
{
    uint8_t memory[64];
    struct writer w = writer_of(memory, sizeof memory);
    write_u8(&w, 0xab);
    write_u16(&w, 0x1234);
    write_u32(&w, 0xdeadbeef);
    write_u64(&w, UINT64_MAX - 1);
    write_sized(&w, bytes_of_text("key"));
    write_sized(&w, bytes_of_text(""));
    EXPECT(!w.failed);
    EXPECT(writer_size(&w) == 1 + 2 + 4 + 8 + 4 + 3 + 4);

    struct reader r = reader_of(bytes_of(memory, writer_size(&w)));
    EXPECT(read_u8(&r) == 0xab);
    EXPECT(read_u16(&r) == 0x1234);
    EXPECT(read_u32(&r) == 0xdeadbeef);
    EXPECT(read_u64(&r) == UINT64_MAX - 1);
    EXPECT(bytes_equal(read_sized(&r), bytes_of_text("key")));
    EXPECT(read_sized(&r).size == 0);
    EXPECT(reader_is_done(&r));
}

TEST(integers_are_little_endian_and_ordered_ones_big_endian)
{
    uint8_t memory[12];
    struct writer w = writer_of(memory, sizeof memory);
    write_u32(&w, 0x01020304);
    write_u64_ordered(&w, 0x0102030405060708);
    const uint8_t wanted[12] = {4, 3, 2, 1, 1, 2, 3, 4, 5, 6, 7, 8};
    EXPECT(memcmp(memory, wanted, sizeof wanted) == 0);
}

/* Every prefix of a message must read as failed, and never as a shorter message. */
TEST(every_truncation_is_noticed)
{
    uint8_t memory[32];
    struct writer w = writer_of(memory, sizeof memory);
    write_u64(&w, 7);
    write_sized(&w, bytes_of_text("value"));
    for (size_t size = 0; size < writer_size(&w); size++) {
        struct reader r = reader_of(bytes_of(memory, size));
        (void)read_u64(&r);
        (void)read_sized(&r);
        EXPECT(r.failed);
        EXPECT(!reader_is_done(&r));
    }
}

TEST(a_failed_reader_returns_zeros_and_stays_failed)
{
    const uint8_t memory[2] = {0xff, 0xff};
    struct reader r = reader_of(bytes_of(memory, sizeof memory));
    EXPECT(read_u32(&r) == 0);
    EXPECT(r.failed);
    EXPECT(read_u8(&r) == 0); /* Although there would be room. */
    EXPECT(read_bytes(&r, 1).size == 0);
}

TEST(a_length_far_beyond_the_input_is_refused_without_overflow)
{
    const uint8_t memory[5] = {0xff, 0xff, 0xff, 0xff, 'x'};
    struct reader r = reader_of(bytes_of(memory, sizeof memory));
    EXPECT(read_sized(&r).size == 0);
    EXPECT(r.failed);
    r = reader_of(bytes_of(memory, sizeof memory));
    EXPECT(read_bytes(&r, SIZE_MAX).size == 0);
    EXPECT(r.failed);
}

TEST(trailing_bytes_are_not_done)
{
    const uint8_t memory[2] = {1, 2};
    struct reader r = reader_of(bytes_of(memory, sizeof memory));
    (void)read_u8(&r);
    EXPECT(!reader_is_done(&r));
    EXPECT(reader_left(&r) == 1);
}

TEST(an_empty_input_is_done_at_once)
{
    struct reader r = reader_of((struct bytes){.data = NULL, .size = 0});
    EXPECT(reader_is_done(&r));
    EXPECT(read_u8(&r) == 0);
    EXPECT(r.failed);
}

TEST(a_full_writer_fails_and_writes_nothing_more)
{
    uint8_t memory[5] = {0, 0, 0, 0, 0x77};
    struct writer w = writer_of(memory, 4);
    write_u32(&w, 1); /* Exactly full. */
    EXPECT(!w.failed);
    write_u8(&w, 9);
    EXPECT(w.failed);
    EXPECT(memory[4] == 0x77);
    EXPECT(writer_size(&w) == 4);

    w = writer_of(memory, 4);
    write_u64(&w, 1); /* Does not fit: not even a part of it is written. */
    EXPECT(w.failed);
    write_u8(&w, 1); /* Would fit, but the message is void already. */
    EXPECT(writer_size(&w) == 0);
}

TEST_MAIN(CASE(what_is_written_is_read_back),
          CASE(integers_are_little_endian_and_ordered_ones_big_endian),
          CASE(every_truncation_is_noticed),
          CASE(a_failed_reader_returns_zeros_and_stays_failed),
          CASE(a_length_far_beyond_the_input_is_refused_without_overflow),
          CASE(trailing_bytes_are_not_done),
          CASE(an_empty_input_is_done_at_once),
          CASE(a_full_writer_fails_and_writes_nothing_more))
