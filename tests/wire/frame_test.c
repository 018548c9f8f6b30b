/* wire/frame: a peer's bytes are believed only when every bit of them is covered and right. */
#include "base/err.h"
#include "base/limits.h"
#include "base/os/heap.h"
#include "harness/test.h"
#include "wire/frame.h"

#include <string.h>

static const struct frame header = {
    .flags = 3, .cluster_id = 0x1122334455667788, .from = 2, .to = 7};

static size_t sealed(uint8_t *memory, const char *body)
{
    const size_t size = FRAME_HEADER_SIZE + strlen(body);
    if (body[0] != '\0') {
        memcpy(memory + FRAME_HEADER_SIZE, body, strlen(body));
    }
    REQUIRE(frame_seal(memory, size, &header) == Q_OK);
    return size;
}

TEST(a_sealed_frame_parses_to_what_was_sealed)
{
    uint8_t memory[128];
    const size_t size = sealed(memory, "hello");
    memory[size] = 0xaa; /* The next frame's first byte must not matter. */
    struct frame frame;
    size_t consumed = 0;
    EXPECT(frame_parse(bytes_of(memory, size + 1), &frame, &consumed) == Q_OK);
    EXPECT(consumed == size);
    EXPECT(frame.flags == 3 && frame.from == 2 && frame.to == 7);
    EXPECT(frame.cluster_id == 0x1122334455667788);
    EXPECT(bytes_equal(frame.body, bytes_of_text("hello")));
    EXPECT(frame.body.data == memory + FRAME_HEADER_SIZE); /* Borrowed, not copied. */
}

/* The layout is a format other versions must read: it is pinned byte by byte. */
TEST(the_layout_is_the_documented_one)
{
    uint8_t memory[64];
    (void)sealed(memory, "ab");
    const uint8_t expected[28] = {'Q',  'R',  'F',  '1',  1,    3,    0,    0,   2, 0,
                                  0,    0,    2,    0,    0,    0,    7,    0,   0, 0,
                                  0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11};
    EXPECT(memcmp(memory, expected, sizeof expected) == 0);
    EXPECT(FRAME_HEADER_SIZE == 36);
}

TEST(an_empty_body_is_a_frame)
{
    uint8_t memory[FRAME_HEADER_SIZE];
    EXPECT(sealed(memory, "") == FRAME_HEADER_SIZE);
    struct frame frame;
    size_t consumed = 0;
    EXPECT(frame_parse(bytes_of(memory, sizeof memory), &frame, &consumed) == Q_OK);
    EXPECT(frame.body.size == 0 && consumed == FRAME_HEADER_SIZE);
}

TEST(every_proper_prefix_needs_more)
{
    uint8_t memory[128];
    const size_t size = sealed(memory, "some body");
    for (size_t i = 0; i < size; i++) {
        struct frame frame;
        size_t consumed = 99;
        EXPECT(frame_parse(bytes_of(memory, i), &frame, &consumed) == Q_EAGAIN);
        EXPECT(consumed == 99);
        EXPECT(frame_announced_size(bytes_of(memory, i)) == (i < FRAME_HEADER_SIZE ? 0 : size));
    }
}

TEST(every_flipped_bit_is_noticed)
{
    uint8_t memory[128];
    const size_t size = sealed(memory, "some body");
    for (size_t bit = 0; bit < size * 8; bit++) {
        memory[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        struct frame frame;
        size_t consumed = 0;
        /* A longer length reads as "more is needed" until the bytes are there. */
        const int result = frame_parse(bytes_of(memory, size), &frame, &consumed);
        EXPECT(result != Q_OK);
        EXPECT(result != Q_EAGAIN || (bit / 8 >= 8 && bit / 8 < 12));
        memory[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
}

TEST(errors_are_told_apart)
{
    uint8_t memory[128];
    const size_t size = sealed(memory, "x");
    struct frame frame;
    size_t consumed = 0;
    memory[4] = 2;
    EXPECT(frame_parse(bytes_of(memory, size), &frame, &consumed) == Q_EPROTO);
    EXPECT(frame_parse(bytes_of(memory, 5), &frame, &consumed) == Q_EPROTO);
    EXPECT(frame_parse(bytes_of_text("GET / HTTP/1.1\r\n"), &frame, &consumed) == Q_EPROTO);
    memory[4] = FRAME_VERSION;
    memory[size - 1] = 'y';
    EXPECT(frame_parse(bytes_of(memory, size), &frame, &consumed) == Q_ECORRUPT);
}

static void put_length(uint8_t *memory, size_t length)
{
    for (size_t i = 0; i < 4; i++) {
        memory[8 + i] = (uint8_t)(length >> (8 * i));
    }
}

TEST(the_size_limit_holds_on_it_and_one_past_it_from_the_header_alone)
{
    uint8_t memory[128];
    (void)sealed(memory, "");
    struct frame frame;
    size_t consumed = 0;
    put_length(memory, FRAME_BODY_MAX);
    EXPECT(frame_parse(bytes_of(memory, FRAME_HEADER_SIZE), &frame, &consumed) == Q_EAGAIN);
    EXPECT(frame_announced_size(bytes_of(memory, FRAME_HEADER_SIZE)) == FRAME_SIZE_MAX);
    put_length(memory, FRAME_BODY_MAX + 1);
    EXPECT(frame_parse(bytes_of(memory, FRAME_HEADER_SIZE), &frame, &consumed) == Q_ETOOBIG);
    EXPECT(frame_announced_size(bytes_of(memory, FRAME_HEADER_SIZE)) == 0);

    uint8_t *large = heap_alloc(FRAME_SIZE_MAX + 1);
    EXPECT(frame_seal(large, FRAME_SIZE_MAX + 1, &header) == Q_ETOOBIG);
    EXPECT(large[0] == 0); /* Nothing was written. */
    EXPECT(frame_seal(large, FRAME_SIZE_MAX, &header) == Q_OK);
    EXPECT(frame_parse(bytes_of(large, FRAME_SIZE_MAX), &frame, &consumed) == Q_OK);
    EXPECT(consumed == FRAME_SIZE_MAX && frame.body.size == FRAME_BODY_MAX);
    heap_free(large);
}

TEST(a_frame_is_for_a_node_when_it_says_so_and_comes_from_another_one)
{
    EXPECT(frame_is_for(&(struct frame){.from = 1, .to = 2}, 2, 3));
    EXPECT(frame_is_for(&(struct frame){.from = 3, .to = 2}, 2, 3));
    EXPECT(!frame_is_for(&(struct frame){.from = 4, .to = 2}, 2, 3));
    EXPECT(!frame_is_for(&(struct frame){.from = NODE_NONE, .to = 2}, 2, 3));
    EXPECT(!frame_is_for(&(struct frame){.from = 2, .to = 2}, 2, 3));
    EXPECT(!frame_is_for(&(struct frame){.from = 1, .to = 3}, 2, 3));
}

TEST_MAIN(CASE(a_sealed_frame_parses_to_what_was_sealed),
          CASE(the_layout_is_the_documented_one),
          CASE(an_empty_body_is_a_frame),
          CASE(every_proper_prefix_needs_more),
          CASE(every_flipped_bit_is_noticed),
          CASE(errors_are_told_apart),
          CASE(the_size_limit_holds_on_it_and_one_past_it_from_the_header_alone),
          CASE(a_frame_is_for_a_node_when_it_says_so_and_comes_from_another_one))
