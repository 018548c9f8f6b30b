/* node/request and node/reply: what travels between nodes and into the log comes back unchanged,
 * and nothing malformed is believed. */
#include "base/err.h"
#include "base/os/heap.h"
#include "harness/test.h"
#include "node/reply.h"
#include "node/request.h"

#include <string.h>

static struct bytes args_in[REQUEST_ARGS_MAX + 1];
static struct bytes args_out[REQUEST_ARGS_MAX];

static size_t encoded(const struct request *request, uint8_t *memory, size_t room)
{
    const size_t size = request_encoded_size(request);
    REQUIRE(size <= room);
    struct writer w = writer_of(memory, size);
    request_encode(request, &w);
    REQUIRE(!w.failed && writer_size(&w) == size);
    return size;
}

static struct request full_request(void)
{
    args_in[0] = bytes_of_text("key");
    args_in[1] = bytes_of_text("value");
    args_in[2] = bytes_of_text("");
    return (struct request){.op = OP_SET,
                            .flags = REQUEST_IFEQ | REQUEST_RETURN_OLD,
                            .level = LEVEL_LINEARIZABLE,
                            .max_stale_ms = 7,
                            .a = -1,
                            .b = INT64_MIN,
                            .request_id = bytes_of_text("1700000000000-abc"),
                            .args = args_in,
                            .arg_count = 3};
}

TEST(a_request_comes_back_as_it_was)
{
    const struct request request = full_request();
    uint8_t memory[256];
    const size_t size = encoded(&request, memory, sizeof memory);
    struct request back;
    EXPECT(request_decode(bytes_of(memory, size), &back, args_out) == Q_OK);
    EXPECT(back.op == OP_SET && back.flags == request.flags && back.level == request.level);
    EXPECT(back.max_stale_ms == 7 && back.a == -1 && back.b == INT64_MIN);
    EXPECT(bytes_equal(back.request_id, request.request_id));
    EXPECT(back.arg_count == 3 && bytes_equal(back.args[0], bytes_of_text("key")));
    EXPECT(bytes_equal(back.args[1], bytes_of_text("value")) && back.args[2].size == 0);
}

/* The encoding is what logs on disk hold: it is pinned. */
TEST(the_plain_request_has_its_documented_bytes)
{
    args_in[0] = bytes_of_text("k");
    const struct request request = {.op = OP_GET, .args = args_in, .arg_count = 1};
    uint8_t memory[64];
    const size_t size = encoded(&request, memory, sizeof memory);
    const uint8_t expected[] = {1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 'k'};
    EXPECT(size == sizeof expected && memcmp(memory, expected, size) == 0);
}

TEST(every_proper_prefix_and_every_extension_is_refused)
{
    const struct request request = full_request();
    uint8_t memory[256];
    const size_t size = encoded(&request, memory, sizeof memory - 1);
    struct request back;
    for (size_t i = 0; i < size; i++) {
        EXPECT(request_decode(bytes_of(memory, i), &back, args_out) == Q_EPROTO);
    }
    memory[size] = 0;
    EXPECT(request_decode(bytes_of(memory, size + 1), &back, args_out) == Q_EPROTO);
}

static int decode_with(size_t at, uint8_t value)
{
    args_in[0] = bytes_of_text("k");
    const struct request request = {.op = OP_GET, .args = args_in, .arg_count = 1};
    uint8_t memory[64];
    const size_t size = encoded(&request, memory, sizeof memory);
    memory[at] = value;
    struct request back;
    return request_decode(bytes_of(memory, size), &back, args_out);
}

TEST(unknown_operations_levels_and_flags_are_refused)
{
    EXPECT(decode_with(0, OP_STRLEN) == Q_OK);
    EXPECT(decode_with(0, 0) == Q_EPROTO);
    EXPECT(decode_with(0, 21) == Q_EPROTO);
    EXPECT(decode_with(1, LEVEL_LOCAL) == Q_OK);
    EXPECT(decode_with(1, LEVEL_LOCAL + 1) == Q_EPROTO);
    EXPECT(decode_with(2, 63) == Q_OK);
    EXPECT(decode_with(2, 64) == Q_EPROTO);
    EXPECT(decode_with(3, 16) == Q_EPROTO);
}

/* The state machine indexes arguments by operation: a wrong number must not reach it. */
TEST(argument_counts_must_fit_the_operation)
{
    EXPECT(decode_with(0, OP_SET) == Q_EPROTO);
    EXPECT(decode_with(0, OP_MSET) == Q_EPROTO);
    EXPECT(decode_with(0, OP_RPUSH) == Q_EPROTO);
    EXPECT(decode_with(0, OP_DBSIZE) == Q_EPROTO);
    EXPECT(decode_with(0, OP_SCAN) == Q_OK);
    EXPECT(decode_with(0, OP_DEL) == Q_OK);
}

TEST(a_request_may_have_its_limit_of_arguments_and_not_one_more)
{
    for (size_t i = 0; i <= REQUEST_ARGS_MAX; i++) {
        args_in[i] = bytes_of_text("");
    }
    struct request request = {.op = OP_DEL, .args = args_in, .arg_count = REQUEST_ARGS_MAX};
    const size_t room = 8 + 4 * (REQUEST_ARGS_MAX + 1);
    uint8_t *memory = heap_alloc(room);
    size_t size = encoded(&request, memory, room);
    struct request back;
    EXPECT(request_decode(bytes_of(memory, size), &back, args_out) == Q_OK);
    EXPECT(back.arg_count == REQUEST_ARGS_MAX);
    memory[4] = 1; /* 65537 arguments, and the bytes for them are there. */
    EXPECT(request_decode(bytes_of(memory, size + 4), &back, args_out) == Q_EPROTO);
    heap_free(memory);
}

TEST(an_id_longer_than_its_limit_is_refused)
{
    char id[REQUEST_ID_SIZE_MAX + 1];
    memset(id, '1', sizeof id);
    struct request request = {.op = OP_DBSIZE, .request_id = bytes_of(id, REQUEST_ID_SIZE_MAX)};
    uint8_t memory[128] = {0};
    const size_t size = encoded(&request, memory, sizeof memory);
    struct request back;
    EXPECT(request_decode(bytes_of(memory, size), &back, args_out) == Q_OK);
    EXPECT(back.request_id.size == REQUEST_ID_SIZE_MAX);
    memmove(memory + 6, memory + 5, size - 5);
    memory[4]++;
    memory[5] = '1';
    EXPECT(request_decode(bytes_of(memory, size + 1), &back, args_out) == Q_EPROTO);
}

TEST(writes_are_told_from_reads)
{
    EXPECT(op_writes(OP_SET) && op_writes(OP_LPOP) && op_writes(OP_MSET));
    EXPECT(!op_writes(OP_GET) && !op_writes(OP_NOTHING) && !op_writes(OP_SCAN));
}

TEST(replies_are_read_item_by_item)
{
    struct buf out = {0};
    reply_array(&out, 5);
    reply_nil(&out);
    reply_integer(&out, -3);
    reply_bulk(&out, bytes_of("a\0b", 3));
    reply_status(&out, "OK");
    reply_error(&out, "WRONGTYPE", "no %d", 7);
    struct reader r = reader_of(buf_bytes(&out));
    struct reply_item item;
    EXPECT(reply_read(&r, &item) && item.kind == REPLY_ARRAY && item.integer == 5);
    EXPECT(reply_read(&r, &item) && item.kind == REPLY_NIL);
    EXPECT(reply_read(&r, &item) && item.kind == REPLY_INTEGER && item.integer == -3);
    EXPECT(reply_read(&r, &item) && item.kind == REPLY_BULK && item.bytes.size == 3);
    EXPECT(reply_read(&r, &item) && item.kind == REPLY_STATUS);
    EXPECT(reply_read(&r, &item) && item.kind == REPLY_ERROR);
    EXPECT(bytes_equal(item.bytes, bytes_of_text("WRONGTYPE no 7")));
    EXPECT(!reply_read(&r, &item) && !r.failed);
    buf_deinit(&out);
}

TEST(a_malformed_reply_is_noticed)
{
    struct reply_item item;
    struct reader unknown = reader_of(bytes_of_text("x"));
    EXPECT(!reply_read(&unknown, &item) && unknown.failed);
    struct reader cut = reader_of(bytes_of("B\5\0\0\0abc", 8));
    EXPECT(!reply_read(&cut, &item) && cut.failed);
}

TEST_MAIN(CASE(a_request_comes_back_as_it_was),
          CASE(the_plain_request_has_its_documented_bytes),
          CASE(every_proper_prefix_and_every_extension_is_refused),
          CASE(unknown_operations_levels_and_flags_are_refused),
          CASE(argument_counts_must_fit_the_operation),
          CASE(a_request_may_have_its_limit_of_arguments_and_not_one_more),
          CASE(an_id_longer_than_its_limit_is_refused),
          CASE(writes_are_told_from_reads),
          CASE(replies_are_read_item_by_item),
          CASE(a_malformed_reply_is_noticed))
