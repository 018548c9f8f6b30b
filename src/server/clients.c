/* Connections of clients are sessions: net's table of functions, filled by front's. */
#include "server/server_private.h"

static void wake(void *context, struct session *session)
{
    (void)session;
    connection_wake(context);
}

static void *opened(void *context, struct connection *connection, const char *peer)
{
    struct door *door = context;
    return session_new(&door->server->front, door->kind, peer, wake, connection);
}

static uint8_t *reserve(void *session, size_t size)
{
    return session_input_reserve(session, size);
}

static void added(void *session, size_t size)
{
    session_input_added(session, size);
}

static struct buf *output(void *session)
{
    return session_output(session);
}

static bool is_full(void *session)
{
    return session_is_full(session);
}

static void resume(void *session)
{
    session_resume(session);
}

static bool wants_close(void *session)
{
    return session_wants_close(session);
}

static bool is_mid_command(void *session)
{
    return session_is_mid_command(session);
}

static bool is_busy(void *session)
{
    return session_is_busy(session);
}

static void closed(void *session)
{
    session_free(session);
}

int server_open_door(struct server *server,
                     struct door *door,
                     enum session_kind kind,
                     char *error,
                     size_t error_size)
{
    door->server = server;
    door->kind = kind;
    struct listener_options options = {
        .address = kind == SESSION_RESP ? server->config.resp : server->config.http,
        .limits = connection_limits_default(),
        .refusal =
            bytes_of_text(kind == SESSION_RESP ? "-ERR max number of clients reached\r\n"
                                               : "HTTP/1.1 503 Service Unavailable\r\n"
                                                 "Content-Length: 0\r\nConnection: close\r\n\r\n"),
        .owner =
            {
                .context = door,
                .opened = opened,
                .reserve = reserve,
                .added = added,
                .output = output,
                .is_full = is_full,
                .resume = resume,
                .wants_close = wants_close,
                .is_mid_command = is_mid_command,
                .is_busy = is_busy,
                .closed = closed,
            },
    };
    options.limits.connections_max =
        kind == SESSION_RESP ? server->config.connections_max : HTTP_CLIENTS_MAX;
    options.limits.idle_ms = server->config.idle_timeout_ms;
    return listener_new(server->loop, &options, &door->listener, error, error_size);
}
