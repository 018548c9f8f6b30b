#include "net/connection.h"

#include "base/check.h"
#include "base/os/clock.h"
#include "base/os/heap.h"
#include "base/os/log.h"
#include "net/listener_private.h"

/* How long a client may take to hang up after we did. */
#define LEAVE_MS 1000
/* A write buffer that grew past this is given back when empty: ten thousand clients that once read
 * something large must not hold on to it. */
#define KEEP_SIZE ((size_t)1024 * 1024)

static const struct connection_owner *owner_of(const struct connection *connection)
{
    return &connection->listener->options.owner;
}

static const struct connection_limits *limits_of(const struct connection *connection)
{
    return &connection->listener->options.limits;
}

static size_t unwritten(const struct connection *connection)
{
    size_t size = connection->is_writing ? buf_size(&connection->writing) : 0;
    if (connection->session != NULL) {
        const struct buf *output = owner_of(connection)->output(connection->session);
        size += output != NULL ? buf_size(output) : 0;
    }
    return size;
}

static void tell_owner_closed(struct connection *connection)
{
    if (connection->session != NULL) {
        void *session = connection->session;
        connection->session = NULL;
        connection->listener->stats.serving--;
        owner_of(connection)->closed(session);
    }
}

static void handle_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;
    struct listener *listener = connection->listener;
    list_remove(&connection->link);
    listener->stats.open--;
    buf_deinit(&connection->writing);
    heap_free(connection);
    listener_release(listener);
}

void connection_close(struct connection *connection)
{
    if (connection->is_closing) {
        return;
    }
    connection->is_closing = true;
    loop_unmark(&connection->work);
    tell_owner_closed(connection);
    uv_close((uv_handle_t *)&connection->socket, handle_closed);
}

static void reserve(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    (void)suggested;
    struct connection *connection = handle->data;
    const size_t size = limits_of(connection)->read_size;
    if (connection->session == NULL) {
        /* Leaving: whatever comes is thrown away, so the old output's memory will do. */
        *out = uv_buf_init((char *)buf_reserve(&connection->writing, size), (unsigned)size);
        return;
    }
    uint8_t *room = owner_of(connection)->reserve(connection->session, size);
    *out = uv_buf_init((char *)room, (unsigned)size);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *room);

static void start_reading(struct connection *connection)
{
    if (!connection->is_reading) {
        connection->is_reading = true;
        if (uv_read_start((uv_stream_t *)&connection->socket, reserve, on_read) != 0) {
            connection_close(connection);
        }
    }
}

static void stop_reading(struct connection *connection)
{
    if (connection->is_reading) {
        connection->is_reading = false;
        (void)uv_read_stop((uv_stream_t *)&connection->socket);
    }
}

void connection_wake(struct connection *connection)
{
    if (!connection->is_closing) {
        loop_mark(connection->listener->loop, LOOP_CLIENTS, &connection->work);
    }
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *room)
{
    (void)room;
    struct connection *connection = stream->data;
    if (connection->is_closing || size == 0) {
        return;
    }
    if (size < 0) {
        if (size != UV_EOF || connection->session == NULL) {
            connection_close(connection);
            return;
        }
        /* "printf ... | nc" ends its side at once and still wants the answers. */
        connection->is_finished = true;
        stop_reading(connection);
        connection_wake(connection);
        return;
    }
    if (connection->session == NULL) {
        return;
    }
    connection->heard_ms = clock_monotonic_ms();
    owner_of(connection)->added(connection->session, (size_t)size);
    connection_wake(connection);
}

static void on_shutdown(uv_shutdown_t *request, int status)
{
    struct connection *connection = request->handle->data;
    if (status != 0) {
        connection_close(connection);
    }
}

static void leave(struct connection *connection)
{
    tell_owner_closed(connection);
    if (connection->is_finished) {
        connection_close(connection);
        return;
    }
    connection->is_leaving = true;
    connection->leave_by_ms = clock_monotonic_ms() + LEAVE_MS;
    if (uv_shutdown(&connection->shutdown, (uv_stream_t *)&connection->socket, on_shutdown) != 0) {
        connection_close(connection);
        return;
    }
    start_reading(connection);
}

static void on_written(uv_write_t *request, int status)
{
    struct connection *connection = request->data;
    connection->is_writing = false;
    buf_clear(&connection->writing);
    if (connection->writing.capacity > KEEP_SIZE) {
        buf_deinit(&connection->writing);
    }
    if (status != 0) {
        connection_close(connection);
        return;
    }
    connection->moved_ms = clock_monotonic_ms();
    connection_wake(connection);
}

/* What the socket did not take goes through uv_write; the two buffers change places. */
static bool write_rest(struct connection *connection, struct buf *output)
{
    const struct buf spare = connection->writing;
    connection->writing = *output;
    *output = spare;
    const struct bytes rest = buf_bytes(&connection->writing);
    const uv_buf_t piece = {.base = (char *)(uintptr_t)rest.data, .len = rest.size};
    connection->is_writing = true;
    connection->write.data = connection;
    return uv_write(&connection->write, (uv_stream_t *)&connection->socket, &piece, 1,
                    on_written) == 0;
}

/* False: the connection broke. */
static bool write_output(struct connection *connection, struct buf *output)
{
    const struct bytes all = buf_bytes(output);
    if (all.size == 0 || connection->is_writing) {
        return true;
    }
    /* uv_buf_t has no const; uv_try_write only reads. */
    const uv_buf_t piece = {.base = (char *)(uintptr_t)all.data, .len = all.size};
    const int written = uv_try_write((uv_stream_t *)&connection->socket, &piece, 1);
    if (written < 0 && written != UV_EAGAIN) {
        return false;
    }
    connection->moved_ms = clock_monotonic_ms();
    buf_trim(output, written > 0 ? (size_t)written : 0);
    return buf_size(output) == 0 || write_rest(connection, output);
}

/* Lets an owner that was full go on, before the output leaves (its replies may join it) and after
 * (output that left may be what it waited for). It may be full since a moment ago only: a reply can
 * come between the command that filled it and this flush, and no other wake would follow. False:
 * the connection broke. */
static bool push(struct connection *connection, void *session)
{
    const struct connection_owner *owner = owner_of(connection);
    struct buf *output = owner->output(session);
    const bool was_held = connection->is_held || owner->is_full(session);
    if (was_held) {
        owner->resume(session);
    }
    if (output != NULL && !write_output(connection, output)) {
        return false;
    }
    if (was_held) {
        owner->resume(session);
        if (output != NULL && buf_size(output) > 0 && !connection->is_writing) {
            connection_wake(connection);
        }
        /* What ran just now wants the owner's turn before the loop sleeps. */
        loop_again(connection->listener->loop);
    }
    return true;
}

static void flush(struct loop_work *work)
{
    struct connection *connection = LIST_ITEM(work, struct connection, work);
    const struct connection_owner *owner = owner_of(connection);
    void *session = connection->session;
    if (connection->is_closing || session == NULL) {
        return;
    }
    if (!push(connection, session)) {
        connection_close(connection);
        return;
    }
    const size_t left = unwritten(connection);
    if (left > limits_of(connection)->output_max) {
        connection->listener->stats.slow_closed++;
        log_event(LOG_WARN, "client_closed", "reason=\"too much unread output\" bytes=%zu", left);
        connection_close(connection);
        return;
    }
    const bool is_last = connection->is_finished || connection->listener->is_draining;
    if (left == 0 && (owner->wants_close(session) || (is_last && !owner->is_busy(session)))) {
        leave(connection);
        return;
    }
    connection->is_held = owner->is_full(session) || left > limits_of(connection)->output_stop;
    if (is_last || connection->is_held || owner->wants_close(session)) {
        stop_reading(connection);
    } else {
        start_reading(connection);
    }
}

void connection_check_time(struct connection *connection, uint64_t now_ms)
{
    struct listener *listener = connection->listener;
    const struct connection_limits *limits = limits_of(connection);
    if (connection->is_leaving) {
        if (now_ms >= connection->leave_by_ms) {
            connection_close(connection);
        }
        return;
    }
    if (connection->session == NULL) {
        return;
    }
    if (unwritten(connection) > 0) {
        if (now_ms - connection->moved_ms >= limits->stall_ms) {
            listener->stats.slow_closed++;
            log_event(LOG_WARN, "client_closed", "reason=\"does not read its replies\"");
            connection_close(connection);
        }
        return;
    }
    const struct connection_owner *owner = owner_of(connection);
    const uint64_t silent_ms = now_ms > connection->heard_ms ? now_ms - connection->heard_ms : 0;
    const bool half = silent_ms >= limits->half_command_ms && !connection->is_held &&
                      owner->is_mid_command(connection->session);
    const bool idle =
        limits->idle_ms > 0 && silent_ms >= limits->idle_ms && !owner->is_busy(connection->session);
    if (half || idle) {
        listener->stats.silent_closed++;
        log_event(LOG_INFO, "client_closed", "reason=\"%s\" silent_ms=%llu",
                  half ? "half a command, then silence" : "idle", (unsigned long long)silent_ms);
        connection_close(connection);
    }
}

/* Says why, as far as the socket takes it at once, and hangs up. */
static void refuse(struct connection *connection)
{
    struct listener *listener = connection->listener;
    listener->stats.refused++;
    const struct bytes refusal = listener->options.refusal;
    if (refusal.size > 0) {
        const uv_buf_t piece = {.base = (char *)(uintptr_t)refusal.data, .len = refusal.size};
        (void)uv_try_write((uv_stream_t *)&connection->socket, &piece, 1); /* A courtesy only. */
    }
    connection->is_leaving = true;
    leave(connection);
}

void connection_accept(struct listener *listener)
{
    struct connection *connection = heap_alloc(sizeof *connection);
    connection->listener = listener;
    loop_work_init(&connection->work, flush);
    list_append(&listener->connections, &connection->link);
    listener->stats.open++;
    Q_CHECK(uv_tcp_init(loop_uv(listener->loop), &connection->socket) == 0);
    connection->socket.data = connection;
    if (uv_accept((uv_stream_t *)&listener->socket, (uv_stream_t *)&connection->socket) != 0) {
        connection_close(connection);
        return;
    }
    listener->stats.accepted++;
    connection->heard_ms = clock_monotonic_ms();
    connection->moved_ms = connection->heard_ms;
    if (listener->stats.open > listener->options.limits.connections_max) {
        refuse(connection);
        return;
    }
    /* Both only fail on a socket that is dead already; reading it will tell. */
    (void)uv_tcp_nodelay(&connection->socket, 1);
    (void)uv_tcp_keepalive(&connection->socket, 1, listener->options.limits.keepalive_s);
    struct sockaddr_storage from = {0};
    int size = (int)sizeof from;
    char peer[ADDRESS_TEXT_SIZE_MAX];
    (void)uv_tcp_getpeername(&connection->socket, (struct sockaddr *)&from, &size);
    address_print(&from, peer);
    connection->session =
        listener->options.owner.opened(listener->options.owner.context, connection, peer);
    if (connection->session == NULL) {
        refuse(connection);
        return;
    }
    listener->stats.serving++;
    start_reading(connection);
}
