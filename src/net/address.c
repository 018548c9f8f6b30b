#include "net/address.h"

#include "base/bytes.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

bool address_parse(const char *text, struct address *out_address)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL) {
        return false;
    }
    const char *host = text;
    size_t host_size = (size_t)(colon - text);
    if (host_size >= 2 && host[0] == '[' && host[host_size - 1] == ']') {
        host++;
        host_size -= 2;
    } else if (memchr(host, ':', host_size) != NULL) {
        return false; /* A bare IPv6 address: which colon begins the port is anybody's guess. */
    }
    int64_t port = 0;
    if (!bytes_to_int64(bytes_of_text(colon + 1), &port) || port < 0 || port > 65535) {
        return false;
    }
    if (host_size == 0) {
        host = "0.0.0.0";
        host_size = strlen(host);
    }
    if (host_size >= ADDRESS_HOST_SIZE_MAX) {
        return false;
    }
    memcpy(out_address->host, host, host_size);
    out_address->host[host_size] = '\0';
    out_address->port = (uint16_t)port;
    return true;
}

bool address_resolve(const struct address *address, struct sockaddr_storage *out_socket_address)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    char port[8];
    (void)snprintf(port, sizeof port, "%u", (unsigned)address->port);
    struct addrinfo *found = NULL;
    if (getaddrinfo(address->host, port, &hints, &found) != 0) {
        return false;
    }
    *out_socket_address = (struct sockaddr_storage){0};
    memcpy(out_socket_address, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return true;
}

bool address_is_loopback(const struct sockaddr_storage *socket_address)
{
    if (socket_address->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)socket_address;
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *v6 = (const void *)socket_address;
    return socket_address->ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

void address_print(const struct sockaddr_storage *socket_address, char *out)
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (socket_address->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)socket_address;
        (void)inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        (void)snprintf(out, ADDRESS_TEXT_SIZE_MAX, "%s:%u", host, ntohs(v4->sin_port));
    } else if (socket_address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)socket_address;
        (void)inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        (void)snprintf(out, ADDRESS_TEXT_SIZE_MAX, "[%s]:%u", host, ntohs(v6->sin6_port));
    } else {
        (void)snprintf(out, ADDRESS_TEXT_SIZE_MAX, "?");
    }
}
