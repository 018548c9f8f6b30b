/* sim/resp_reader: replies as a client reads them. */
#include "base/err.h"
#include "harness/test.h"
#include "sim/resp_reader.h"

#include <string.h>

static int read_text(const char *text, struct buf *joined, struct resp_reply *out, size_t *consumed)
{
    return resp_read(bytes_of_text(text), joined, out, consumed);
}

TEST(elements_of_arrays_and_of_arrays_inside_them_are_joined)
{
    struct buf joined = {0};
    struct resp_reply reply;
    size_t consumed = 0;
    const char *scan = "*2\r\n$1\r\n7\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n";
    EXPECT(read_text(scan, &joined, &reply, &consumed) == Q_OK);
    EXPECT(reply.kind == RESP_ARRAY && consumed == strlen(scan));
    EXPECT(bytes_equal(reply.text, bytes_of_text("7,a,b")));
    EXPECT(read_text("*2\r\n$-1\r\n$1\r\nx\r\n", &joined, &reply, &consumed) == Q_OK);
    EXPECT(bytes_equal(reply.text, bytes_of_text("(nil),x")));
    EXPECT(read_text("*2\r\n*0\r\n*0\r\n", &joined, &reply, &consumed) == Q_OK);
    EXPECT(reply.text.size == 0);
    buf_deinit(&joined);
}

TEST(every_cut_of_an_array_wants_more)
{
    const char *text = "*2\r\n$1\r\n7\r\n*1\r\n$1\r\na\r\n";
    struct buf joined = {0};
    struct resp_reply reply;
    size_t consumed = 0;
    for (size_t size = 0; size < strlen(text); size++) {
        EXPECT(resp_read(bytes_of(text, size), &joined, &reply, &consumed) == Q_EAGAIN);
    }
    buf_deinit(&joined);
}

TEST(an_array_that_holds_anything_else_is_refused)
{
    struct buf joined = {0};
    struct resp_reply reply;
    size_t consumed = 0;
    EXPECT(read_text("*1\r\n+OK\r\n", &joined, &reply, &consumed) == Q_EPROTO);
    EXPECT(read_text("*1\r\n:1\r\n", &joined, &reply, &consumed) == Q_EPROTO);
    buf_deinit(&joined);
}

TEST_MAIN(CASE(elements_of_arrays_and_of_arrays_inside_them_are_joined),
          CASE(every_cut_of_an_array_wants_more),
          CASE(an_array_that_holds_anything_else_is_refused))
