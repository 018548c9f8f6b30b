/* wire/http: what two servers in a row could read differently is refused; the rest is read once and
 * the same in any pieces. */
#include "base/err.h"
#include "base/os/heap.h"
#include "harness/test.h"
#include "wire/http.h"

#include <stdio.h>
#include <string.h>

#define BODY_MAX ((size_t)1024)

/* How most requests here begin, and those with a chunked body. */
#define H       "POST / HTTP/1.1\r\nHost: a\r\n"
#define C(rest) H "Transfer-Encoding: chunked\r\n\r\n" rest

struct outcome {
    int result;
    int status;
    const char *error;
    enum http_method method;
    char path[256];
    size_t path_size;
    char query[64];
    char body[BODY_MAX + 1];
    size_t body_size;
    bool keep_alive;
    size_t header_count;
    size_t consumed;
};

static void copy_out(char *to, struct bytes from)
{
    if (from.size > 0) {
        memcpy(to, from.data, from.size);
    }
    to[from.size] = '\0';
}

static void copy_request(struct outcome *out, const struct http_request *request)
{
    out->method = request->method;
    REQUIRE(request->path.size < sizeof out->path);
    copy_out(out->path, request->path);
    out->path_size = request->path.size;
    REQUIRE(request->query.size < sizeof out->query);
    copy_out(out->query, request->query);
    REQUIRE(request->body.size <= BODY_MAX);
    copy_out(out->body, request->body);
    out->body_size = request->body.size;
    out->keep_alive = request->keep_alive;
    out->header_count = request->header_count;
}

/* Feeds the text in pieces, each time from a freshly allocated buffer. */
static struct outcome parse_in_pieces(const char *text, size_t size, size_t piece)
{
    static struct http_parser parser;
    http_parser_init(&parser, BODY_MAX);
    struct outcome out;
    memset(&out, 0, sizeof out);
    out.result = Q_EAGAIN;
    uint8_t *data = NULL;
    for (size_t given = 0; given < size && out.result == Q_EAGAIN;) {
        const size_t before = given;
        given = given + piece < size ? given + piece : size;
        uint8_t *copy = heap_alloc_raw(given);
        if (before > 0) {
            memcpy(copy, data, before);
        }
        memcpy(copy + before, text + before, given - before);
        heap_free(data);
        data = copy;
        static struct http_request request;
        out.result = http_parse(&parser, data, given, &request, &out.consumed);
        if (out.result == Q_OK) {
            copy_request(&out, &request);
        } else {
            out.status = parser.status;
            out.error = parser.error;
        }
    }
    heap_free(data);
    return out;
}

static struct outcome parse(const char *text)
{
    return parse_in_pieces(text, strlen(text), strlen(text));
}

TEST(a_get_is_read_with_path_query_and_headers)
{
    const struct outcome out =
        parse("GET /readyz?level=local&x HTTP/1.1\r\nHost: a:1\r\nX-Y:  z \t\r\n\r\n");
    EXPECT(out.result == Q_OK && out.method == HTTP_METHOD_GET);
    EXPECT(strcmp(out.path, "/readyz") == 0 && strcmp(out.query, "level=local&x") == 0);
    EXPECT(out.keep_alive && out.header_count == 2 && out.body_size == 0);
}

TEST(headers_are_found_without_case_and_without_blanks_around_the_value)
{
    char text[] = "GET / HTTP/1.1\r\nhost: a\r\nidempotency-KEY:  k 1 \t\r\n\r\n";
    static struct http_parser parser;
    static struct http_request request;
    http_parser_init(&parser, BODY_MAX);
    size_t consumed = 0;
    EXPECT(http_parse(&parser, (uint8_t *)text, sizeof text - 1, &request, &consumed) == Q_OK);
    struct bytes value;
    EXPECT(http_header_find(&request, "IDEMPOTENCY-KEY", &value));
    EXPECT(bytes_equal(value, bytes_of_text("k 1")));
    EXPECT(!http_header_find(&request, "IF-MATCH", &value));
}

TEST(a_body_with_a_length_is_a_slice_and_the_next_request_follows)
{
    const struct outcome out =
        parse("PUT /v1/a/b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1");
    EXPECT(out.result == Q_OK && out.method == HTTP_METHOD_PUT);
    EXPECT(strcmp(out.body, "hello") == 0);
    EXPECT(out.consumed ==
           strlen("PUT /v1/a/b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"));
}

TEST(chunks_are_joined_into_one_body)
{
    const struct outcome out = parse("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
                                     "chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\nGET");
    EXPECT(out.result == Q_OK && out.body_size == 13);
    EXPECT(strcmp(out.body, "abc0123456789") == 0);
}

TEST(any_cut_into_pieces_gives_the_same_request)
{
    static const char *texts[] = {
        "GET /a%20b?q HTTP/1.1\r\nHost: x\r\n\r\n",
        "\r\nGET / HTTP/1.0\r\n\r\n",
        "PUT /k HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nab\r\ncd",
        C("1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"),
        C("1\r\nab\r\n0\r\n\r\n"),
        "GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
        "GET http://X/p HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const struct outcome whole = parse(texts[i]);
        EXPECT(whole.result != Q_EAGAIN);
        for (size_t piece = 1; piece < strlen(texts[i]); piece++) {
            const struct outcome pieces = parse_in_pieces(texts[i], strlen(texts[i]), piece);
            EXPECT(pieces.result == whole.result && pieces.status == whole.status);
            EXPECT(strcmp(pieces.path, whole.path) == 0);
            EXPECT(strcmp(pieces.query, whole.query) == 0);
            EXPECT(strcmp(pieces.body, whole.body) == 0);
            EXPECT(pieces.consumed == whole.consumed && pieces.keep_alive == whole.keep_alive);
        }
    }
}

static bool is_refused(const char *text, size_t size, int status)
{
    const struct outcome out = parse_in_pieces(text, size, size);
    if (out.status != status || out.result == Q_OK || out.result == Q_EAGAIN) {
        print_message("%d %d for: %s\n", out.result, out.status, text);
        return false;
    }
    return out.error != NULL;
}

#define REFUSED(text, status) is_refused(text, sizeof(text) - 1, status)

/* The smuggling corpus: each of these is read in two ways by some pair of servers. */
TEST(what_could_be_read_in_two_ways_is_refused)
{
    EXPECT(REFUSED(H "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400));
    EXPECT(REFUSED(H "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n", 400));
    EXPECT(REFUSED(H "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", 400));
    EXPECT(REFUSED(H "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400));
    EXPECT(REFUSED(H "Content-Length: 1, 1\r\n\r\na", 400));
    EXPECT(REFUSED(H "Content-Length: +1\r\n\r\na", 400));
    EXPECT(REFUSED(H "Content-Length: -1\r\n\r\na", 400));
    EXPECT(REFUSED(H "Content-Length: 0x1\r\n\r\na", 400));
    EXPECT(REFUSED(H "Content-Length: 01\r\n\r\na", 400));
    EXPECT(REFUSED(H "Content-Length: 1 1\r\n\r\na", 400));
    EXPECT(REFUSED(H "Content-Length: \r\n\r\na", 400));
    EXPECT(REFUSED(H "Content-Length: 99999999999999999999\r\n\r\na", 400));
    EXPECT(REFUSED(H "Content-Length : 1\r\n\r\na", 400));
    EXPECT(REFUSED(H "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400));
    EXPECT(REFUSED(H "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", 400));
    EXPECT(REFUSED(H "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400));
    EXPECT(REFUSED(H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400));
    EXPECT(REFUSED(H "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400));
    EXPECT(REFUSED(H "Transfer-Encoding: identity\r\n\r\n", 400));
    EXPECT(REFUSED(H "Transfer-Encoding: \x0b"
                     "chunked\r\n\r\n0\r\n\r\n",
                   400));
    EXPECT(REFUSED(H "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n", 400));
    EXPECT(REFUSED(H "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400));
    EXPECT(REFUSED("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400));
    EXPECT(REFUSED(H "X: a\r\n b\r\n\r\n", 400));
    EXPECT(REFUSED(H "X: a\r\n\tb\r\n\r\n", 400));
    EXPECT(REFUSED(H "X: a\n\r\n", 400));
    EXPECT(REFUSED("GET / HTTP/1.1\nHost: a\n\n", 400));
    EXPECT(REFUSED(H "X: a\rY: b\r\n\r\n", 400));
    EXPECT(REFUSED(H "X: a\r\r\n\r\n", 400));
    EXPECT(REFUSED(H "X: a\0b\r\n\r\n", 400));
    EXPECT(REFUSED("GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n", 400));
    EXPECT(REFUSED(H "X Y: a\r\n\r\n", 400));
    EXPECT(REFUSED(H ": a\r\n\r\n", 400));
    EXPECT(REFUSED(H "no colon\r\n\r\n", 400));
}

TEST(hosts_are_exactly_one_and_well_formed)
{
    EXPECT(REFUSED("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400));
    EXPECT(REFUSED("GET / HTTP/1.1\r\n\r\n", 400));
    EXPECT(REFUSED("GET / HTTP/1.1\r\nHost: \r\n\r\n", 400));
    EXPECT(REFUSED("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400));
    EXPECT(REFUSED("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400));
    EXPECT(REFUSED("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400));
    EXPECT(parse("GET http://a:1/x HTTP/1.1\r\nHost: A:1\r\n\r\n").result == Q_OK);
    EXPECT(parse("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n").result == Q_OK);
    EXPECT(parse("GET / HTTP/1.0\r\n\r\n").result == Q_OK);
}

TEST(chunked_bodies_are_exact)
{
    EXPECT(REFUSED(C("1;x=y\r\na\r\n0\r\n\r\n"), 400));
    EXPECT(REFUSED(C("1;\r\na\r\n0\r\n\r\n"), 400));
    EXPECT(REFUSED(C("1\r\nab\r\n0\r\n\r\n"), 400));
    EXPECT(REFUSED(C("1\na\n0\n\n"), 400));
    EXPECT(REFUSED(C("1\r\na\n0\r\n\r\n"), 400));
    EXPECT(REFUSED(C("0x1\r\na\r\n0\r\n\r\n"), 400));
    EXPECT(REFUSED(C(" 1\r\na\r\n0\r\n\r\n"), 400));
    EXPECT(REFUSED(C("-1\r\na\r\n0\r\n\r\n"), 400));
    EXPECT(REFUSED(C("ffffffffffffffffff\r\n"), 400));
    EXPECT(REFUSED(C("0\r\nTrailer: x\r\n\r\n"), 400));
    EXPECT(REFUSED(C("0\r\nGET / HTTP/1.1\r\n\r\n"), 400));
}

TEST(lines_that_are_not_http_are_refused)
{
    EXPECT(REFUSED("HELLO\r\n\r\n", 400));
    EXPECT(REFUSED("GET /\r\n\r\n", 505));
    EXPECT(REFUSED("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505));
    EXPECT(REFUSED("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505));
    EXPECT(REFUSED("GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505));
    EXPECT(REFUSED("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400));
    EXPECT(REFUSED("GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400));
    EXPECT(REFUSED("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400));
    EXPECT(REFUSED("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 400));
    EXPECT(REFUSED("*1\r\n$4\r\nPING\r\n\r\n", 400));
    EXPECT(REFUSED("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400));
}

TEST(paths_are_decoded_with_their_length)
{
    const struct outcome out = parse("GET /a%00b%2F%c3%A9+ HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT(out.result == Q_OK && out.path_size == 8);
    EXPECT(memcmp(out.path, "/a\0b/\xc3\xa9+", 8) == 0);
    EXPECT(REFUSED("GET /a%0 HTTP/1.1\r\nHost: a\r\n\r\n", 400));
    EXPECT(REFUSED("GET /a%g0 HTTP/1.1\r\nHost: a\r\n\r\n", 400));
    EXPECT(REFUSED("GET /a% HTTP/1.1\r\nHost: a\r\n\r\n", 400));
}

TEST(connections_are_kept_as_the_version_says)
{
    EXPECT(parse("GET / HTTP/1.1\r\nHost: a\r\n\r\n").keep_alive);
    EXPECT(!parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").keep_alive);
    EXPECT(!parse("GET / HTTP/1.0\r\nHost: a\r\n\r\n").keep_alive);
    EXPECT(parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").keep_alive);
}

/* A request for another protocol is answered in this one. */
TEST(an_upgrade_is_ignored)
{
    const struct outcome out =
        parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nGET");
    EXPECT(out.result == Q_OK && strcmp(out.path, "/") == 0);
}

TEST(the_head_may_fill_its_limit_and_not_one_byte_more)
{
    char text[HTTP_HEAD_SIZE_MAX + 16];
    const char *start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    for (size_t extra = 0; extra < 2; extra++) {
        const size_t size = HTTP_HEAD_SIZE_MAX + extra;
        memset(text, 'x', sizeof text);
        memcpy(text, start, strlen(start));
        memcpy(text + size - 4, "\r\n\r\n", 4);
        const struct outcome out = parse_in_pieces(text, size, size);
        EXPECT(out.result == (extra == 0 ? Q_OK : Q_ETOOBIG));
        EXPECT(extra == 0 || out.status == 431);
    }
}

TEST(a_request_may_have_a_hundred_headers_and_not_one_more)
{
    for (size_t count = HTTP_HEADERS_MAX; count <= HTTP_HEADERS_MAX + 1; count++) {
        char text[4096];
        size_t at = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\n");
        for (size_t i = 1; i < count; i++) {
            at += (size_t)snprintf(text + at, sizeof text - at, "X%zu: %zu\r\n", i, i);
        }
        at += (size_t)snprintf(text + at, sizeof text - at, "\r\n");
        const struct outcome out = parse_in_pieces(text, at, at);
        EXPECT(out.result == (count == HTTP_HEADERS_MAX ? Q_OK : Q_ETOOBIG));
        EXPECT(count == HTTP_HEADERS_MAX || out.status == 431);
    }
}

TEST(a_body_may_fill_its_limit_and_not_one_byte_more)
{
    char text[4096];
    memset(text, 'b', sizeof text);
    size_t at = (size_t)snprintf(text, 512, H "Content-Length: %zu\r\n\r\n", BODY_MAX);
    text[at] = 'b';
    EXPECT(parse_in_pieces(text, at + BODY_MAX, 100).body_size == BODY_MAX);
    at = (size_t)snprintf(text, 512, H "Content-Length: %zu\r\n\r\n", BODY_MAX + 1);
    EXPECT(is_refused(text, at, 413)); /* From the announcement alone. */

    for (unsigned extra = 0; extra < 2; extra++) {
        memset(text, 'b', sizeof text);
        at = (size_t)snprintf(text, 512, C("%zx\r\n"), BODY_MAX + extra);
        text[at] = 'b';
        const char *end = "\r\n0\r\n\r\n";
        memcpy(text + at + BODY_MAX + extra, end, strlen(end));
        const size_t size = at + BODY_MAX + extra + strlen(end);
        const struct outcome out = parse_in_pieces(text, size, size);
        EXPECT(out.result == (extra == 0 ? Q_OK : Q_ETOOBIG));
        EXPECT(extra == 0 || out.status == 413);
    }
}

/* Frames of one byte each: what we would have to hold is bounded, not only what they contain. */
TEST(chunk_frames_cannot_hold_many_times_the_limit)
{
    const size_t count = 2 * BODY_MAX + HTTP_CHUNK_SLACK;
    char *text = heap_alloc_raw(count * 6 + 512);
    size_t at = (size_t)snprintf(text, 512, "%s", C(""));
    for (size_t i = 0; i < count && i < BODY_MAX; i++) {
        memcpy(text + at, "001\r\na\r\n", 8);
        at += 8;
        for (size_t zero = 0; zero < 8; zero++) {
            text[at++] = '0';
        }
        memcpy(text + at, "1\r\na\r\n", 6);
        at += 6;
    }
    const struct outcome out = parse_in_pieces(text, at, 64);
    EXPECT(out.result == Q_ETOOBIG && out.status == 413);
    heap_free(text);
}

TEST(query_values_are_found_by_whole_names)
{
    struct bytes value;
    const struct bytes query = bytes_of_text("xlevel=no&level=local&empty=");
    EXPECT(http_query_find(query, "level", &value) && bytes_equal(value, bytes_of_text("local")));
    EXPECT(http_query_find(query, "empty", &value) && value.size == 0);
    EXPECT(!http_query_find(query, "leve", &value));
    EXPECT(!http_query_find(bytes_of_text("level"), "level", &value));
}

TEST(response_heads_are_printed_within_their_room)
{
    uint8_t out[HTTP_HEAD_PRINTED_MAX];
    struct writer w = writer_of(out, sizeof out);
    const struct http_head head = {.status = 405,
                                   .content_type = "application/json",
                                   .content_length = 12,
                                   .close = true,
                                   .allow = "GET, HEAD"};
    http_print_head(&w, &head);
    EXPECT(!w.failed);
    const char *expected = "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: application/json\r\n"
                           "Content-Length: 12\r\nCache-Control: no-store\r\n"
                           "X-Content-Type-Options: nosniff\r\nConnection: close\r\n"
                           "Allow: GET, HEAD\r\n\r\n";
    EXPECT(bytes_equal(bytes_of(out, writer_size(&w)), bytes_of_text(expected)));
}

TEST_MAIN(CASE(a_get_is_read_with_path_query_and_headers),
          CASE(headers_are_found_without_case_and_without_blanks_around_the_value),
          CASE(a_body_with_a_length_is_a_slice_and_the_next_request_follows),
          CASE(chunks_are_joined_into_one_body),
          CASE(any_cut_into_pieces_gives_the_same_request),
          CASE(what_could_be_read_in_two_ways_is_refused),
          CASE(hosts_are_exactly_one_and_well_formed),
          CASE(chunked_bodies_are_exact),
          CASE(lines_that_are_not_http_are_refused),
          CASE(paths_are_decoded_with_their_length),
          CASE(connections_are_kept_as_the_version_says),
          CASE(an_upgrade_is_ignored),
          CASE(the_head_may_fill_its_limit_and_not_one_byte_more),
          CASE(a_request_may_have_a_hundred_headers_and_not_one_more),
          CASE(a_body_may_fill_its_limit_and_not_one_byte_more),
          CASE(chunk_frames_cannot_hold_many_times_the_limit),
          CASE(query_values_are_found_by_whole_names),
          CASE(response_heads_are_printed_within_their_room))
