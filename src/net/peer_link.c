#include "net/peer_link.h"

#include "base/check.h"
#include "base/err.h"
#include "base/os/clock.h"
#include "base/os/heap.h"
#include "base/os/log.h"
#include "wire/frame.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>

#define BACKOFF_FIRST_MS 50
#define BACKOFF_MAX_MS   500
/* A SYN into a partition would otherwise be retried by the kernel at 1, 3, 7 s, long after the
 * partition healed. */
#define DIAL_TIMEOUT_MS       1000
#define UNACKNOWLEDGED_MAX_MS 3000
/* A connection that ends sooner was refused by the peer (another cluster, a wrong list): dialling
 * it anew at once, and saying so each time, would only make noise. */
#define SHORT_LIFE_MS 1000
/* A queue that grew past this is given back when empty. */
#define KEEP_SIZE ((size_t)16 * 1024 * 1024)

enum link_state { LINK_WAITING, LINK_RESOLVING, LINK_DIALLING, LINK_CONNECTED, LINK_BREAKING };

struct peer_link {
    uv_tcp_t socket; /* Open in DIALLING, CONNECTED and BREAKING. */
    uv_timer_t timer;
    uv_getaddrinfo_t lookup;
    uv_connect_t connect;
    uv_write_t write;
    struct loop_work work;
    struct loop *loop;
    struct peer_link_options options;
    enum link_state state;
    struct buf queue;   /* Owned. Sealed frames, and at its end maybe one being made. */
    struct buf writing; /* Owned. What uv_write has in hand while is_writing. */
    size_t message_at;  /* Size of `queue` when the current message began. */
    bool is_writing;
    bool in_message;
    bool is_closing;
    bool timer_is_open;
    uint32_t backoff_ms;
    uint32_t failures;    /* Dials in a row without success: only the first is logged. */
    uint32_t short_lives; /* Connections in a row that ended at once; likewise. */
    uint64_t connected_at_ms;
    struct peer_link_stats stats;
    uint8_t nothing[256]; /* The peer never writes here; reading tells us when it hangs up. */
};

static void dial_later(struct peer_link *link);

static void release(struct peer_link *link)
{
    if (link->is_closing && link->state == LINK_WAITING && !link->timer_is_open) {
        buf_deinit(&link->queue);
        buf_deinit(&link->writing);
        heap_free(link);
    }
}

static void socket_closed(uv_handle_t *handle)
{
    struct peer_link *link = handle->data;
    link->state = LINK_WAITING;
    link->is_writing = false;
    buf_clear(&link->writing);
    if (link->is_closing) {
        release(link);
    } else {
        dial_later(link);
    }
}

static void note_life(struct peer_link *link)
{
    if (clock_monotonic_ms() - link->connected_at_ms < SHORT_LIFE_MS) {
        link->short_lives++;
    } else {
        link->short_lives = 0;
        link->backoff_ms = BACKOFF_FIRST_MS;
    }
}

/* The connection, or the attempt, is over. */
static void break_off(struct peer_link *link, const char *reason)
{
    if (link->state == LINK_BREAKING || link->state == LINK_WAITING) {
        return;
    }
    const bool was_connected = link->state == LINK_CONNECTED;
    const bool is_repeat = was_connected ? link->short_lives > 0 : link->failures > 0;
    if (was_connected) {
        note_life(link);
    } else {
        link->failures++;
    }
    if (!link->is_closing && !is_repeat) {
        log_event(LOG_WARN, was_connected ? "peer_lost" : "peer_unreachable",
                  "peer=%u address=\"%s:%u\" reason=\"%s\"", link->options.peer,
                  link->options.address.host, link->options.address.port, reason);
    }
    link->state = LINK_BREAKING;
    loop_unmark(&link->work);
    uv_close((uv_handle_t *)&link->socket, socket_closed);
    if (!link->in_message) {
        buf_clear(&link->queue);
    }
    if (was_connected && !link->is_closing) {
        link->options.changed(link->options.context, link->options.peer, false);
    }
}

static void reserve(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    (void)suggested;
    struct peer_link *link = handle->data;
    *out = uv_buf_init((char *)link->nothing, sizeof link->nothing);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *room)
{
    (void)room;
    if (size < 0) {
        break_off(stream->data, size == UV_EOF ? "closed by the peer" : uv_strerror((int)size));
    }
}

static void on_written(uv_write_t *request, int status)
{
    struct peer_link *link = request->data;
    link->is_writing = false;
    buf_clear(&link->writing);
    if (status != 0) {
        break_off(link, uv_strerror(status));
    } else if (buf_size(&link->queue) > 0) {
        loop_mark(link->loop, LOOP_PEERS, &link->work);
    }
}

static void flush(struct loop_work *work)
{
    struct peer_link *link = LIST_ITEM(work, struct peer_link, work);
    const struct bytes all = buf_bytes(&link->queue);
    if (link->state != LINK_CONNECTED || link->is_writing || all.size == 0) {
        return;
    }
    Q_CHECK(!link->in_message);
    /* uv_buf_t has no const; writing only reads. */
    uv_buf_t piece = {.base = (char *)(uintptr_t)all.data, .len = all.size};
    const int written = uv_try_write((uv_stream_t *)&link->socket, &piece, 1);
    if (written < 0 && written != UV_EAGAIN) {
        break_off(link, uv_strerror(written));
        return;
    }
    buf_trim(&link->queue, written > 0 ? (size_t)written : 0);
    if (buf_size(&link->queue) == 0) {
        if (link->queue.capacity > KEEP_SIZE) {
            buf_deinit(&link->queue);
        }
        return;
    }
    const struct buf spare = link->writing;
    link->writing = link->queue;
    link->queue = spare;
    const struct bytes rest = buf_bytes(&link->writing);
    piece = (uv_buf_t){.base = (char *)(uintptr_t)rest.data, .len = rest.size};
    link->is_writing = true;
    link->write.data = link;
    const int result = uv_write(&link->write, (uv_stream_t *)&link->socket, &piece, 1, on_written);
    if (result != 0) {
        break_off(link, uv_strerror(result));
    }
}

static void on_connected(uv_connect_t *request, int status)
{
    struct peer_link *link = request->data;
    if (link->state != LINK_DIALLING) {
        return;
    }
    (void)uv_timer_stop(&link->timer);
    if (status != 0) {
        break_off(link, uv_strerror(status));
        return;
    }
    /* These fail only on a socket that is dead already; reading it will tell. */
    (void)uv_tcp_nodelay(&link->socket, 1);
    uv_os_fd_t fd = -1;
    if (uv_fileno((const uv_handle_t *)&link->socket, &fd) == 0) {
        const unsigned timeout_ms = UNACKNOWLEDGED_MAX_MS;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
    }
    link->state = LINK_CONNECTED;
    link->connected_at_ms = clock_monotonic_ms();
    link->failures = 0;
    link->stats.connects++;
    buf_clear(&link->queue);
    if (link->short_lives == 0) {
        log_event(LOG_INFO, "peer_connected", "peer=%u address=\"%s:%u\"", link->options.peer,
                  link->options.address.host, link->options.address.port);
    }
    if (uv_read_start((uv_stream_t *)&link->socket, reserve, on_read) != 0) {
        break_off(link, "cannot read");
        return;
    }
    link->options.changed(link->options.context, link->options.peer, true);
}

static void dial_timed_out(uv_timer_t *timer)
{
    break_off(timer->data, "no answer");
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct peer_link *link = request->data;
    link->state = LINK_WAITING;
    if (link->is_closing) {
        uv_freeaddrinfo(found);
        release(link);
        return;
    }
    if (status != 0) {
        if (link->failures++ == 0) {
            log_event(LOG_WARN, "peer_unreachable", "peer=%u address=\"%s:%u\" reason=\"%s\"",
                      link->options.peer, link->options.address.host, link->options.address.port,
                      uv_strerror(status));
        }
        dial_later(link);
        return;
    }
    Q_CHECK(uv_tcp_init(loop_uv(link->loop), &link->socket) == 0);
    link->socket.data = link;
    link->state = LINK_DIALLING;
    link->connect.data = link;
    const int result = uv_tcp_connect(&link->connect, &link->socket, found->ai_addr, on_connected);
    uv_freeaddrinfo(found);
    if (result != 0) {
        break_off(link, uv_strerror(result));
        return;
    }
    (void)uv_timer_start(&link->timer, dial_timed_out, DIAL_TIMEOUT_MS, 0);
}

static void dial(uv_timer_t *timer)
{
    struct peer_link *link = timer->data;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    char port[8];
    (void)snprintf(port, sizeof port, "%u", (unsigned)link->options.address.port);
    link->state = LINK_RESOLVING;
    link->lookup.data = link;
    if (uv_getaddrinfo(loop_uv(link->loop), &link->lookup, on_resolved, link->options.address.host,
                       port, &hints) != 0) {
        link->state = LINK_WAITING;
        dial_later(link);
    }
}

static void dial_later(struct peer_link *link)
{
    const uint32_t wait_ms = link->backoff_ms;
    link->backoff_ms = wait_ms * 2 < BACKOFF_MAX_MS ? wait_ms * 2 : BACKOFF_MAX_MS;
    /* Jitter keeps nodes that lost each other at the same moment from dialling in step. */
    const uint32_t jitter_ms = (uint32_t)(clock_monotonic_us() % (wait_ms / 4 + 1));
    (void)uv_timer_start(&link->timer, dial, wait_ms - jitter_ms, 0);
}

struct peer_link *peer_link_new(struct loop *loop, const struct peer_link_options *options)
{
    struct peer_link *link = heap_alloc(sizeof *link);
    link->loop = loop;
    link->options = *options;
    if (link->options.queue_size_max == 0) {
        link->options.queue_size_max = PEER_QUEUE_SIZE_MAX;
    }
    link->backoff_ms = BACKOFF_FIRST_MS;
    loop_work_init(&link->work, flush);
    (void)uv_timer_init(loop_uv(loop), &link->timer);
    link->timer.data = link;
    link->timer_is_open = true;
    (void)uv_timer_start(&link->timer, dial, 0, 0);
    return link;
}

static void timer_closed(uv_handle_t *handle)
{
    struct peer_link *link = handle->data;
    link->timer_is_open = false;
    release(link);
}

void peer_link_close(struct peer_link *link)
{
    if (link == NULL || link->is_closing) {
        return;
    }
    link->is_closing = true;
    loop_unmark(&link->work);
    uv_close((uv_handle_t *)&link->timer, timer_closed);
    if (link->state == LINK_RESOLVING) {
        (void)uv_cancel((uv_req_t *)&link->lookup); /* Else on_resolved finds is_closing. */
    } else {
        break_off(link, "shutting down");
    }
}

struct buf *peer_link_begin(struct peer_link *link)
{
    Q_CHECK(!link->in_message);
    if (link->state != LINK_CONNECTED || link->is_closing) {
        return NULL;
    }
    if (buf_size(&link->queue) + buf_size(&link->writing) >= link->options.queue_size_max) {
        link->stats.dropped++;
        return NULL;
    }
    link->in_message = true;
    link->message_at = buf_size(&link->queue);
    (void)buf_reserve(&link->queue, FRAME_HEADER_SIZE);
    buf_added(&link->queue, FRAME_HEADER_SIZE);
    return &link->queue;
}

void peer_link_end(struct peer_link *link)
{
    Q_CHECK(link->in_message);
    link->in_message = false;
    const size_t size = buf_size(&link->queue) - link->message_at;
    const struct frame frame = {
        .cluster_id = link->options.cluster_id(link->options.context),
        .from = link->options.self,
        .to = link->options.peer,
    };
    uint8_t *start = link->queue.data + link->queue.start + link->message_at;
    if (frame_seal(start, size, &frame) != Q_OK) {
        log_event(LOG_ERROR, "peer_message_too_big", "peer=%u bytes=%zu", link->options.peer, size);
        buf_chop_to(&link->queue, link->message_at);
        return;
    }
    link->stats.messages++;
    link->stats.bytes += size;
    loop_mark(link->loop, LOOP_PEERS, &link->work);
}

bool peer_link_is_connected(const struct peer_link *link)
{
    return link->state == LINK_CONNECTED;
}

struct peer_link_stats peer_link_stats(const struct peer_link *link)
{
    return link->stats;
}
