/* A growable byte queue: append at the end, take from the front. Owns its memory. */
#ifndef Q_BASE_OS_BUF_H
#define Q_BASE_OS_BUF_H

#include "base/bytes.h"

struct buf {
    /* Owned. */
    uint8_t *data;
    size_t start; /* First byte not yet taken. */
    size_t end;   /* One past the last byte. */
    size_t capacity;
};

/* A zeroed struct buf is an empty one. Frees the memory; the buf is empty and usable again. */
void buf_deinit(struct buf *buf);
/* Forgets the contents, keeps the memory. */
void buf_clear(struct buf *buf);

static inline size_t buf_size(const struct buf *buf)
{
    return buf->end - buf->start;
}

/* Borrowed until the next call that changes the buf. */
static inline struct bytes buf_bytes(const struct buf *buf)
{
    /* An empty buf may have no memory, and neither NULL + 0 nor memcmp of NULL is defined in C. */
    static const uint8_t nothing[1] = {0};
    const uint8_t *data = buf->data == NULL ? nothing : buf->data + buf->start;
    return (struct bytes){.data = data, .size = buf->end - buf->start};
}

/* Makes room for `size` more bytes and returns where they go; commit them with buf_added. */
uint8_t *buf_reserve(struct buf *buf, size_t size);

static inline void buf_added(struct buf *buf, size_t size)
{
    buf->end += size;
}

void buf_append(struct buf *buf, struct bytes bytes);
void buf_append_text(struct buf *buf, const char *text);
void buf_append_format(struct buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void buf_append_uint(struct buf *buf, uint64_t value, size_t width); /* Little endian. */

/* Drops `size` bytes from the front; size <= buf_size(buf). */
void buf_trim(struct buf *buf, size_t size);
/* Drops bytes from the end until `size` are left; size <= buf_size(buf). */
void buf_chop_to(struct buf *buf, size_t size);

#endif
