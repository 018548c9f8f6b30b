/* Network addresses as people write them: host:port, [v6]:port, or :port for every interface. */
#ifndef Q_NET_ADDRESS_H
#define Q_NET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDRESS_HOST_SIZE_MAX 256 /* A DNS name and its terminator. */
#define ADDRESS_TEXT_SIZE_MAX 64  /* A numeric address with port and terminator. */

struct address {
    char host[ADDRESS_HOST_SIZE_MAX];
    uint16_t port;
};

/* Splits `text`; a bare ":port" gives the host "0.0.0.0". False when it is malformed, the port is
 * missing or above 65535, or the host is too long. Port 0 ("any") is let pass. */
bool address_parse(const char *text, struct address *out_address);

/* Looks the host up; blocks, so only for the own listeners at start. False: no such host. */
bool address_resolve(const struct address *address, struct sockaddr_storage *out_socket_address);

bool address_is_loopback(const struct sockaddr_storage *socket_address);

/* "10.0.0.1:7480", "[::1]:7480"; "?" for anything that is not IP. `out` has
 * ADDRESS_TEXT_SIZE_MAX bytes. */
void address_print(const struct sockaddr_storage *socket_address, char *out);

#endif
