/* The client side of HTTP/2 and gRPC that one etcd Put or Range needs (RFC 9113, 7541).
 *
 * Requests use indexed headers from the second one on (6 bytes), as a real gRPC client's do.
 * Replies are not decoded beyond frames: a reply is good when a DATA frame came before the
 * trailers, since gRPC sends a failed unary call without one. Used by tests/bench/loadgen.c only,
 * hence in one header.
 */
#ifndef Q_TESTS_BENCH_HTTP2_H
#define Q_TESTS_BENCH_HTTP2_H

#include "base/bytes.h"
#include "base/os/buf.h"

#include <stdio.h>

#define HTTP2_STREAMS_MAX 64 /* In flight on a connection. */
#define HTTP2_HEAD_SIZE   9
#define HTTP2_WINDOW      65535

enum http2_type {
    HTTP2_DATA = 0,
    HTTP2_HEADERS = 1,
    HTTP2_RST_STREAM = 3,
    HTTP2_SETTINGS = 4,
    HTTP2_PING = 6,
    HTTP2_GOAWAY = 7,
    HTTP2_WINDOW_UPDATE = 8
};

#define HTTP2_END_STREAM  1
#define HTTP2_ACK         1
#define HTTP2_END_HEADERS 4

enum http2_event { HTTP2_MORE, HTTP2_GOING_ON, HTTP2_DONE, HTTP2_BROKEN };

struct http2 {
    bool is_range;
    uint16_t port;
    bool headers_known; /* The server's HPACK table has ours. */
    uint32_t next_stream;
    int64_t send_window; /* Of the connection; a stream's own is never filled by one request. */
    struct {
        uint32_t stream; /* 0 = free. */
        bool has_data;
    } slots[HTTP2_STREAMS_MAX];
};

struct http2_done {
    size_t slot;
    bool good;
};

static inline void http2_append_ordered(struct buf *out, uint64_t value, size_t width)
{
    for (size_t i = width; i > 0; i--) {
        buf_append_uint(out, value >> (8 * (i - 1)) & 0xff, 1);
    }
}

static inline void http2_append_head(
    struct buf *out, size_t size, enum http2_type type, uint8_t flags, uint32_t stream)
{
    http2_append_ordered(out, size, 3);
    http2_append_ordered(out, (uint64_t)type, 1);
    http2_append_ordered(out, flags, 1);
    http2_append_ordered(out, stream, 4);
}

static inline void http2_init(struct http2 *http2, bool is_range, uint16_t port, struct buf *out)
{
    *http2 = (struct http2){
        .is_range = is_range, .port = port, .next_stream = 1, .send_window = HTTP2_WINDOW};
    buf_append_text(out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    http2_append_head(out, 0, HTTP2_SETTINGS, 0, 0);
    /* Enough to receive for the whole run, so that the window never limits the server. */
    http2_append_head(out, 4, HTTP2_WINDOW_UPDATE, 0, 0);
    http2_append_ordered(out, (1u << 30), 4);
}

/* Literal with incremental indexing; the name is one of the static table (index < 64), or new. */
static inline void http2_append_header(struct buf *out,
                                       uint8_t name_index,
                                       const char *name,
                                       const char *value)
{
    buf_append_uint(out, 0x40u | name_index, 1);
    if (name_index == 0) {
        buf_append_uint(out, strlen(name), 1);
        buf_append_text(out, name);
    }
    buf_append_uint(out, strlen(value), 1);
    buf_append_text(out, value);
}

static inline void http2_append_headers(struct http2 *http2, struct buf *out)
{
    struct buf block = {0};
    buf_append_text(&block, "\x83\x86"); /* :method POST, :scheme http. */
    if (http2->headers_known) {
        buf_append_text(&block, "\xc1\xc0\xbf\xbe"); /* The four below, newest = 62. */
    } else {
        char authority[32];
        (void)snprintf(authority, sizeof authority, "127.0.0.1:%u", http2->port);
        http2_append_header(&block, 4, ":path",
                            http2->is_range ? "/etcdserverpb.KV/Range" : "/etcdserverpb.KV/Put");
        http2_append_header(&block, 1, ":authority", authority);
        http2_append_header(&block, 31, "content-type", "application/grpc");
        http2_append_header(&block, 0, "te", "trailers");
        http2->headers_known = true;
    }
    http2_append_head(out, buf_size(&block), HTTP2_HEADERS, HTTP2_END_HEADERS, http2->next_stream);
    buf_append(out, buf_bytes(&block));
    buf_deinit(&block);
}

/* A protobuf field of bytes. */
static inline void http2_append_field(struct buf *out, uint8_t number, struct bytes bytes)
{
    buf_append_uint(out, (uint64_t)(number << 3 | 2), 1);
    size_t rest = bytes.size;
    for (; rest >= 0x80; rest >>= 7) {
        buf_append_uint(out, (rest & 0x7f) | 0x80, 1);
    }
    buf_append_uint(out, rest, 1);
    buf_append(out, bytes);
}

static inline bool http2_has_room(const struct http2 *http2, size_t payload)
{
    return http2->send_window >= (int64_t)payload + 64;
}

/* Where the next request's state will be. There must be a free one. */
static inline size_t http2_next_slot(const struct http2 *http2)
{
    size_t slot = 0;
    while (slot + 1 < HTTP2_STREAMS_MAX && http2->slots[slot].stream != 0) {
        slot++;
    }
    return slot;
}

/* Range of `key`, or Put of `key` = `value`. False when there is no room. */
static inline bool http2_append_request(struct http2 *http2,
                                        struct buf *out,
                                        struct bytes key,
                                        struct bytes value)
{
    const size_t slot = http2_next_slot(http2);
    if (http2->slots[slot].stream != 0 || !http2_has_room(http2, key.size + value.size)) {
        return false;
    }
    struct buf message = {0};
    http2_append_field(&message, 1, key);
    if (!http2->is_range) {
        http2_append_field(&message, 2, value);
    }
    http2_append_headers(http2, out);
    const size_t size = 5 + buf_size(&message);
    http2_append_head(out, size, HTTP2_DATA, HTTP2_END_STREAM, http2->next_stream);
    buf_append_uint(out, 0, 1); /* Not compressed. */
    http2_append_ordered(out, buf_size(&message), 4);
    buf_append(out, buf_bytes(&message));
    buf_deinit(&message);
    http2->slots[slot].stream = http2->next_stream;
    http2->slots[slot].has_data = false;
    http2->next_stream += 2;
    http2->send_window -= (int64_t)size;
    return true;
}

static inline uint32_t http2_ordered(const uint8_t *at, size_t width)
{
    uint32_t value = 0;
    for (size_t i = 0; i < width; i++) {
        value = value << 8 | at[i];
    }
    return value;
}

/* The slot of a stream, HTTP2_STREAMS_MAX when it has none (any more). */
static inline size_t http2_slot_of(const struct http2 *http2, uint32_t stream)
{
    size_t slot = 0;
    while (slot < HTTP2_STREAMS_MAX && (stream == 0 || http2->slots[slot].stream != stream)) {
        slot++;
    }
    return slot;
}

/* What a frame of the connection or of a stream that goes on asks for. */
static inline void http2_answer(
    struct http2 *http2, uint8_t type, uint8_t flags, struct bytes payload, struct buf *out)
{
    if (type == HTTP2_SETTINGS && (flags & HTTP2_ACK) == 0) {
        http2_append_head(out, 0, HTTP2_SETTINGS, HTTP2_ACK, 0);
    } else if (type == HTTP2_PING && (flags & HTTP2_ACK) == 0) {
        http2_append_head(out, payload.size, HTTP2_PING, HTTP2_ACK, 0);
        buf_append(out, payload);
    } else if (type == HTTP2_WINDOW_UPDATE && payload.size == 4) {
        http2->send_window += http2_ordered(payload.data, 4) & 0x7fffffff;
    }
}

/* Takes one frame from `in`; answers go to `out`. Call until HTTP2_MORE. */
static inline enum http2_event http2_take(struct http2 *http2,
                                          struct buf *in,
                                          struct buf *out,
                                          struct http2_done *out_done)
{
    const struct bytes all = buf_bytes(in);
    if (all.size < HTTP2_HEAD_SIZE) {
        return HTTP2_MORE;
    }
    const size_t size = http2_ordered(all.data, 3);
    const uint8_t type = all.data[3];
    const uint8_t flags = all.data[4];
    const uint32_t stream = http2_ordered(all.data + 5, 4) & 0x7fffffff;
    if (all.size < HTTP2_HEAD_SIZE + size) {
        return HTTP2_MORE;
    }
    const struct bytes payload = bytes_of(all.data + HTTP2_HEAD_SIZE, size);
    const size_t slot = http2_slot_of(http2, stream);
    const bool has_end =
        type == HTTP2_RST_STREAM ||
        ((type == HTTP2_HEADERS || type == HTTP2_DATA) && (flags & HTTP2_END_STREAM) != 0);
    enum http2_event event = type == HTTP2_GOAWAY ? HTTP2_BROKEN : HTTP2_GOING_ON;
    if (slot == HTTP2_STREAMS_MAX) {
        if (stream == 0) {
            http2_answer(http2, type, flags, payload, out);
        }
    } else {
        http2->slots[slot].has_data = http2->slots[slot].has_data || type == HTTP2_DATA;
        if (has_end) {
            out_done->slot = slot;
            out_done->good = type == HTTP2_HEADERS && http2->slots[slot].has_data;
            http2->slots[slot].stream = 0;
            event = HTTP2_DONE;
        }
    }
    buf_trim(in, HTTP2_HEAD_SIZE + size);
    return event;
}

#endif
