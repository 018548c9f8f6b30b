/* front/resp_print: each value in both protocols, and nothing a client could mistake for two
 * replies. */
#include "front/resp_print.h"
#include "harness/test.h"
#include "node/reply.h"

#include <string.h>

static bool took(struct buf *out, const char *text)
{
    const bool same = bytes_equal(buf_bytes(out), bytes_of_text(text));
    buf_deinit(out);
    return same;
}

TEST(values_differ_between_the_protocols_where_they_should)
{
    struct buf out = {0};
    resp_print_nil(&out, RESP2);
    resp_print_nil(&out, RESP3);
    resp_print_nil_array(&out, RESP2);
    resp_print_nil_array(&out, RESP3);
    EXPECT(took(&out, "$-1\r\n_\r\n*-1\r\n_\r\n"));
    resp_print_map(&out, RESP2, 2);
    resp_print_map(&out, RESP3, 2);
    resp_print_set(&out, RESP2, 2);
    resp_print_set(&out, RESP3, 2);
    EXPECT(took(&out, "*4\r\n%2\r\n*2\r\n~2\r\n"));
    resp_print_boolean(&out, RESP2, true);
    resp_print_boolean(&out, RESP3, true);
    resp_print_boolean(&out, RESP2, false);
    resp_print_boolean(&out, RESP3, false);
    EXPECT(took(&out, ":1\r\n#t\r\n:0\r\n#f\r\n"));
}

TEST(plain_values_are_exact)
{
    struct buf out = {0};
    resp_print_integer(&out, INT64_MIN);
    resp_print_bulk(&out, bytes_of("\r\n", 2));
    resp_print_bulk(&out, bytes_of(NULL, 0));
    resp_print_array(&out, 0);
    EXPECT(took(&out, ":-9223372036854775808\r\n$2\r\n\r\n\r\n$0\r\n\r\n*0\r\n"));
}

TEST(a_line_end_in_a_text_cannot_begin_another_reply)
{
    struct buf out = {0};
    resp_print_error(&out, bytes_of_text("ERR a\r\n+OK"));
    resp_print_status(&out, bytes_of_text("b\n"));
    resp_print_error_format(&out, "WRONGTYPE", "%s %d", "x\ry", 3);
    EXPECT(took(&out, "-ERR a\\r\\n+OK\r\n+b\\n\r\n-WRONGTYPE x\\ry 3\r\n"));
}

TEST(a_nested_reply_is_printed_whole)
{
    struct buf reply = {0};
    reply_array(&reply, 2);
    reply_array(&reply, 1);
    reply_integer(&reply, 5);
    reply_nil(&reply);
    struct buf out = {0};
    resp_print_reply(&out, RESP3, SHAPE_PLAIN, buf_bytes(&reply));
    EXPECT(took(&out, "*2\r\n*1\r\n:5\r\n_\r\n"));
    buf_deinit(&reply);
}

/* Whatever a peer sends, the client gets one reply: neither half of one nor one and a half. */
TEST(a_malformed_reply_becomes_one_error)
{
    struct buf reply = {0};
    struct buf out = {0};
    reply_array(&reply, 2);
    reply_integer(&reply, 5);
    const char *error = "-ERR internal error: malformed reply\r\n";
    resp_print_reply(&out, RESP2, SHAPE_PLAIN, buf_bytes(&reply));
    EXPECT(took(&out, error));
    reply_integer(&reply, 6);
    reply_integer(&reply, 7);
    resp_print_reply(&out, RESP2, SHAPE_PLAIN, buf_bytes(&reply));
    EXPECT(took(&out, error));
    resp_print_reply(&out, RESP2, SHAPE_PLAIN, bytes_of(NULL, 0));
    EXPECT(took(&out, error));
    resp_print_reply(&out, RESP2, SHAPE_PLAIN, bytes_of("B\xff\xff\xff\xff", 5));
    EXPECT(took(&out, error));
    buf_deinit(&reply);
}

TEST_MAIN(CASE(values_differ_between_the_protocols_where_they_should),
          CASE(plain_values_are_exact),
          CASE(a_line_end_in_a_text_cannot_begin_another_reply),
          CASE(a_nested_reply_is_printed_whole),
          CASE(a_malformed_reply_becomes_one_error))
