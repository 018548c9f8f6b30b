#include "cli/http_client.h"

#include "base/err.h"
#include "base/os/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_SIZE_MAX ((size_t)64 * 1024 * 1024)
#define READ_SIZE       ((size_t)16 * 1024)

/* Waits until `fd` is ready; false when the time is up. */
static bool wait_for(int fd, short events, uint64_t until_ms)
{
    for (;;) {
        const uint64_t now_ms = clock_monotonic_ms();
        if (now_ms >= until_ms) {
            return false;
        }
        struct pollfd watched = {.fd = fd, .events = events};
        const int ready = poll(&watched, 1, (int)(until_ms - now_ms));
        if (ready > 0) {
            return true;
        }
        if (ready < 0 && errno != EINTR) {
            return false;
        }
    }
}

/* -1, with errno, when nobody answers there. */
static int connect_to(const struct addrinfo *where, uint64_t until_ms)
{
    const int fd =
        socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, where->ai_protocol);
    if (fd < 0) {
        return -1;
    }
    if (connect(fd, where->ai_addr, where->ai_addrlen) == 0) {
        return fd;
    }
    int result = errno;
    if (result == EINPROGRESS) {
        socklen_t size = sizeof result;
        if (!wait_for(fd, POLLOUT, until_ms)) {
            result = ETIMEDOUT;
        } else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &result, &size) != 0) {
            result = errno;
        }
    }
    if (result != 0) {
        (void)close(fd);
        errno = result;
        return -1;
    }
    return fd;
}

static int dial(const char *address, uint64_t until_ms, int *out_fd, char *error, size_t size)
{
    char host[256];
    const char *colon = strrchr(address, ':');
    const size_t host_size = colon != NULL ? (size_t)(colon - address) : 0;
    if (host_size == 0 || host_size >= sizeof host || colon[1] == '\0') {
        (void)snprintf(error, size, "'%.100s' is not an address HOST:PORT", address);
        return Q_EINVAL;
    }
    const bool has_brackets = address[0] == '[' && colon[-1] == ']';
    (void)snprintf(host, sizeof host, "%.*s", (int)(host_size - (has_brackets ? 2 : 0)),
                   address + (has_brackets ? 1 : 0));
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    const int looked_up = getaddrinfo(host, colon + 1, &hints, &found);
    if (looked_up != 0) {
        (void)snprintf(error, size, "cannot reach %s: %s", address, gai_strerror(looked_up));
        return Q_EUNAVAILABLE;
    }
    int fd = -1;
    for (const struct addrinfo *each = found; each != NULL && fd < 0; each = each->ai_next) {
        fd = connect_to(each, until_ms);
    }
    const int reason = errno;
    freeaddrinfo(found);
    if (fd < 0) {
        (void)snprintf(error, size, "cannot reach %s: %s", address, strerror(reason));
        return Q_EUNAVAILABLE;
    }
    *out_fd = fd;
    return Q_OK;
}

static int send_all(int fd, struct bytes bytes, uint64_t until_ms)
{
    size_t sent = 0;
    while (sent < bytes.size) {
        const ssize_t count = send(fd, bytes.data + sent, bytes.size - sent, MSG_NOSIGNAL);
        if (count > 0) {
            sent += (size_t)count;
        } else if (errno != EAGAIN || !wait_for(fd, POLLOUT, until_ms)) {
            return Q_EUNAVAILABLE;
        }
    }
    return Q_OK;
}

/* Until the end of the stream: the request asked for `Connection: close`. */
static int receive_all(int fd, uint64_t until_ms, struct buf *in)
{
    for (;;) {
        uint8_t *room = buf_reserve(in, READ_SIZE);
        const ssize_t count = recv(fd, room, READ_SIZE, 0);
        if (count == 0) {
            return Q_OK;
        }
        if (count > 0) {
            buf_added(in, (size_t)count);
            if (buf_size(in) > ANSWER_SIZE_MAX) {
                return Q_ETOOBIG;
            }
        } else if (errno != EAGAIN || !wait_for(fd, POLLIN, until_ms)) {
            return Q_EUNAVAILABLE;
        }
    }
}

/* Cuts the head off; false when this is no whole HTTP/1 answer. */
static bool cut_head(struct buf *in, int *out_status)
{
    const struct bytes all = buf_bytes(in);
    if (all.data == NULL || all.size < 12 || memcmp(all.data, "HTTP/1.", 7) != 0) {
        return false;
    }
    const uint8_t *end = memmem(all.data, all.size, "\r\n\r\n", 4);
    if (end == NULL) {
        return false;
    }
    int64_t status = 0;
    if (!bytes_to_int64(bytes_of(all.data + 9, 3), &status)) {
        return false;
    }
    buf_trim(in, (size_t)(end - all.data) + 4);
    *out_status = (int)status;
    return true;
}

int http_get(const char *address,
             const char *path,
             int timeout_ms,
             struct http_answer *out_answer,
             char *error,
             size_t error_size)
{
    const uint64_t until_ms = clock_monotonic_ms() + (uint64_t)timeout_ms;
    int fd = -1;
    int result = dial(address, until_ms, &fd, error, error_size);
    if (result != Q_OK) {
        return result;
    }
    struct buf request = {0};
    struct buf in = {0};
    buf_append_format(&request,
                      "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: quorate/%s\r\n"
                      "Connection: close\r\n\r\n",
                      path, address, QUORATE_VERSION);
    result = send_all(fd, buf_bytes(&request), until_ms);
    if (result == Q_OK) {
        result = receive_all(fd, until_ms, &in);
    }
    (void)close(fd);
    buf_deinit(&request);
    int status = 0;
    if (result == Q_ETOOBIG) {
        (void)snprintf(error, error_size, "the answer of %s is too large", address);
    } else if (result != Q_OK) {
        (void)snprintf(error, error_size, "no answer from %s within %d ms", address, timeout_ms);
    } else if (!cut_head(&in, &status)) {
        (void)snprintf(error, error_size, "%s does not speak HTTP; is it the --http address?",
                       address);
        result = Q_EPROTO;
    }
    if (result != Q_OK) {
        buf_deinit(&in);
        return result;
    }
    *out_answer = (struct http_answer){.status = status, .body = in};
    return Q_OK;
}
