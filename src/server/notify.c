#include "server/notify.h"

#include "base/bytes.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void notify_send(const char *text)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    if (path == NULL || (path[0] != '/' && path[0] != '@') ||
        strlen(path) >= sizeof where.sun_path) {
        return;
    }
    memcpy(where.sun_path, path, strlen(path));
    if (path[0] == '@') {
        where.sun_path[0] = '\0'; /* The abstract name space. */
    }
    const socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0) {
        (void)sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&where, size);
        (void)close(fd);
    }
}

static int64_t number_in(const char *variable)
{
    const char *text = getenv(variable);
    int64_t number = 0;
    return text != NULL && bytes_to_int64(bytes_of_text(text), &number) ? number : 0;
}

uint64_t notify_watchdog_ms(void)
{
    const int64_t whom = number_in("WATCHDOG_PID");
    const int64_t allowed_us = number_in("WATCHDOG_USEC");
    if (allowed_us <= 0 || (whom != 0 && whom != getpid())) {
        return 0;
    }
    const uint64_t every_ms = (uint64_t)allowed_us / 2000;
    return every_ms > 0 ? every_ms : 1;
}
