/* base/os/buf: the queue behind every connection and log batch. */
#include "base/os/buf.h"
#include "base/prng.h"
#include "harness/test.h"

static bool holds(const struct buf *buf, const char *text)
{
    return bytes_equal(buf_bytes(buf), bytes_of_text(text));
}

TEST(bytes_leave_in_the_order_they_came)
{
    struct buf buf = {0};
    EXPECT(buf_size(&buf) == 0);
    buf_append_text(&buf, "hello ");
    buf_append(&buf, bytes_of_text("world"));
    EXPECT(holds(&buf, "hello world"));
    buf_trim(&buf, 6);
    EXPECT(holds(&buf, "world"));
    buf_chop_to(&buf, 2);
    EXPECT(holds(&buf, "wo"));
    buf_trim(&buf, 2);
    EXPECT(buf_size(&buf) == 0);
    buf_append(&buf, (struct bytes){.data = NULL, .size = 0});
    EXPECT(buf_size(&buf) == 0);
    buf_deinit(&buf);
    buf_append_text(&buf, "again"); /* Usable after deinit. */
    EXPECT(holds(&buf, "again"));
    buf_deinit(&buf);
}

/* The inner line buffer holds 1023 characters: on it, and one past it. */
TEST(formats_of_any_length_are_written_whole)
{
    for (int width = 1022; width <= 1026; width++) {
        struct buf buf = {0};
        buf_append_format(&buf, "%*d|", width - 1, 7);
        EXPECT(buf_size(&buf) == (size_t)width);
        const struct bytes bytes = buf_bytes(&buf);
        EXPECT(memcmp(bytes.data + bytes.size - 2, "7|", 2) == 0);
        buf_append_format(&buf, "%s", "end");
        EXPECT(buf_size(&buf) == (size_t)width + 3);
        buf_deinit(&buf);
    }
}

TEST(integers_are_little_endian_of_the_width_asked_for)
{
    struct buf buf = {0};
    buf_append_uint(&buf, 0x0102030405060708, 8);
    buf_append_uint(&buf, 0xabcd, 2);
    const uint8_t wanted[] = {8, 7, 6, 5, 4, 3, 2, 1, 0xcd, 0xab};
    EXPECT(bytes_equal(buf_bytes(&buf), bytes_of(wanted, sizeof wanted)));
    buf_deinit(&buf);
}

/* Against a plain counter: byte n of the stream is n mod 251, through growth and sliding. */
TEST(a_long_random_stream_survives_growing_and_sliding)
{
    struct prng prng;
    prng_init(&prng, 5);
    struct buf buf = {0};
    size_t put = 0;
    size_t taken = 0;
    for (int round = 0; round < 20000; round++) {
        const size_t more = prng_below(&prng, 300);
        uint8_t *room = buf_reserve(&buf, more);
        for (size_t i = 0; i < more; i++) {
            room[i] = (uint8_t)((put + i) % 251);
        }
        buf_added(&buf, more);
        put += more;
        const size_t less = prng_below(&prng, buf_size(&buf) + 1);
        REQUIRE(less == 0 || buf.data != NULL);
        const struct bytes bytes = buf_bytes(&buf);
        for (size_t i = 0; i < less; i++) {
            REQUIRE(bytes.data[i] == (taken + i) % 251);
        }
        buf_trim(&buf, less);
        taken += less;
        EXPECT(buf_size(&buf) == put - taken);
    }
    /* What was taken is used again: the memory follows the backlog, not the stream. */
    EXPECT(buf.capacity < 16384);
    buf_deinit(&buf);
}

TEST_MAIN(CASE(bytes_leave_in_the_order_they_came),
          CASE(formats_of_any_length_are_written_whole),
          CASE(integers_are_little_endian_of_the_width_asked_for),
          CASE(a_long_random_stream_survives_growing_and_sliding))
