/* Bounded reading and writing of wire and disk formats.
 *
 * All integers are little endian unless a function says otherwise. A reader or writer that runs
 * out of room sets `failed` and from then on returns zeros or drops bytes: a codec reads like the
 * schema of its message and tests `failed` once at the end.
 */
#ifndef Q_BASE_CURSOR_H
#define Q_BASE_CURSOR_H

#include "base/bytes.h"

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

struct writer {
    uint8_t *start;
    uint8_t *at;
    uint8_t *end;
    bool failed;
};

static inline struct reader reader_of(struct bytes bytes)
{
    static const uint8_t nothing[1] = {0};
    const uint8_t *data = bytes.size > 0 ? bytes.data : nothing;
    return (struct reader){.at = data, .end = data + bytes.size, .failed = false};
}

static inline size_t reader_left(const struct reader *r)
{
    return (size_t)(r->end - r->at);
}

/* True when everything was read and nothing was missing. */
static inline bool reader_is_done(const struct reader *r)
{
    return !r->failed && r->at == r->end;
}

/* Borrowed from the reader's input. */
static inline struct bytes read_bytes(struct reader *r, size_t size)
{
    if (r->failed || size > reader_left(r)) {
        r->failed = true;
        return (struct bytes){.data = r->at, .size = 0};
    }
    const struct bytes out = {.data = r->at, .size = size};
    r->at += size;
    return out;
}

static inline uint64_t read_uint(struct reader *r, size_t width)
{
    const struct bytes in = read_bytes(r, width);
    uint64_t value = 0;
    for (size_t i = in.size; i > 0; i--) {
        value = value << 8 | in.data[i - 1];
    }
    return value;
}

static inline uint8_t read_u8(struct reader *r)
{
    return (uint8_t)read_uint(r, 1);
}

static inline uint16_t read_u16(struct reader *r)
{
    return (uint16_t)read_uint(r, 2);
}

static inline uint32_t read_u32(struct reader *r)
{
    return (uint32_t)read_uint(r, 4);
}

static inline uint64_t read_u64(struct reader *r)
{
    return read_uint(r, 8);
}

/* A u32 length followed by that many bytes. */
static inline struct bytes read_sized(struct reader *r)
{
    const uint32_t size = read_u32(r);
    return read_bytes(r, size);
}

static inline struct writer writer_of(void *memory, size_t size)
{
    uint8_t *start = (uint8_t *)memory;
    return (struct writer){.start = start, .at = start, .end = start + size, .failed = false};
}

static inline size_t writer_size(const struct writer *w)
{
    return (size_t)(w->at - w->start);
}

static inline void write_bytes(struct writer *w, struct bytes bytes)
{
    if (w->failed || bytes.size > (size_t)(w->end - w->at)) {
        w->failed = true;
        return;
    }
    if (bytes.size > 0) {
        memcpy(w->at, bytes.data, bytes.size);
        w->at += bytes.size;
    }
}

static inline void write_uint(struct writer *w, uint64_t value, size_t width)
{
    uint8_t out[8];
    for (size_t i = 0; i < width; i++) {
        out[i] = (uint8_t)(value >> (8 * i));
    }
    write_bytes(w, bytes_of(out, width));
}

static inline void write_u8(struct writer *w, uint8_t value)
{
    write_uint(w, value, 1);
}

static inline void write_u16(struct writer *w, uint16_t value)
{
    write_uint(w, value, 2);
}

static inline void write_u32(struct writer *w, uint32_t value)
{
    write_uint(w, value, 4);
}

static inline void write_u64(struct writer *w, uint64_t value)
{
    write_uint(w, value, 8);
}

/* Big endian, for keys whose byte order must be their numeric order. */
static inline void write_u64_ordered(struct writer *w, uint64_t value)
{
    uint8_t out[8];
    for (size_t i = 0; i < 8; i++) {
        out[i] = (uint8_t)(value >> (56 - 8 * i));
    }
    write_bytes(w, bytes_of(out, 8));
}

static inline void write_sized(struct writer *w, struct bytes bytes)
{
    write_u32(w, (uint32_t)bytes.size);
    write_bytes(w, bytes);
}

#endif
