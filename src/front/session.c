#include "front/session.h"

#include "base/check.h"
#include "base/os/heap.h"
#include "front/http_session.h"
#include "front/resp_session.h"
#include "front/session_private.h"

#include <stdio.h>

static void join_front(struct session *session, struct front *front)
{
    if (front->sessions.next == NULL) {
        list_init(&front->sessions);
    }
    if (front->next_session_id == 0) {
        front->next_session_id = 1;
    }
    session->front = front;
    session->id = front->next_session_id++;
    front->session_count++;
    list_append(&front->sessions, &session->link);
}

struct session *session_new(struct front *front,
                            enum session_kind kind,
                            const char *peer,
                            void (*wake)(void *context, struct session *session),
                            void *context)
{
    Q_CHECK(front->node != NULL && front->env != NULL);
    struct session *session = heap_alloc(sizeof *session);
    join_front(session, front);
    session->kind = kind;
    session->started_at_ms = front->env->monotonic_ms(front->env->context);
    (void)snprintf(session->peer, sizeof session->peer, "%s", peer);
    session->wake = wake;
    session->context = context;
    if (kind == SESSION_RESP) {
        session->resp = resp_session_new(session);
    } else {
        session->http = http_session_new(session);
    }
    return session;
}

void session_free(struct session *session)
{
    if (session == NULL) {
        return;
    }
    resp_session_free(session->resp);
    http_session_free(session->http);
    buf_deinit(&session->input);
    buf_deinit(&session->output);
    list_remove(&session->link);
    Q_CHECK(session->front->session_count > 0);
    session->front->session_count--;
    heap_free(session);
}

uint8_t *session_input_reserve(struct session *session, size_t size)
{
    const uint8_t *before = buf_bytes(&session->input).data;
    uint8_t *room = buf_reserve(&session->input, size);
    if (session->kind == SESSION_RESP) {
        resp_session_input_moved(session->resp, before, buf_bytes(&session->input).data);
    }
    return room;
}

static void process(struct session *session)
{
    if (session->kind == SESSION_RESP) {
        resp_session_process(session->resp);
    } else {
        http_session_process(session->http);
    }
    /* One large command must not leave its memory with a connection that idles from now on. */
    if (buf_size(&session->input) == 0 && session->input.capacity > SESSION_BUF_KEEP) {
        buf_deinit(&session->input);
    }
}

void session_input_added(struct session *session, size_t size)
{
    Q_CHECK(!session->is_reading);
    buf_added(&session->input, size);
    session->is_reading = true;
    process(session);
    session->is_reading = false;
}

size_t session_input_size(const struct session *session)
{
    return buf_size(&session->input);
}

struct buf *session_output(struct session *session)
{
    return &session->output;
}

bool session_is_full(const struct session *session)
{
    if (buf_size(&session->output) >= SESSION_OUTPUT_MAX) {
        return true;
    }
    return session->kind == SESSION_RESP ? resp_session_is_full(session->resp)
                                         : http_session_is_full(session->http);
}

void session_resume(struct session *session)
{
    if (buf_size(&session->output) == 0 && session->output.capacity > SESSION_OUTPUT_MAX) {
        buf_deinit(&session->output);
    }
    const size_t before = buf_size(&session->output);
    process(session);
    if (buf_size(&session->output) != before || session_wants_close(session)) {
        session_wake(session);
    }
}

bool session_wants_close(const struct session *session)
{
    if (session->is_killed) {
        return true;
    }
    return session->kind == SESSION_RESP ? resp_session_wants_close(session->resp)
                                         : http_session_wants_close(session->http);
}

bool session_is_busy(const struct session *session)
{
    return session->kind == SESSION_RESP ? session->resp->slot_count > 0
                                         : session->http->is_waiting;
}

bool session_is_mid_command(const struct session *session)
{
    return buf_size(&session->input) > 0 && !session_is_full(session) &&
           !session_wants_close(session);
}

void session_wake(struct session *session)
{
    if (!session->is_reading && session->wake != NULL) {
        session->wake(session->context, session);
    }
}
