/* wire/resp: commands are cut the way Redis' clients mean them, in whatever pieces they arrive, and
 * nothing is promised memory because of a number it announced. */
#include "base/err.h"
#include "base/os/heap.h"
#include "harness/test.h"
#include "wire/resp.h"

#include <stdio.h>
#include <string.h>

#define ARGS_MAX 8

struct outcome {
    int result;
    size_t arg_count;
    size_t consumed;
    char error[RESP_ERROR_SIZE];
    char args[ARGS_MAX][64];
    size_t sizes[ARGS_MAX];
};

/* Feeds `text` in pieces of `piece` bytes, each time from a freshly allocated buffer. */
static struct outcome parse_in_pieces(const char *text, size_t size, size_t piece)
{
    struct resp_parser parser = {0};
    struct outcome out = {.result = Q_EAGAIN};
    for (size_t given = 0; given < size && out.result == Q_EAGAIN;) {
        given = given + piece < size ? given + piece : size;
        uint8_t *copy = heap_alloc_raw(given);
        memcpy(copy, text, given);
        struct bytes args[ARGS_MAX];
        out.result = resp_parse_command(&parser, copy, given, args, ARGS_MAX);
        if (out.result == Q_OK) {
            out.arg_count = parser.arg_count;
            out.consumed = parser.consumed;
            for (size_t i = 0; i < out.arg_count; i++) {
                REQUIRE(args[i].data >= copy && args[i].data + args[i].size <= copy + given);
                REQUIRE(args[i].size < sizeof out.args[i]);
                memcpy(out.args[i], args[i].data, args[i].size);
                out.args[i][args[i].size] = '\0';
                out.sizes[i] = args[i].size;
            }
        }
        heap_free(copy);
    }
    memcpy(out.error, parser.error, sizeof out.error);
    return out;
}

static struct outcome parse(const char *text)
{
    return parse_in_pieces(text, strlen(text), strlen(text));
}

static bool is_same(const struct outcome *a, const struct outcome *b)
{
    bool same = a->result == b->result && a->arg_count == b->arg_count &&
                a->consumed == b->consumed && strcmp(a->error, b->error) == 0;
    for (size_t i = 0; same && i < a->arg_count; i++) {
        same = bytes_equal(bytes_of(a->args[i], a->sizes[i]), bytes_of(b->args[i], b->sizes[i]));
    }
    return same;
}

TEST(an_array_of_bulk_strings_becomes_slices)
{
    static const char text[] = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\na\r\nb\0\r\nnext";
    const struct outcome whole = parse_in_pieces(text, sizeof text - 1, sizeof text - 1);
    EXPECT(whole.result == Q_OK && whole.arg_count == 3);
    EXPECT(strcmp(whole.args[0], "SET") == 0 && strcmp(whole.args[1], "k") == 0);
    EXPECT(whole.sizes[2] == 5 && memcmp(whole.args[2], "a\r\nb\0", 5) == 0);
    EXPECT(whole.consumed == sizeof text - 1 - 4);
}

TEST(any_cut_into_pieces_gives_the_same_command)
{
    static const char *texts[] = {
        "*2\r\n$3\r\nGET\r\n$4\r\n\r\n\r\n\r\n",
        "*1\r\n$0\r\n\r\n",
        "SET key \"a \\x41\\n\" 'it''\r\n",
        "set  a\tb\n",
        "*0\r\n",
        "*-1\r\n",
        "\r\n",
        "*4\r\n$4\r\nMSET\r\n$1\r\na\r\n$0\r\n\r\n$12\r\nhello, world\r\n",
        "*1\r\n:3\r\n",
        "*1\r\n$3\r\nabcd\r\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const struct outcome whole = parse(texts[i]);
        EXPECT(whole.result != Q_EAGAIN);
        for (size_t piece = 1; piece < strlen(texts[i]); piece++) {
            const struct outcome pieces = parse_in_pieces(texts[i], strlen(texts[i]), piece);
            EXPECT(is_same(&pieces, &whole));
        }
    }
}

TEST(empty_arrays_and_lines_are_consumed_without_a_command)
{
    const char *texts[] = {"*0\r\n", "*-1\r\n", "\r\n", "\n", "   \r\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const struct outcome out = parse(texts[i]);
        EXPECT(out.result == Q_OK && out.arg_count == 0 && out.consumed == strlen(texts[i]));
    }
}

TEST(inline_words_follow_the_quoting_rules_of_redis)
{
    const struct outcome a = parse("SET \"a b\" 'c d'\r\n");
    EXPECT(a.result == Q_OK && a.arg_count == 3);
    EXPECT(strcmp(a.args[1], "a b") == 0 && strcmp(a.args[2], "c d") == 0);
    const struct outcome b = parse("x \"\\x41\\n\\\"\\q\\xZZ\" '\\'\\n' \"\"\n");
    EXPECT(b.result == Q_OK && b.arg_count == 4);
    EXPECT(strcmp(b.args[1], "A\n\"qxZZ") == 0);
    EXPECT(strcmp(b.args[2], "'\\n") == 0);
    EXPECT(b.sizes[3] == 0);
    const struct outcome c = parse("foo\"bar baz\" q\r\n");
    EXPECT(c.result == Q_OK && c.arg_count == 2 && strcmp(c.args[0], "foobar baz") == 0);
}

static bool is_refused(const char *text, int result, const char *error)
{
    const struct outcome out = parse(text);
    if (out.result != result || strcmp(out.error, error) != 0) {
        print_message("for %s: %d %s\n", text, out.result, out.error);
        return false;
    }
    return true;
}

TEST(malformed_input_is_refused_with_the_texts_of_redis)
{
    EXPECT(is_refused("*a\r\n", Q_EPROTO, "ERR Protocol error: invalid multibulk length"));
    EXPECT(is_refused("*\r\n", Q_EPROTO, "ERR Protocol error: invalid multibulk length"));
    EXPECT(is_refused("*1\rx", Q_EPROTO, "ERR Protocol error: invalid multibulk length"));
    EXPECT(is_refused("*2147483648\r\n", Q_EPROTO, "ERR Protocol error: invalid multibulk length"));
    EXPECT(is_refused("*99999999999999999999\r\n", Q_EPROTO,
                      "ERR Protocol error: invalid multibulk length"));
    EXPECT(is_refused("*1\r\nxx", Q_EPROTO, "ERR Protocol error: expected '$', got 'x'"));
    EXPECT(is_refused("*1\r\n\r\n", Q_EPROTO, "ERR Protocol error: expected '$', got '?'"));
    EXPECT(is_refused("*1\r\n$-1\r\n", Q_EPROTO, "ERR Protocol error: invalid bulk length"));
    EXPECT(is_refused("*1\r\n$x\r\n", Q_EPROTO, "ERR Protocol error: invalid bulk length"));
    EXPECT(is_refused("*1\r\n$1\r\nab\r\n", Q_EPROTO,
                      "ERR Protocol error: expected CRLF after an argument"));
    EXPECT(is_refused("get \"a\r\n", Q_EPROTO, "ERR Protocol error: unbalanced quotes in request"));
    EXPECT(
        is_refused("get 'a'b\r\n", Q_EPROTO, "ERR Protocol error: unbalanced quotes in request"));
}

TEST(http_on_this_port_is_refused)
{
    const char *text = "ERR Protocol error: this port speaks RESP, not HTTP";
    EXPECT(is_refused("POST /x HTTP/1.1\r\n", Q_EPROTO, text));
    EXPECT(is_refused("Host: localhost\r\n", Q_EPROTO, text));
}

/* A number whose line does not end is refused at the limit, not one byte earlier. */
TEST(a_count_line_may_have_its_limit_and_not_one_byte_more)
{
    char text[RESP_COUNT_LINE_MAX + 2];
    memset(text, '1', sizeof text);
    text[0] = '*';
    const struct outcome on = parse_in_pieces(text, RESP_COUNT_LINE_MAX, RESP_COUNT_LINE_MAX);
    EXPECT(on.result == Q_EAGAIN);
    const struct outcome past =
        parse_in_pieces(text, RESP_COUNT_LINE_MAX + 1, RESP_COUNT_LINE_MAX + 1);
    EXPECT(past.result == Q_EPROTO);
    EXPECT(strcmp(past.error, "ERR Protocol error: too big mbulk count string") == 0);
}

TEST(announced_lengths_are_judged_before_their_bytes_come)
{
    char text[128];
    snprintf(text, sizeof text, "*%zu\r\n", REQUEST_ARGS_MAX);
    EXPECT(parse(text).result == Q_EAGAIN);
    snprintf(text, sizeof text, "*%zu\r\n", REQUEST_ARGS_MAX + 1);
    EXPECT(is_refused(text, Q_ETOOBIG, "TOOBIG a command may have at most 65536 arguments"));
    snprintf(text, sizeof text, "*1\r\n$%zu\r\n", VALUE_SIZE_MAX);
    EXPECT(parse(text).result == Q_EAGAIN);
    snprintf(text, sizeof text, "*1\r\n$%zu\r\n", VALUE_SIZE_MAX + 1);
    EXPECT(is_refused(text, Q_ETOOBIG, "TOOBIG an argument may have at most 16777216 bytes"));
}

/* Two arguments of 16 MiB are the whole request; a third may only be empty. */
TEST(the_sum_of_arguments_holds_on_its_limit_and_one_past_it)
{
    const size_t size = 64 + 2 * VALUE_SIZE_MAX;
    char *text = heap_alloc_raw(size);
    size_t at = (size_t)snprintf(text, size, "*3\r\n");
    for (int i = 0; i < 2; i++) {
        at += (size_t)snprintf(text + at, size - at, "$%zu\r\n", VALUE_SIZE_MAX);
        memset(text + at, 'v', VALUE_SIZE_MAX);
        at += VALUE_SIZE_MAX;
        memcpy(text + at, "\r\n", 2);
        at += 2;
    }
    struct resp_parser parser = {0};
    struct bytes args[3];
    memcpy(text + at, "$1\r\n", 4);
    EXPECT(resp_parse_command(&parser, (uint8_t *)text, at + 4, args, 3) == Q_ETOOBIG);
    EXPECT(strstr(parser.error, "33554432") != NULL);
    parser = (struct resp_parser){0};
    memcpy(text + at, "$0\r\n\r\n", 6);
    EXPECT(resp_parse_command(&parser, (uint8_t *)text, at + 6, args, 3) == Q_OK);
    EXPECT(args[1].size == VALUE_SIZE_MAX && args[2].size == 0);
    heap_free(text);
}

TEST(an_inline_command_may_fill_its_limit_and_not_one_byte_more)
{
    uint8_t *text = heap_alloc_raw(INLINE_SIZE_MAX + 1);
    memset(text, 'a', INLINE_SIZE_MAX + 1);
    struct bytes args[1];
    struct resp_parser parser = {0};
    text[INLINE_SIZE_MAX - 1] = '\n';
    EXPECT(resp_parse_command(&parser, text, INLINE_SIZE_MAX, args, 1) == Q_OK);
    EXPECT(args[0].size == INLINE_SIZE_MAX - 1);
    text[INLINE_SIZE_MAX - 1] = 'a';
    text[INLINE_SIZE_MAX] = '\n';
    parser = (struct resp_parser){0};
    EXPECT(resp_parse_command(&parser, text, INLINE_SIZE_MAX - 1, args, 1) == Q_EAGAIN);
    EXPECT(resp_parse_command(&parser, text, INLINE_SIZE_MAX + 1, args, 1) == Q_EPROTO);
    EXPECT(strcmp(parser.error, "ERR Protocol error: too big inline request") == 0);
    heap_free(text);
}

TEST(a_command_with_more_arguments_than_room_says_how_many_and_then_fits)
{
    char array[] = "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n";
    char line[] = "a \"\\x62\" c\r\n";
    char *texts[] = {array, line};
    for (size_t i = 0; i < 2; i++) {
        struct resp_parser parser = {0};
        struct bytes args[3];
        uint8_t *data = (uint8_t *)texts[i];
        EXPECT(resp_parse_command(&parser, data, strlen(texts[i]), args, 2) == Q_ENOMEM);
        EXPECT(parser.arg_count == 3);
        EXPECT(resp_parse_command(&parser, data, strlen(texts[i]), args, 3) == Q_OK);
        EXPECT(parser.arg_count == 3 && args[1].data[0] == 'b' && args[2].data[0] == 'c');
    }
}

/* A large value in small reads must be looked at once. Bytes before the parser's place are poisoned
 * here, so that a second look would be noticed as a protocol error. */
TEST(bytes_already_judged_are_not_looked_at_again_until_the_command_is_whole)
{
    static const char text[] = "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
    uint8_t data[sizeof text];
    memcpy(data, text, sizeof text);
    struct resp_parser parser = {0};
    struct bytes args[2];
    EXPECT(resp_parse_command(&parser, data, 15, args, 2) == Q_EAGAIN);
    memset(data + 4, '#', 9);
    EXPECT(resp_parse_command(&parser, data, 16, args, 2) == Q_EAGAIN);
    memcpy(data, text, sizeof text);
    EXPECT(resp_parse_command(&parser, data, sizeof text - 1, args, 2) == Q_OK);
    EXPECT(bytes_equal(args[0], bytes_of_text("GET")));
}

TEST_MAIN(CASE(an_array_of_bulk_strings_becomes_slices),
          CASE(any_cut_into_pieces_gives_the_same_command),
          CASE(empty_arrays_and_lines_are_consumed_without_a_command),
          CASE(inline_words_follow_the_quoting_rules_of_redis),
          CASE(malformed_input_is_refused_with_the_texts_of_redis),
          CASE(http_on_this_port_is_refused),
          CASE(a_count_line_may_have_its_limit_and_not_one_byte_more),
          CASE(announced_lengths_are_judged_before_their_bytes_come),
          CASE(the_sum_of_arguments_holds_on_its_limit_and_one_past_it),
          CASE(an_inline_command_may_fill_its_limit_and_not_one_byte_more),
          CASE(a_command_with_more_arguments_than_room_says_how_many_and_then_fits),
          CASE(bytes_already_judged_are_not_looked_at_again_until_the_command_is_whole))
