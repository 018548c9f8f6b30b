#include "front/resp_print.h"

#include "base/check.h"
#include "node/reply.h"

#include <stdarg.h>
#include <stdio.h>

#define ERROR_TEXT_MAX 512

/* "<type><value>\r\n", the line that begins most replies. */
static void print_count(struct buf *out, char type, int64_t value)
{
    uint8_t *room = buf_reserve(out, 32);
    room[0] = (uint8_t)type;
    const size_t digits = bytes_from_int64(value, room + 1);
    room[1 + digits] = '\r';
    room[2 + digits] = '\n';
    buf_added(out, digits + 3);
}

static void print_line(struct buf *out, char type, struct bytes text)
{
    uint8_t *room = buf_reserve(out, 2 * text.size + 3);
    size_t size = 0;
    room[size++] = (uint8_t)type;
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t c = text.data[i];
        if (c == '\r' || c == '\n') {
            room[size++] = '\\';
            room[size++] = c == '\r' ? 'r' : 'n';
        } else {
            room[size++] = c;
        }
    }
    room[size++] = '\r';
    room[size++] = '\n';
    buf_added(out, size);
}

void resp_print_status(struct buf *out, struct bytes text)
{
    print_line(out, '+', text);
}

void resp_print_error(struct buf *out, struct bytes text)
{
    print_line(out, '-', text);
}

void resp_print_error_format(struct buf *out, const char *prefix, const char *format, ...)
{
    char text[ERROR_TEXT_MAX];
    const int prefix_size = snprintf(text, sizeof text, "%s ", prefix);
    Q_CHECK(prefix_size > 1 && (size_t)prefix_size < sizeof text);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text + prefix_size, sizeof text - (size_t)prefix_size, format, arguments);
    va_end(arguments);
    resp_print_error(out, bytes_of_text(text));
}

void resp_print_integer(struct buf *out, int64_t value)
{
    print_count(out, ':', value);
}

void resp_print_bulk(struct buf *out, struct bytes value)
{
    print_count(out, '$', (int64_t)value.size);
    uint8_t *room = buf_reserve(out, value.size + 2);
    if (value.size > 0) {
        memcpy(room, value.data, value.size);
    }
    room[value.size] = '\r';
    room[value.size + 1] = '\n';
    buf_added(out, value.size + 2);
}

void resp_print_text(struct buf *out, const char *value)
{
    resp_print_bulk(out, bytes_of_text(value));
}

void resp_print_array(struct buf *out, size_t count)
{
    print_count(out, '*', (int64_t)count);
}

void resp_print_nil(struct buf *out, int protocol)
{
    buf_append_text(out, protocol == RESP3 ? "_\r\n" : "$-1\r\n");
}

void resp_print_nil_array(struct buf *out, int protocol)
{
    buf_append_text(out, protocol == RESP3 ? "_\r\n" : "*-1\r\n");
}

void resp_print_map(struct buf *out, int protocol, size_t pair_count)
{
    if (protocol == RESP3) {
        print_count(out, '%', (int64_t)pair_count);
    } else {
        print_count(out, '*', (int64_t)pair_count * 2);
    }
}

void resp_print_set(struct buf *out, int protocol, size_t count)
{
    print_count(out, protocol == RESP3 ? '~' : '*', (int64_t)count);
}

void resp_print_boolean(struct buf *out, int protocol, bool value)
{
    if (protocol == RESP3) {
        buf_append_text(out, value ? "#t\r\n" : "#f\r\n");
    } else {
        print_count(out, ':', value ? 1 : 0);
    }
}

static void print_item(struct buf *out, int protocol, const struct reply_item *item)
{
    switch (item->kind) {
    case REPLY_NIL: resp_print_nil(out, protocol); break;
    case REPLY_INTEGER: resp_print_integer(out, item->integer); break;
    case REPLY_BULK: resp_print_bulk(out, item->bytes); break;
    case REPLY_STATUS: resp_print_status(out, item->bytes); break;
    case REPLY_ERROR: resp_print_error(out, item->bytes); break;
    case REPLY_ARRAY: resp_print_array(out, (size_t)item->integer); break;
    }
}

/* Prints the item in the command's own form; false when the plain form is the right one. */
static bool print_shaped(struct buf *out,
                         int protocol,
                         enum reply_shape shape,
                         const struct reply_item *item)
{
    switch (shape) {
    case SHAPE_OK_AS_ONE:
        if (item->kind != REPLY_STATUS && item->kind != REPLY_NIL) {
            return false;
        }
        resp_print_integer(out, item->kind == REPLY_STATUS ? 1 : 0);
        return true;
    case SHAPE_NIL_AS_ARRAY:
        if (item->kind != REPLY_NIL) {
            return false;
        }
        resp_print_nil_array(out, protocol);
        return true;
    case SHAPE_SCAN:
        if (item->kind != REPLY_INTEGER) {
            return false;
        }
        uint8_t digits[20];
        resp_print_bulk(out, bytes_of(digits, bytes_from_int64(item->integer, digits)));
        return true;
    case SHAPE_PLAIN: return false;
    }
    return false;
}

void resp_print_reply(struct buf *out, int protocol, enum reply_shape shape, struct bytes reply)
{
    const size_t before = buf_size(out);
    struct reader r = reader_of(reply);
    struct reply_item item;
    /* Items still to come: one, and whatever arrays announce. */
    uint64_t expected = 1;
    while (expected > 0 && reply_read(&r, &item)) {
        if (!print_shaped(out, protocol, shape, &item)) {
            print_item(out, protocol, &item);
        }
        expected += item.kind == REPLY_ARRAY ? (uint64_t)item.integer : 0;
        expected--;
    }
    if (expected > 0 || !reader_is_done(&r)) {
        buf_chop_to(out, before);
        resp_print_error(out, bytes_of_text("ERR internal error: malformed reply"));
    }
}
