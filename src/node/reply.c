#include "node/reply.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>

#define ERROR_TEXT_MAX 512

static void put_kind(struct buf *out, enum reply_kind kind)
{
    buf_append_uint(out, (uint64_t)kind, 1);
}

static void put_sized(struct buf *out, enum reply_kind kind, struct bytes bytes)
{
    Q_CHECK(bytes.size <= UINT32_MAX);
    put_kind(out, kind);
    buf_append_uint(out, bytes.size, 4);
    buf_append(out, bytes);
}

void reply_nil(struct buf *out)
{
    put_kind(out, REPLY_NIL);
}

void reply_integer(struct buf *out, int64_t value)
{
    put_kind(out, REPLY_INTEGER);
    buf_append_uint(out, (uint64_t)value, 8);
}

void reply_bulk(struct buf *out, struct bytes value)
{
    put_sized(out, REPLY_BULK, value);
}

void reply_status(struct buf *out, const char *text)
{
    put_sized(out, REPLY_STATUS, bytes_of_text(text));
}

void reply_error(struct buf *out, const char *prefix, const char *format, ...)
{
    char text[ERROR_TEXT_MAX];
    const int prefix_size = snprintf(text, sizeof text, "%s ", prefix);
    Q_CHECK(prefix_size > 1 && (size_t)prefix_size < sizeof text);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text + prefix_size, sizeof text - (size_t)prefix_size, format, arguments);
    va_end(arguments);
    put_sized(out, REPLY_ERROR, bytes_of_text(text));
}

void reply_array(struct buf *out, size_t count)
{
    Q_CHECK(count <= UINT32_MAX);
    put_kind(out, REPLY_ARRAY);
    buf_append_uint(out, count, 4);
}

bool reply_read(struct reader *r, struct reply_item *out_item)
{
    if (r->failed || reader_left(r) == 0) {
        return false;
    }
    struct reply_item item = {.kind = (enum reply_kind)read_u8(r)};
    switch (item.kind) {
    case REPLY_NIL: break;
    case REPLY_INTEGER: item.integer = (int64_t)read_u64(r); break;
    case REPLY_BULK:
    case REPLY_STATUS:
    case REPLY_ERROR: item.bytes = read_sized(r); break;
    case REPLY_ARRAY: item.integer = (int64_t)read_u32(r); break;
    default: /* A byte from a peer, not an enumerator. */ r->failed = true; break;
    }
    if (r->failed) {
        return false;
    }
    *out_item = item;
    return true;
}
