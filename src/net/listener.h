/* A listening TCP socket and the connections it accepted. */
#ifndef Q_NET_LISTENER_H
#define Q_NET_LISTENER_H

#include "net/address.h"
#include "net/connection.h"

struct connection_limits {
    size_t connections_max;   /* Past it a client is told `refusal` and closed. */
    size_t read_size;         /* Room asked for one read: one system call for a whole pipeline. */
    size_t output_stop;       /* Unwritten output from which on nothing more is read. */
    size_t output_max;        /* Unwritten output for which the client is closed at once. */
    uint32_t stall_ms;        /* Closed when none of its output moved for so long. */
    uint32_t half_command_ms; /* Closed when a request stays incomplete and silent so long. */
    uint32_t idle_ms;         /* Closed when silent for so long; 0 = never. */
    uint32_t keepalive_s;     /* TCP keep-alive: finds clients whose machine is gone. */
    uint32_t sweep_ms;        /* How often the limits above are looked at. */
};

/* What a server for many small requests wants. */
struct connection_limits connection_limits_default(void);

struct listener_options {
    struct address address;
    struct connection_limits limits;
    struct bytes
        refusal; /* Sent to a client that is one too many. Lives as long as the listener. */
    struct connection_owner owner;
};

struct listener_stats {
    size_t open;    /* Sockets. */
    size_t serving; /* Of them, those that still have their owner's session. */
    uint64_t accepted;
    uint64_t refused;       /* One too many, or the owner did not want it. */
    uint64_t slow_closed;   /* Did not read its replies. */
    uint64_t silent_closed; /* Idle, or half a request. */
};

/* Binds and listens. On failure `error` says which address and why. The caller owns the result:
 * listener_close. Q_OK, Q_EINVAL (no such host), Q_EEXIST (address in use), Q_EIO. */
int listener_new(struct loop *loop,
                 const struct listener_options *options,
                 struct listener **out_listener,
                 char *error,
                 size_t error_size);
/* Accepts nobody any more; the connections stay. */
void listener_stop(struct listener *listener);
/* As stop; and the connections read nothing more, answer what they have read, and end. */
void listener_drain(struct listener *listener);
/* Closes the socket and all connections; frees itself within the next turns of the loop. NULL is
 * fine. */
void listener_close(struct listener *listener);

/* The port it is bound to (of use when 0 was asked for). */
uint16_t listener_port(const struct listener *listener);
struct listener_stats listener_stats(const struct listener *listener);

#endif
