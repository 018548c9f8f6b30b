/* A reply, as bytes that every front can print and every peer can pass on.
 *
 * Items are written one after the other: a tag byte and its contents. An array of n is the tag, n,
 * and then n items. A front walks it with reply_read.
 *
 *   'N' nil | 'I' i64 | 'B' u32 size, bytes | 'S' u32 size, text (status) | 'E' u32 size, text
 *   (error: "PREFIX message", the prefix is an API) | 'A' u32 count
 */
#ifndef Q_NODE_REPLY_H
#define Q_NODE_REPLY_H

#include "base/bytes.h"
#include "base/cursor.h"
#include "base/os/buf.h"

enum reply_kind {
    REPLY_NIL = 'N',
    REPLY_INTEGER = 'I',
    REPLY_BULK = 'B',
    REPLY_STATUS = 'S',
    REPLY_ERROR = 'E',
    REPLY_ARRAY = 'A'
};

struct reply_item {
    enum reply_kind kind;
    int64_t integer;    /* REPLY_INTEGER; REPLY_ARRAY: its count. */
    struct bytes bytes; /* REPLY_BULK, REPLY_STATUS, REPLY_ERROR: borrowed. */
};

void reply_nil(struct buf *out);
void reply_integer(struct buf *out, int64_t value);
void reply_bulk(struct buf *out, struct bytes value);
void reply_status(struct buf *out, const char *text);
/* `prefix` is one word of docs/reference/errors.md: ERR, WRONGTYPE, OUTCOMEUNKNOWN ... */
void reply_error(struct buf *out, const char *prefix, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void reply_array(struct buf *out, size_t count);

/* Next item; false at the end or when malformed (then r->failed). */
bool reply_read(struct reader *r, struct reply_item *out_item);

#endif
