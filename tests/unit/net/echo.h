/* An owner of connections that says back what it hears, for the tests of net. */
#ifndef Q_TESTS_UNIT_NET_ECHO_H
#define Q_TESTS_UNIT_NET_ECHO_H

#include "base/os/buf.h"
#include "base/os/clock.h"
#include "base/os/heap.h"
#include "harness/test.h"
#include "net/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct echo {
    struct loop *loop;
    struct listener *listener;
    size_t full_above; /* Sessions are full when they hold more; 0 = never. */
    size_t sessions;
    size_t opened;
    size_t resumes;
    size_t turns;
    bool half_commands;
    bool answers_late; /* Keeps its answer until its turn; is full meanwhile. */
    struct echo_session *late;
};

struct echo_session {
    struct echo *echo;
    struct connection *connection;
    struct buf in;
    struct buf out;
    size_t received;
    bool wants_close; /* "!" was heard. */
    bool is_waiting;  /* For the owner's turn. */
};

static void *echo_opened(void *context, struct connection *connection, const char *peer)
{
    struct echo *echo = context;
    REQUIRE(strncmp(peer, "127.0.0.1:", 10) == 0);
    struct echo_session *session = heap_alloc(sizeof *session);
    session->echo = echo;
    session->connection = connection;
    echo->sessions++;
    echo->opened++;
    return session;
}

static uint8_t *echo_reserve(void *session, size_t size)
{
    return buf_reserve(&((struct echo_session *)session)->in, size);
}

static bool echo_is_full(void *memory)
{
    const struct echo_session *session = memory;
    return (session->echo->answers_late && buf_size(&session->in) > 0) ||
           (session->echo->full_above > 0 && buf_size(&session->out) > session->echo->full_above);
}

static void echo_resume(void *memory)
{
    struct echo_session *session = memory;
    session->echo->resumes++;
    if (buf_size(&session->in) > 0 && !session->is_waiting) {
        session->is_waiting = true;
        session->echo->late = session;
    }
}

static void echo_added(void *memory, size_t size)
{
    struct echo_session *session = memory;
    buf_added(&session->in, size);
    session->received += size;
    session->wants_close = memchr(buf_bytes(&session->in).data, '!', size) != NULL;
    if (session->echo->answers_late) {
        echo_resume(session);
        return;
    }
    buf_append(&session->out, buf_bytes(&session->in));
    buf_clear(&session->in);
}

static struct buf *echo_output(void *session)
{
    return &((struct echo_session *)session)->out;
}

static bool echo_wants_close(void *session)
{
    return ((struct echo_session *)session)->wants_close;
}

static bool echo_is_mid_command(void *session)
{
    return ((struct echo_session *)session)->echo->half_commands;
}

static bool echo_is_busy(void *session)
{
    (void)session;
    return false;
}

static void echo_closed(void *memory)
{
    struct echo_session *session = memory;
    session->echo->sessions--;
    buf_deinit(&session->in);
    buf_deinit(&session->out);
    heap_free(session);
}

/* One late answer a turn: a byte is answered, the rest waits to be resumed. */
static void echo_turn(void *context)
{
    struct echo *echo = context;
    struct echo_session *session = echo->late;
    echo->turns++;
    if (session != NULL) {
        echo->late = NULL;
        buf_append(&session->out, bytes_of(buf_bytes(&session->in).data, 1));
        buf_trim(&session->in, 1);
        session->is_waiting = false;
        connection_wake(session->connection);
    }
}

static uint64_t echo_no_deadline(void *context)
{
    (void)context;
    return LOOP_NO_DEADLINE;
}

static struct connection_owner echo_owner(struct echo *echo)
{
    return (struct connection_owner){
        .context = echo,
        .opened = echo_opened,
        .reserve = echo_reserve,
        .added = echo_added,
        .output = echo_output,
        .is_full = echo_is_full,
        .resume = echo_resume,
        .wants_close = echo_wants_close,
        .is_mid_command = echo_is_mid_command,
        .is_busy = echo_is_busy,
        .closed = echo_closed,
    };
}

static void echo_start(struct echo *echo, struct connection_limits limits)
{
    *echo = (struct echo){0};
    const struct loop_owner owner = {echo, echo_turn, echo_no_deadline};
    echo->loop = loop_new(&owner);
    struct listener_options options = {
        .limits = limits,
        .refusal = bytes_of_text("-ERR full\r\n"),
        .owner = echo_owner(echo),
    };
    REQUIRE(address_parse("127.0.0.1:0", &options.address));
    char error[200];
    REQUIRE(listener_new(echo->loop, &options, &echo->listener, error, sizeof error) == 0);
}

static void echo_stop(struct echo *echo)
{
    listener_close(echo->listener);
    loop_free(echo->loop);
    REQUIRE(echo->sessions == 0);
}

/* Connects without waiting; the loop accepts at its next turns. */
static int client_connect(uint16_t port, int receive_size)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0);
    if (receive_size > 0) {
        REQUIRE(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_size, sizeof receive_size) == 0);
    }
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons(port)};
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(connect(fd, (const struct sockaddr *)&where, sizeof where) == 0);
    REQUIRE(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    return fd;
}

/* Runs the loop until `size` bytes came, the end of file, or 5 s; returns how many came. */
static size_t client_receive(struct loop *loop, int fd, char *out, size_t size, bool *out_ended)
{
    size_t received = 0;
    *out_ended = false;
    const uint64_t until_ms = clock_monotonic_ms() + 5000;
    while (received < size && !*out_ended && clock_monotonic_ms() < until_ms) {
        loop_run_once(loop, 5);
        const ssize_t count = recv(fd, out + received, size - received, 0);
        received += count > 0 ? (size_t)count : 0;
        *out_ended = count == 0;
    }
    return received;
}

#endif
