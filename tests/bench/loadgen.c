/* Load generator: N connections, P requests in flight on each, one thread, epoll; RESP or etcd.
 *
 * It measures servers, so it must cost little itself and treat all of them alike: the same keys,
 * values, number of connections and requests in flight, one write and one read per wake-up. etcd is
 * spoken to in its own protocol (gRPC over cleartext HTTP/2, requests as small as the HPACK table
 * allows), not through its slower JSON gateway.
 *
 * usage: loadgen --protocol resp|etcd --port P[,P...] --op fill|set|get [--clients N]
 *                [--pipeline P] [--seconds S] [--keys K] [--value-size B]
 *
 * Connections go to the ports in turn. `fill` writes each key once and stops. The first fifth of
 * the time is not counted. Prints one line: ops_per_s=N p50_us=N p99_us=N p999_us=N max_us=N
 * errors=N
 */
#include "base/bytes.h"
#include "base/check.h"
#include "base/os/buf.h"
#include "base/os/clock.h"
#include "base/os/heap.h"
#include "base/prng.h"
#include "http2.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS_MAX  1024
#define PORTS_MAX    8
#define KEY_SIZE     16
#define VALUE_MAX    65536
#define READ_SIZE    65536
#define SILENCE_MS   10000 /* No reply for so long: give up. */
#define BUCKETS      2048  /* 32 per power of two: 3 % resolution. */
#define BUCKET_SHIFT 5

enum op { OP_FILL, OP_SET, OP_GET };

struct load {
    bool etcd;
    enum op op;
    uint16_t ports[PORTS_MAX];
    size_t port_count;
    size_t client_count;
    size_t pipeline;
    uint64_t duration_us;
    uint64_t key_count;
    size_t value_size;

    struct prng prng;
    uint8_t value[VALUE_MAX];
    struct buf template; /* Owned. A RESP request. */
    size_t template_key_at;
    uint64_t next_key; /* OP_FILL. */
    uint64_t counted_from_us;
    uint64_t end_us;
    uint64_t counted;
    uint64_t errors;
    uint64_t in_flight;
    uint64_t longest_us;
    uint64_t histogram[BUCKETS];
    int poll;
};

/* One connection. RESP answers in order: sent_us is a ring. HTTP/2 answers by stream. */
struct client {
    int fd;
    struct buf in;
    struct buf out;
    struct http2 http2;
    uint64_t sent_us[HTTP2_STREAMS_MAX];
    size_t first;
    size_t in_flight;
    bool wants_write;
};

static void die(const char *what)
{
    (void)fprintf(stderr, "loadgen: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* --- Latency ---------------------------------------------------------------------------------- */

static size_t bucket_of(uint64_t us)
{
    if (us < (1u << (BUCKET_SHIFT + 1))) {
        return us;
    }
    const unsigned top = 63 - (unsigned)__builtin_clzll(us);
    const unsigned shift = top - BUCKET_SHIFT;
    const size_t bucket = ((size_t)shift << BUCKET_SHIFT) + (size_t)(us >> shift);
    return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

/* The largest value of a bucket. */
static uint64_t bucket_value(size_t bucket)
{
    if (bucket < (1u << (BUCKET_SHIFT + 1))) {
        return bucket;
    }
    const unsigned shift = (unsigned)(bucket >> BUCKET_SHIFT) - 1;
    const uint64_t mantissa = bucket - ((size_t)shift << BUCKET_SHIFT);
    return ((mantissa + 1) << shift) - 1;
}

static uint64_t percentile(const struct load *load, double share)
{
    const uint64_t wanted = (uint64_t)(share * (double)load->counted);
    uint64_t seen = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        seen += load->histogram[i];
        if (seen > wanted) {
            const uint64_t value = bucket_value(i);
            return value < load->longest_us ? value : load->longest_us;
        }
    }
    return load->longest_us;
}

static void count(struct load *load, uint64_t sent_us, uint64_t now_us, bool good)
{
    load->in_flight--;
    if (!good) {
        load->errors++;
        return;
    }
    if (now_us >= load->counted_from_us && now_us < load->end_us) {
        const uint64_t took = now_us - sent_us;
        load->counted++;
        load->histogram[bucket_of(took)]++;
        load->longest_us = took > load->longest_us ? took : load->longest_us;
    }
}

/* --- Requests --------------------------------------------------------------------------------- */

static void make_key(struct load *load, char key[KEY_SIZE + 1])
{
    const uint64_t number =
        load->op == OP_FILL ? load->next_key++ : prng_below(&load->prng, load->key_count);
    memcpy(key, "key:000000000000", KEY_SIZE + 1);
    uint64_t rest = number;
    for (size_t i = KEY_SIZE; rest > 0; rest /= 10) {
        key[--i] = (char)('0' + rest % 10);
    }
}

/* One request with room for the key: printing it each time would cost more than some servers do. */
static void make_template(struct load *load)
{
    struct buf *out = &load->template;
    buf_clear(out);
    if (load->op == OP_GET) {
        buf_append_format(out, "*2\r\n$3\r\nGET\r\n$%d\r\n", KEY_SIZE);
    } else {
        buf_append_format(out, "*3\r\n$3\r\nSET\r\n$%d\r\n", KEY_SIZE);
    }
    load->template_key_at = buf_size(out);
    buf_append_format(out, "%*s\r\n", KEY_SIZE, "");
    if (load->op != OP_GET) {
        buf_append_format(out, "$%zu\r\n", load->value_size);
        buf_append(out, bytes_of(load->value, load->value_size));
        buf_append_text(out, "\r\n");
    }
}

static void append_resp(struct load *load, struct client *client, const char *key)
{
    const struct bytes request = buf_bytes(&load->template);
    Q_CHECK(request.data != NULL);
    uint8_t *room = buf_reserve(&client->out, request.size);
    memcpy(room, request.data, request.size);
    memcpy(room + load->template_key_at, key, KEY_SIZE);
    buf_added(&client->out, request.size);
}

/* False: the server's window is full. */
static bool append_etcd(struct load *load, struct client *client, const char *key)
{
    const struct bytes value =
        load->op == OP_GET ? bytes_of(NULL, 0) : bytes_of(load->value, load->value_size);
    return http2_append_request(&client->http2, &client->out, bytes_of(key, KEY_SIZE), value);
}

static bool may_send(const struct load *load, uint64_t now_us)
{
    return load->op == OP_FILL ? load->next_key < load->key_count : now_us < load->end_us;
}

static void append_requests(struct load *load, struct client *client, uint64_t now_us)
{
    while (client->in_flight < load->pipeline && may_send(load, now_us)) {
        char key[KEY_SIZE + 1];
        if (load->etcd && !http2_has_room(&client->http2, KEY_SIZE + load->value_size)) {
            return;
        }
        make_key(load, key);
        if (load->etcd) {
            const size_t slot = http2_next_slot(&client->http2);
            client->sent_us[slot] = now_us;
            if (!append_etcd(load, client, key)) {
                die("no room for a request");
            }
        } else {
            client->sent_us[(client->first + client->in_flight) % HTTP2_STREAMS_MAX] = now_us;
            append_resp(load, client, key);
        }
        client->in_flight++;
        load->in_flight++;
    }
}

/* --- Replies ---------------------------------------------------------------------------------- */

/* Size of the RESP reply at the start, 0 = not whole yet. */
static size_t resp_size(struct bytes in)
{
    const uint8_t *end = in.size == 0 ? NULL : memchr(in.data, '\n', in.size);
    if (end == NULL) {
        return 0;
    }
    const size_t line = (size_t)(end - in.data) + 1;
    int64_t length = 0;
    if (in.data[0] != '$' || !bytes_to_int64(bytes_of(in.data + 1, line - 3), &length) ||
        length < 0) {
        return line;
    }
    const size_t whole = line + (size_t)length + 2;
    return whole <= in.size ? whole : 0;
}

static void take_resp(struct load *load, struct client *client, uint64_t now_us)
{
    for (;;) {
        const struct bytes in = buf_bytes(&client->in);
        const size_t size = resp_size(in);
        if (size == 0) {
            return;
        }
        if (client->in_flight == 0) {
            die("a reply without a request");
        }
        /* A nil is a key that `fill` should have written. */
        const bool good = in.data[0] == '+' || (in.data[0] == '$' && in.data[1] != '-');
        if (!good && load->errors == 0) {
            (void)fprintf(stderr, "loadgen: first error: %.*s", (int)size, (const char *)in.data);
        }
        count(load, client->sent_us[client->first], now_us, good);
        client->first = (client->first + 1) % HTTP2_STREAMS_MAX;
        client->in_flight--;
        buf_trim(&client->in, size);
    }
}

static void take_etcd(struct load *load, struct client *client, uint64_t now_us)
{
    struct http2_done done;
    for (;;) {
        switch (http2_take(&client->http2, &client->in, &client->out, &done)) {
        case HTTP2_MORE: return;
        case HTTP2_GOING_ON: break;
        case HTTP2_BROKEN: die("the server ended the HTTP/2 connection"); break;
        case HTTP2_DONE:
            count(load, client->sent_us[done.slot], now_us, done.good);
            client->in_flight--;
            break;
        }
    }
}

/* --- Connections ------------------------------------------------------------------------------ */

static void watch(const struct load *load, struct client *client, bool wants_write, int change)
{
    struct epoll_event event = {.events = EPOLLIN | (wants_write ? (uint32_t)EPOLLOUT : 0),
                                .data.ptr = client};
    if (epoll_ctl(load->poll, change, client->fd, &event) != 0) {
        die("epoll_ctl");
    }
    client->wants_write = wants_write;
}

static void client_flush(const struct load *load, struct client *client)
{
    while (buf_size(&client->out) > 0) {
        const struct bytes out = buf_bytes(&client->out);
        const ssize_t sent = send(client->fd, out.data, out.size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN) {
            break;
        }
        if (sent < 0) {
            die("send");
        }
        buf_trim(&client->out, (size_t)sent);
    }
    const bool wants_write = buf_size(&client->out) > 0;
    if (wants_write != client->wants_write) {
        watch(load, client, wants_write, EPOLL_CTL_MOD);
    }
}

static void client_open(const struct load *load, struct client *client, uint16_t port)
{
    const int yes = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0 ||
        connect(client->fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0) {
        die("connect");
    }
    if (load->etcd) {
        http2_init(&client->http2, load->op == OP_GET, port, &client->out);
    }
    watch(load, client, false, EPOLL_CTL_ADD);
}

static void client_read(struct load *load, struct client *client)
{
    uint8_t *room = buf_reserve(&client->in, READ_SIZE);
    const ssize_t got = recv(client->fd, room, READ_SIZE, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) {
        return;
    }
    if (got <= 0) {
        die("the server closed a connection");
    }
    buf_added(&client->in, (size_t)got);
    const uint64_t now_us = clock_monotonic_us();
    if (load->etcd) {
        take_etcd(load, client, now_us);
    } else {
        take_resp(load, client, now_us);
    }
    append_requests(load, client, now_us);
}

/* --- Running ---------------------------------------------------------------------------------- */

static void run(struct load *load, struct client *clients)
{
    struct epoll_event events[256];
    const uint64_t began = clock_monotonic_us();
    load->counted_from_us = load->op == OP_FILL ? began : began + load->duration_us / 5;
    load->end_us = load->op == OP_FILL ? UINT64_MAX : began + load->duration_us;
    for (size_t i = 0; i < load->client_count; i++) {
        append_requests(load, &clients[i], began);
        client_flush(load, &clients[i]);
    }
    while (load->in_flight > 0) {
        const int ready = epoll_wait(load->poll, events, 256, SILENCE_MS);
        if (ready == 0) {
            (void)fprintf(stderr, "loadgen: no reply for %d ms\n", SILENCE_MS);
            exit(1);
        }
        if (ready < 0 && errno != EINTR) {
            die("epoll_wait");
        }
        for (int i = 0; i < ready; i++) {
            struct client *client = events[i].data.ptr;
            if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
                client_read(load, client);
            }
            client_flush(load, client);
        }
    }
    const uint64_t end = load->op == OP_FILL ? clock_monotonic_us() : load->end_us;
    const double seconds = (double)(end - load->counted_from_us) / 1e6;
    (void)printf("ops_per_s=%.0f p50_us=%llu p99_us=%llu p999_us=%llu max_us=%llu errors=%llu\n",
                 (double)load->counted / seconds, (unsigned long long)percentile(load, 0.5),
                 (unsigned long long)percentile(load, 0.99),
                 (unsigned long long)percentile(load, 0.999), (unsigned long long)load->longest_us,
                 (unsigned long long)load->errors);
}

static uint64_t number_of(const char *flag, const char *text, uint64_t low, uint64_t high)
{
    int64_t value = 0;
    if (!bytes_to_int64(bytes_of_text(text), &value) || value < 0 || (uint64_t)value < low ||
        (uint64_t)value > high) {
        (void)fprintf(stderr, "loadgen: %s: '%s' is not within %llu..%llu\n", flag, text,
                      (unsigned long long)low, (unsigned long long)high);
        exit(2);
    }
    return (uint64_t)value;
}

static void read_ports(struct load *load, const char *text)
{
    char one[8];
    while (load->port_count < PORTS_MAX) {
        const size_t size = strcspn(text, ",");
        (void)snprintf(one, sizeof one, "%.*s", (int)(size < 7 ? size : 7), text);
        load->ports[load->port_count++] = (uint16_t)number_of("--port", one, 1, 65535);
        if (text[size] == '\0') {
            return;
        }
        text += size + 1;
    }
}

static bool read_flag(struct load *load, const char *flag, const char *text)
{
    if (strcmp(flag, "--protocol") == 0) {
        load->etcd = strcmp(text, "etcd") == 0;
        return load->etcd || strcmp(text, "resp") == 0;
    }
    if (strcmp(flag, "--op") == 0) {
        load->op = strcmp(text, "fill") == 0 ? OP_FILL : strcmp(text, "get") == 0 ? OP_GET : OP_SET;
        return load->op != OP_SET || strcmp(text, "set") == 0;
    }
    if (strcmp(flag, "--port") == 0) {
        read_ports(load, text);
    } else if (strcmp(flag, "--clients") == 0) {
        load->client_count = number_of(flag, text, 1, CLIENTS_MAX);
    } else if (strcmp(flag, "--pipeline") == 0) {
        load->pipeline = number_of(flag, text, 1, HTTP2_STREAMS_MAX);
    } else if (strcmp(flag, "--seconds") == 0) {
        load->duration_us = number_of(flag, text, 1, 3600) * 1000000;
    } else if (strcmp(flag, "--keys") == 0) {
        load->key_count = number_of(flag, text, 1, 1000000000);
    } else if (strcmp(flag, "--value-size") == 0) {
        load->value_size = number_of(flag, text, 1, VALUE_MAX);
    } else {
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    static struct load load = {.op = OP_SET,
                               .client_count = 1,
                               .pipeline = 1,
                               .duration_us = 2000000,
                               .key_count = 10000,
                               .value_size = 128};
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc || !read_flag(&load, argv[i], argv[i + 1])) {
            (void)fprintf(stderr, "loadgen: cannot use '%s'; the file's head says how\n", argv[i]);
            return 2;
        }
    }
    if (load.port_count == 0) {
        (void)fprintf(stderr, "loadgen: --port is missing\n");
        return 2;
    }
    prng_init(&load.prng, clock_monotonic_us());
    memset(load.value, 'v', load.value_size);
    make_template(&load);
    load.poll = epoll_create1(EPOLL_CLOEXEC);
    struct client *clients = heap_alloc(load.client_count * sizeof *clients);
    for (size_t i = 0; i < load.client_count; i++) {
        Q_CHECK(load.port_count > 0);
        client_open(&load, &clients[i], load.ports[i % load.port_count]);
    }
    run(&load, clients);
    for (size_t i = 0; i < load.client_count; i++) {
        buf_deinit(&clients[i].in);
        buf_deinit(&clients[i].out);
        (void)close(clients[i].fd); /* The process ends anyway. */
    }
    heap_free(clients);
    buf_deinit(&load.template);
    return load.errors > 0 ? 1 : 0;
}
