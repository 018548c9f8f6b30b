/* Reads whole RESP2 replies for the load program; arrays of bulk strings are joined by ','.
 *
 * In a header because every .c file of this directory is a program of its own. Trusts the server
 * more than a client should: a reply it cannot make sense of is for the caller to notice.
 */
#ifndef Q_TESTS_CHAOS_REPLY_H
#define Q_TESTS_CHAOS_REPLY_H

#include "base/bytes.h"
#include "base/os/buf.h"

struct reply {
    char type; /* '+', '-', ':', '$', '*', '_' for nil, '?' for nonsense. */
    struct bytes text;
};

/* The line at `*at`, without CR LF, moving past it. False when it is not whole yet. */
static inline bool take_line(struct bytes in, size_t *at, struct bytes *out)
{
    const uint8_t *start = in.data + *at;
    const uint8_t *end = *at < in.size ? memchr(start, '\n', in.size - *at) : NULL;
    if (end == NULL || end == start) {
        return false;
    }
    *out = bytes_of(start, (size_t)(end - start) - 1);
    *at += out->size + 2;
    return true;
}

/* One string or number at `*at`. False when it is not whole yet. */
static inline bool take_scalar(struct bytes in, size_t *at, struct reply *out)
{
    struct bytes line;
    size_t next = *at;
    int64_t size = 0;
    if (!take_line(in, &next, &line)) {
        return false;
    }
    if (line.size == 0) {
        *out = (struct reply){.type = '?'};
        *at = next;
        return true;
    }
    *out =
        (struct reply){.type = (char)line.data[0], .text = bytes_of(line.data + 1, line.size - 1)};
    if (out->type == '$') {
        if (!bytes_to_int64(out->text, &size) || size < 0) {
            *out = (struct reply){.type = '_'};
        } else if (in.size - next < (size_t)size + 2) {
            return false;
        } else {
            out->text = bytes_of(in.data + next, (size_t)size);
            next += (size_t)size + 2;
        }
    }
    *at = next;
    return true;
}

/* `joined` keeps the text of an array. Returns the size of the reply, 0 when it is not whole. */
static inline size_t take_reply(struct bytes in, struct buf *joined, struct reply *out)
{
    size_t at = 0;
    int64_t count = 0;
    if (!take_scalar(in, &at, out)) {
        return 0;
    }
    if (out->type != '*') {
        return at;
    }
    if (!bytes_to_int64(out->text, &count) || count < 0) {
        *out = (struct reply){.type = '_'};
        return at;
    }
    buf_clear(joined);
    for (int64_t i = 0; i < count; i++) {
        struct reply item;
        if (!take_scalar(in, &at, &item)) {
            return 0;
        }
        buf_append_text(joined, i == 0 ? "" : ",");
        buf_append(joined, item.text);
    }
    *out = (struct reply){.type = '*', .text = buf_bytes(joined)};
    return at;
}

#endif
