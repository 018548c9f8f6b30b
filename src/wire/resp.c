#include "wire/resp.h"

#include "base/check.h"
#include "base/err.h"
#include "base/plant.h"
#include "wire/resp_inline.h"

static int fail(struct resp_parser *parser, int err, const char *text)
{
    const size_t size = strlen(text);
    Q_CHECK(size < RESP_ERROR_SIZE);
    memcpy(parser->error, text, size + 1);
    return err;
}

/* The limits appear in the texts below. */
_Static_assert(REQUEST_ARGS_MAX == 65536, "the text names the limit");
_Static_assert(VALUE_SIZE_MAX == (size_t)16 << 20, "the text names the limit");
_Static_assert(REQUEST_SIZE_MAX == (size_t)32 << 20, "the text names the limit");

#define TEXT_ARGS_MAX    "TOOBIG a command may have at most 65536 arguments"
#define TEXT_VALUE_MAX   "TOOBIG an argument may have at most 16777216 bytes"
#define TEXT_REQUEST_MAX "TOOBIG the arguments of a command may have at most 33554432 bytes"

/* What a count's line is called when it is wrong. */
struct count_texts {
    const char *invalid;
    const char *too_long;
};

static const struct count_texts array_texts = {
    "ERR Protocol error: invalid multibulk length",
    "ERR Protocol error: too big mbulk count string",
};
static const struct count_texts bulk_texts = {
    "ERR Protocol error: invalid bulk length",
    "ERR Protocol error: too big bulk count string",
};

/* Reads "<sign>digits CR LF" behind the type byte at parser->at, and moves parser->at past it. */
static int read_count(struct resp_parser *parser,
                      struct bytes in,
                      const struct count_texts *texts,
                      int64_t *out_value)
{
    const uint8_t *line = in.data + parser->at + 1;
    const size_t left = in.size - parser->at - 1;
    const size_t limit = left < RESP_COUNT_LINE_MAX ? left : RESP_COUNT_LINE_MAX;
    size_t length = 0;
    while (length < limit && line[length] != '\r') {
        length++;
    }
    if (length == limit) {
        return limit < RESP_COUNT_LINE_MAX ? Q_EAGAIN : fail(parser, Q_EPROTO, texts->too_long);
    }
    if (length + 1 == left) {
        return Q_EAGAIN;
    }
    int64_t value = 0;
    if (line[length + 1] != '\n' || !bytes_to_int64(bytes_of(line, length), &value)) {
        return fail(parser, Q_EPROTO, texts->invalid);
    }
    parser->at += 1 + length + 2;
    *out_value = value;
    return Q_OK;
}

static int read_array_count(struct resp_parser *parser, struct bytes in)
{
    int64_t count = 0;
    const int result = read_count(parser, in, &array_texts, &count);
    if (result != Q_OK) {
        return result;
    }
    if (count > INT32_MAX) {
        return fail(parser, Q_EPROTO, array_texts.invalid);
    }
    if (count > (int64_t)REQUEST_ARGS_MAX) {
        return fail(parser, Q_ETOOBIG, TEXT_ARGS_MAX);
    }
    /* Redis takes "*-1" and "*0" for nothing at all. */
    parser->args_expected = count > 0 ? (size_t)count : 0;
    parser->in_array = true;
    return Q_OK;
}

static int read_bulk_size(struct resp_parser *parser, struct bytes in)
{
    if (parser->at == in.size) {
        return Q_EAGAIN;
    }
    const uint8_t type = in.data[parser->at];
    if (type != '$') {
        char text[] = "ERR Protocol error: expected '$', got '?'";
        if (type >= ' ' && type <= '~') {
            text[sizeof text - 3] = (char)type;
        }
        return fail(parser, Q_EPROTO, text);
    }
    int64_t size = 0;
    const int result = read_count(parser, in, &bulk_texts, &size);
    if (result != Q_OK) {
        return result;
    }
    if (size < 0) {
        return fail(parser, Q_EPROTO, bulk_texts.invalid);
    }
    if (size > (int64_t)VALUE_SIZE_MAX) {
        return fail(parser, Q_ETOOBIG, TEXT_VALUE_MAX);
    }
    if (parser->args_size + (size_t)size > REQUEST_SIZE_MAX) {
        return fail(parser, Q_ETOOBIG, TEXT_REQUEST_MAX);
    }
    parser->bulk_size = (size_t)size;
    parser->args_size += (size_t)size;
    parser->in_bulk = true;
    return Q_OK;
}

/* Reads arguments until the array is whole, noting those that fit in `args`. */
static int read_bulks(struct resp_parser *parser,
                      struct bytes in,
                      struct bytes *args,
                      size_t args_max)
{
    while (parser->args_seen < parser->args_expected) {
        if (!parser->in_bulk) {
            const int result = read_bulk_size(parser, in);
            if (result != Q_OK) {
                return result;
            }
        }
        if (in.size - parser->at < parser->bulk_size + (Q_PLANT(B75) ? 0 : 2)) {
            return Q_EAGAIN;
        }
        const uint8_t *bulk = in.data + parser->at;
        if (bulk[parser->bulk_size] != '\r' || bulk[parser->bulk_size + 1] != '\n') {
            return fail(parser, Q_EPROTO, "ERR Protocol error: expected CRLF after an argument");
        }
        if (parser->args_seen < args_max) {
            args[parser->args_seen] = bytes_of(bulk, parser->bulk_size);
        }
        parser->args_seen++;
        parser->at += parser->bulk_size + 2;
        parser->in_bulk = false;
    }
    return Q_OK;
}

/* Walks a whole, already judged array again: its slices pointed into an earlier buffer. */
static void collect_again(struct bytes in, struct bytes *args, size_t args_max)
{
    struct resp_parser again = {0};
    const int counted = read_array_count(&again, in);
    Q_CHECK(counted == Q_OK);
    const int result = read_bulks(&again, in, args, args_max);
    Q_CHECK(result == Q_OK && again.args_seen <= args_max);
}

static void start_next_command(struct resp_parser *parser, size_t arg_count, size_t consumed)
{
    *parser = (struct resp_parser){.arg_count = arg_count, .consumed = consumed};
}

static int parse_array(struct resp_parser *parser,
                       struct bytes in,
                       struct bytes *args,
                       size_t args_max)
{
    if (!parser->in_array) {
        const int result = read_array_count(parser, in);
        if (result != Q_OK) {
            return result;
        }
    }
    const int result = read_bulks(parser, in, args, args_max);
    if (result != Q_OK) {
        parser->is_resumed = true;
        return result;
    }
    if (parser->args_seen > args_max) {
        parser->arg_count = parser->args_seen;
        parser->is_resumed = true;
        return Q_ENOMEM;
    }
    if (parser->is_resumed) {
        collect_again(in, args, args_max);
    }
    start_next_command(parser, parser->args_seen, parser->at);
    return Q_OK;
}

/* A browser or a cross-protocol attack talks HTTP to this port: nothing of it may be executed. */
static bool is_http(struct bytes word)
{
    return bytes_equal_word(word, "POST") || bytes_equal_word(word, "HOST:");
}

static int parse_inline(
    struct resp_parser *parser, uint8_t *data, size_t size, struct bytes *args, size_t args_max)
{
    const size_t limit = size < INLINE_SIZE_MAX ? size : INLINE_SIZE_MAX;
    while (parser->at < limit && data[parser->at] != '\n') {
        parser->at++;
    }
    if (parser->at == limit) {
        return limit < INLINE_SIZE_MAX
                   ? Q_EAGAIN
                   : fail(parser, Q_EPROTO, "ERR Protocol error: too big inline request");
    }
    const size_t length =
        parser->at > 0 && data[parser->at - 1] == '\r' ? parser->at - 1 : parser->at;
    size_t count = 0;
    if (!resp_inline_count(bytes_of(data, length), &count)) {
        return fail(parser, Q_EPROTO, "ERR Protocol error: unbalanced quotes in request");
    }
    if (count > args_max) {
        parser->arg_count = count;
        return Q_ENOMEM;
    }
    resp_inline_split(data, length, args, count);
    if (count > 0 && is_http(args[0])) {
        return fail(parser, Q_EPROTO, "ERR Protocol error: this port speaks RESP, not HTTP");
    }
    start_next_command(parser, count, parser->at + 1);
    return Q_OK;
}

/* A word takes at least one byte and a separator. */
_Static_assert(INLINE_SIZE_MAX / 2 <= REQUEST_ARGS_MAX, "an inline command cannot exceed it");

int resp_parse_command(
    struct resp_parser *parser, uint8_t *data, size_t size, struct bytes *args, size_t args_max)
{
    Q_CHECK(parser->at <= size);
    if (size == 0) {
        return Q_EAGAIN;
    }
    if (data[0] == '*') {
        return parse_array(parser, bytes_of(data, size), args, args_max);
    }
    return parse_inline(parser, data, size, args, args_max);
}
