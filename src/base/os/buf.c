#include "base/os/buf.h"

#include "base/check.h"
#include "base/os/heap.h"

#include <stdarg.h>
#include <stdio.h>

#define CAPACITY_FIRST 256

void buf_deinit(struct buf *buf)
{
    heap_free(buf->data);
    *buf = (struct buf){0};
}

void buf_clear(struct buf *buf)
{
    buf->start = 0;
    buf->end = 0;
}

uint8_t *buf_reserve(struct buf *buf, size_t size)
{
    if (buf->capacity - buf->end < size) {
        const size_t used = buf_size(buf);
        /* Sliding down is cheaper than growing once at least half of the memory was taken. */
        if (buf->start >= used && buf->capacity - used >= size) {
            if (used > 0) {
                memcpy(buf->data, buf->data + buf->start, used);
            }
        } else {
            size_t capacity = buf->capacity > 0 ? buf->capacity * 2 : CAPACITY_FIRST;
            while (capacity < used + size) {
                capacity *= 2;
            }
            uint8_t *data = heap_alloc_raw(capacity);
            if (used > 0) {
                memcpy(data, buf->data + buf->start, used);
            }
            heap_free(buf->data);
            buf->data = data;
            buf->capacity = capacity;
        }
        buf->start = 0;
        buf->end = used;
    }
    return buf->data + buf->end;
}

void buf_append(struct buf *buf, struct bytes bytes)
{
    if (bytes.size > 0) {
        memcpy(buf_reserve(buf, bytes.size), bytes.data, bytes.size);
        buf->end += bytes.size;
    }
}

void buf_append_text(struct buf *buf, const char *text)
{
    buf_append(buf, bytes_of_text(text));
}

void buf_append_format(struct buf *buf, const char *format, ...)
{
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    const int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    Q_CHECK(size >= 0);
    if ((size_t)size < sizeof line) {
        buf_append(buf, bytes_of(line, (size_t)size));
        return;
    }
    uint8_t *room = buf_reserve(buf, (size_t)size + 1);
    va_start(arguments, format);
    (void)vsnprintf((char *)room, (size_t)size + 1, format, arguments);
    va_end(arguments);
    buf_added(buf, (size_t)size);
}

void buf_append_uint(struct buf *buf, uint64_t value, size_t width)
{
    uint8_t *room = buf_reserve(buf, width);
    for (size_t i = 0; i < width; i++) {
        room[i] = (uint8_t)(value >> (8 * i));
    }
    buf_added(buf, width);
}

void buf_trim(struct buf *buf, size_t size)
{
    Q_CHECK(size <= buf_size(buf));
    buf->start += size;
    if (buf->start == buf->end) {
        buf_clear(buf);
    }
}

void buf_chop_to(struct buf *buf, size_t size)
{
    Q_CHECK(size <= buf_size(buf));
    buf->end = buf->start + size;
}
