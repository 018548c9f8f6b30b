#include "net/listener.h"

#include "base/err.h"
#include "base/os/clock.h"
#include "base/os/heap.h"
#include "net/listener_private.h"

#include <netinet/in.h>
#include <stdio.h>

/* Clients connecting at once before the kernel turns them away; the kernel caps it at somaxconn. */
#define BACKLOG 1024

struct connection_limits connection_limits_default(void)
{
    return (struct connection_limits){
        .connections_max = 10000,
        .read_size = (size_t)64 * 1024,
        .output_stop = (size_t)1024 * 1024,
        .output_max = (size_t)1024 * 1024 * 1024,
        .stall_ms = 30000,
        .half_command_ms = 60000,
        .idle_ms = 0,
        .keepalive_s = 60,
        .sweep_ms = 500,
    };
}

void listener_release(struct listener *listener)
{
    if (listener->closing && listener->handles == 0 && list_is_empty(&listener->connections)) {
        heap_free(listener);
    }
}

static void handle_closed(uv_handle_t *handle)
{
    struct listener *listener = handle->data;
    listener->handles--;
    listener_release(listener);
}

static void on_client(uv_stream_t *socket, int status)
{
    struct listener *listener = socket->data;
    if (status == 0) {
        connection_accept(listener);
    }
}

static void sweep(uv_timer_t *timer)
{
    struct listener *listener = timer->data;
    const uint64_t now_ms = clock_monotonic_ms();
    struct list *link = listener->connections.next;
    while (link != &listener->connections) {
        struct connection *connection = LIST_ITEM(link, struct connection, link);
        link = link->next; /* Closing takes effect later, so the list does not change here. */
        connection_check_time(connection, now_ms);
    }
}

static int bind_and_listen(struct listener *listener, const struct sockaddr_storage *where)
{
    int result = uv_tcp_bind(&listener->socket, (const struct sockaddr *)where, 0);
    if (result == 0) {
        result = uv_listen((uv_stream_t *)&listener->socket, BACKLOG, on_client);
    }
    if (result == 0) {
        struct sockaddr_storage bound = {0};
        int size = (int)sizeof bound;
        result = uv_tcp_getsockname(&listener->socket, (struct sockaddr *)&bound, &size);
        /* The port is at the same place in both families. */
        listener->port = ntohs(((const struct sockaddr_in *)(const void *)&bound)->sin_port);
    }
    return result;
}

int listener_new(struct loop *loop,
                 const struct listener_options *options,
                 struct listener **out_listener,
                 char *error,
                 size_t error_size)
{
    struct sockaddr_storage where;
    if (!address_resolve(&options->address, &where)) {
        (void)snprintf(error, error_size, "cannot listen on %s:%u: no such host",
                       options->address.host, (unsigned)options->address.port);
        return Q_EINVAL;
    }
    struct listener *listener = heap_alloc(sizeof *listener);
    listener->loop = loop;
    listener->options = *options;
    list_init(&listener->connections);
    int result = uv_tcp_init(loop_uv(loop), &listener->socket);
    (void)uv_timer_init(loop_uv(loop), &listener->sweep);
    listener->handles = 2;
    listener->socket.data = listener;
    listener->sweep.data = listener;
    if (result == 0) {
        result = bind_and_listen(listener, &where);
    }
    if (result != 0) {
        (void)snprintf(error, error_size, "cannot listen on %s:%u: %s", options->address.host,
                       (unsigned)options->address.port, uv_strerror(result));
        listener_close(listener);
        return result == UV_EADDRINUSE ? Q_EEXIST : Q_EIO;
    }
    const uint32_t every_ms = options->limits.sweep_ms;
    (void)uv_timer_start(&listener->sweep, sweep, every_ms, every_ms);
    *out_listener = listener;
    return Q_OK;
}

void listener_stop(struct listener *listener)
{
    if (!listener->stopped) {
        listener->stopped = true;
        uv_close((uv_handle_t *)&listener->socket, handle_closed);
    }
}

void listener_drain(struct listener *listener)
{
    listener_stop(listener);
    listener->is_draining = true;
    for (struct list *link = listener->connections.next; link != &listener->connections;
         link = link->next) {
        connection_wake(LIST_ITEM(link, struct connection, link));
    }
}

void listener_close(struct listener *listener)
{
    if (listener == NULL || listener->closing) {
        return;
    }
    listener->closing = true;
    listener_stop(listener);
    uv_close((uv_handle_t *)&listener->sweep, handle_closed);
    struct list *link = listener->connections.next;
    while (link != &listener->connections) {
        struct connection *connection = LIST_ITEM(link, struct connection, link);
        link = link->next;
        connection_close(connection);
    }
}

uint16_t listener_port(const struct listener *listener)
{
    return listener->port;
}

struct listener_stats listener_stats(const struct listener *listener)
{
    return listener->stats;
}
