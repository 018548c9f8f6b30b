/* Load for the live chaos tests: real RESP connections, a recorded history, and the judges.
 *
 *   chaos_load --ports 7480,7490,7500 [--clients 16] [--seconds 10] [--rate 2000] ...
 *
 * Each client asks for one thing at a time and goes to the next node after a broken connection, a
 * late answer or an error. What happened to a request is judged by what the product promises: an
 * answer is OK; -OUTCOMEUNKNOWN, silence and a connection lost after the request left are UNKNOWN;
 * any other error is FAILED, which the judges hold the product to. The load ends after --seconds or
 * at SIGTERM or SIGINT; then every key is read once more, and the history is judged. Exit 0 only
 * if the verdict is ok. One thread and one poll loop, so that the order of recording is real.
 *
 * Keys that grow (append, list, counter) are left for a fresh one after KEY_UPDATES_MAX updates:
 * contents are read whole, and would otherwise slow the load down more and more.
 */
#include "base/check.h"
#include "base/os/buf.h"
#include "base/os/clock.h"
#include "base/os/heap.h"
#include "base/prng.h"
#include "sim/check/history.h"
#include "tests/chaos/reply.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define NODES_MAX       16
#define CLIENTS_MAX     256
#define KEY_UPDATES_MAX 300
#define ERROR_WORDS_MAX 16
#define ERROR_TEXT_MAX  64
#define INCREMENT       3
#define GAP_US          20000 /* Shorter pauses between acknowledged writes are not reported. */
#define RETRY_US        20000 /* Before a client tries again after an error. */
#define RECEIVE_SIZE    65536

enum family { REGISTER, TAIL, LIST, COUNTER, FAMILIES };

struct options {
    uint16_t ports[NODES_MAX];
    size_t port_count;
    uint64_t clients;
    uint64_t seconds; /* 0 = until a signal. */
    uint64_t rate;    /* Operations per second of all clients together; 0 = as fast as it goes. */
    uint64_t keys;    /* Registers; a quarter as many of each other family. */
    uint64_t timeout_ms;
    uint64_t closing_seconds;
    uint64_t seed;
    const char *prefix;       /* Of all keys. */
    const char *history_path; /* Written after a violation. */
    const char *gaps_path;    /* One line "start_us end_us" for each pause; CLOCK_BOOTTIME. */
    bool no_cas;              /* For servers without SET IFEQ. */
};

struct slot {
    enum family family;
    unsigned number;
    unsigned generation;
    unsigned updates; /* Of this generation. */
    char value[32];   /* The last one seen, for IFEQ. */
};

struct client {
    uint32_t id;
    int fd; /* -1 = none. */
    bool connecting;
    bool waiting; /* For an answer. */
    size_t node;  /* Index in ports. */
    uint64_t deadline_us;
    uint64_t next_at_us;
    /* The operation it waits for. */
    size_t operation;
    enum history_kind kind;
    struct slot *slot;
    char argument[32];
    size_t closing_key; /* While closing. */
    uint64_t sequence;
    struct buf in; /* Owned. */
};

struct closing_key {
    struct slot *slot;
    unsigned generation;
    bool done;
    bool taken;
};

struct load {
    struct options options;
    struct history *history;
    struct prng prng;
    /* Owned. */
    struct slot *slots;
    struct client *clients;
    struct closing_key *closing;
    struct buf gaps;
    size_t slot_count;
    size_t closing_count;
    size_t closing_left;
    bool is_closing;
    uint64_t last_ack_us;
    uint64_t gap_max_us;
    uint64_t counts[4]; /* By outcome. */
    struct {
        char text[ERROR_TEXT_MAX];
        uint64_t count;
    } errors[ERROR_WORDS_MAX];
    char broken[256]; /* What made the run worthless, empty if nothing did. */
};

static volatile sig_atomic_t stop_asked;

static void ask_to_stop(int number)
{
    (void)number;
    stop_asked = 1;
}

static void key_of(
    const struct load *load, const struct slot *slot, unsigned generation, char *out, size_t size)
{
    static const char letters[FAMILIES] = {'r', 'a', 'l', 'c'};
    (void)snprintf(out, size, "%s:%c%u.%u", load->options.prefix, letters[slot->family],
                   slot->number, generation);
}

static void add_word(struct buf *out, const char *word)
{
    buf_append_format(out, "$%zu\r\n%s\r\n", strlen(word), word);
}

/* The request of `kind`; `expected` only for CAS. */
static void build_request(struct buf *out,
                          enum history_kind kind,
                          const char *key,
                          const char *argument,
                          const char *expected)
{
    static const struct {
        const char *words[6]; /* K, A and E stand for key, argument and expected value. */
        unsigned count;
    } shapes[HISTORY_KINDS] = {[HISTORY_READ] = {{"GET", "K"}, 2},
                               [HISTORY_WRITE] = {{"SET", "K", "A"}, 3},
                               [HISTORY_CAS] = {{"SET", "K", "A", "IFEQ", "E"}, 5},
                               [HISTORY_DELETE] = {{"DEL", "K"}, 2},
                               [HISTORY_APPEND] = {{"APPEND", "K", "A"}, 3},
                               [HISTORY_PUSH] = {{"RPUSH", "K", "A"}, 3},
                               [HISTORY_RANGE] = {{"LRANGE", "K", "0", "-1"}, 4},
                               [HISTORY_INCR] = {{"INCRBY", "K", "A"}, 3}};
    buf_append_format(out, "*%u\r\n", shapes[kind].count);
    for (unsigned i = 0; i < shapes[kind].count; i++) {
        const char *word = shapes[kind].words[i];
        if (strcmp(word, "K") == 0) {
            word = key;
        } else if (strcmp(word, "A") == 0) {
            word = argument;
        } else if (strcmp(word, "E") == 0) {
            word = expected;
        }
        add_word(out, word);
    }
}

static bool is_update(enum history_kind kind)
{
    return kind != HISTORY_READ && kind != HISTORY_RANGE;
}

static enum history_kind pick_kind(struct load *load, const struct slot *slot)
{
    const uint64_t dice = prng_below(&load->prng, 100);
    switch (slot->family) {
    case REGISTER:
        if (dice < 35) {
            return HISTORY_WRITE;
        }
        if (dice < 50 && slot->value[0] != 0 && !load->options.no_cas) {
            return HISTORY_CAS;
        }
        return dice < 60 ? HISTORY_DELETE : HISTORY_READ;
    case TAIL: return dice < 70 ? HISTORY_APPEND : HISTORY_READ;
    case LIST: return dice < 75 ? HISTORY_PUSH : HISTORY_RANGE;
    case COUNTER: return dice < 70 ? HISTORY_INCR : HISTORY_READ;
    case FAMILIES: break;
    }
    return HISTORY_READ;
}

static void disconnect(struct load *load, struct client *client, uint64_t now)
{
    if (client->fd >= 0) {
        (void)close(client->fd); /* Nothing is left to lose on it. */
    }
    client->fd = -1;
    client->connecting = false;
    buf_clear(&client->in);
    client->node = (client->node + 1) % load->options.port_count;
    client->next_at_us = now + RETRY_US;
}

/* A write was acknowledged: notes how long none was before it. */
static void note_acknowledged(struct load *load, uint64_t now)
{
    if (load->is_closing) {
        return;
    }
    const uint64_t gap = now - load->last_ack_us;
    if (gap >= GAP_US) {
        buf_append_format(&load->gaps, "%llu %llu\n", (unsigned long long)load->last_ack_us,
                          (unsigned long long)now);
    }
    load->gap_max_us = gap > load->gap_max_us ? gap : load->gap_max_us;
    load->last_ack_us = now;
}

static void end_operation(struct load *load,
                          struct client *client,
                          enum history_outcome outcome,
                          bool absent,
                          struct bytes result)
{
    const uint64_t now = clock_monotonic_us();
    Q_CHECK(client->waiting);
    client->waiting = false;
    history_return(load->history, client->operation, outcome, absent, result, now);
    load->counts[outcome]++;
    if (outcome == HISTORY_OK && is_update(client->kind)) {
        note_acknowledged(load, now);
    }
    if (load->is_closing) {
        struct closing_key *key = &load->closing[client->closing_key];
        key->taken = false;
        key->done = outcome == HISTORY_OK;
        load->closing_left -= key->done;
    }
}

static void note_error(struct load *load, struct bytes text)
{
    char word[ERROR_TEXT_MAX] = "";
    size_t size = 0;
    /* Up to the first digit: numbers (ids, ports) would make every error another one. */
    while (size + 1 < sizeof word && size < text.size &&
           !(text.data[size] >= '0' && text.data[size] <= '9')) {
        word[size] = (char)text.data[size];
        size++;
    }
    for (size_t i = 0; i < ERROR_WORDS_MAX; i++) {
        if (load->errors[i].count == 0) {
            memcpy(load->errors[i].text, word, sizeof word);
        }
        if (strcmp(load->errors[i].text, word) == 0) {
            load->errors[i].count++;
            return;
        }
    }
}

/* Keeps a value that is probably there now, for a later IFEQ. */
static void remember(struct slot *slot, struct bytes value, bool is_there)
{
    if (is_there && value.size < sizeof slot->value) {
        memcpy(slot->value, value.data, value.size);
        slot->value[value.size] = 0;
    }
}

/* Ends the operation as the reply says. False when the reply makes no sense. */
static bool judge_reply(struct load *load, struct client *client, const struct reply *reply)
{
    const struct bytes one = bytes_of_text("1");
    const struct bytes zero = bytes_of_text("0");
    const bool nil = reply->type == '_';
    const bool okay = reply->type == '+' && bytes_equal(reply->text, bytes_of_text("OK"));
    bool fits = false;
    struct bytes result = reply->text;
    switch (client->kind) {
    case HISTORY_READ: fits = nil || reply->type == '$'; break;
    case HISTORY_WRITE: fits = okay; break;
    case HISTORY_CAS:
        fits = okay || nil;
        result = okay ? one : zero;
        break;
    case HISTORY_RANGE: fits = reply->type == '*'; break;
    case HISTORY_DELETE:
    case HISTORY_APPEND:
    case HISTORY_PUSH:
    case HISTORY_INCR: fits = reply->type == ':'; break;
    }
    if (!fits) {
        return false;
    }
    if (client->slot->family == REGISTER) {
        const bool wrote = client->kind == HISTORY_WRITE || (client->kind == HISTORY_CAS && okay);
        const bool seen = client->kind == HISTORY_READ && !nil;
        remember(client->slot, wrote ? bytes_of_text(client->argument) : result, wrote || seen);
    }
    end_operation(load, client, HISTORY_OK, nil && client->kind == HISTORY_READ, result);
    return true;
}

static void take_answer(struct load *load, struct client *client, const struct reply *reply)
{
    const uint64_t now = clock_monotonic_us();
    if (reply->type != '-') {
        if (!judge_reply(load, client, reply)) {
            (void)snprintf(load->broken, sizeof load->broken, "unexpected reply to kind %d: %c%.*s",
                           (int)client->kind, reply->type,
                           (int)(reply->text.size < 100 ? reply->text.size : 100),
                           (const char *)reply->text.data);
        }
        return;
    }
    const struct bytes unknown = bytes_of_text("OUTCOMEUNKNOWN");
    const bool is_unknown = reply->text.size >= unknown.size &&
                            bytes_equal(bytes_of(reply->text.data, unknown.size), unknown);
    note_error(load, reply->text);
    end_operation(load, client, is_unknown ? HISTORY_UNKNOWN : HISTORY_FAILED, false,
                  bytes_of(NULL, 0));
    disconnect(load, client, now);
}

static void give_up(struct load *load, struct client *client, const char *why)
{
    if (client->waiting) {
        note_error(load, bytes_of_text(why));
        end_operation(load, client, HISTORY_UNKNOWN, false, bytes_of(NULL, 0));
    }
    disconnect(load, client, clock_monotonic_us());
}

/* Chooses the next thing to read again. False when none is left to take. */
static bool pick_closing(struct load *load, struct client *client, unsigned *out_generation)
{
    for (size_t i = 0; i < load->closing_count; i++) {
        struct closing_key *key = &load->closing[i];
        if (!key->done && !key->taken) {
            key->taken = true;
            client->closing_key = i;
            client->slot = key->slot;
            client->kind = key->slot->family == LIST ? HISTORY_RANGE : HISTORY_READ;
            *out_generation = key->generation;
            return true;
        }
    }
    return false;
}

static void pick_any(struct load *load, struct client *client, unsigned *out_generation)
{
    struct slot *slot = &load->slots[prng_below(&load->prng, load->slot_count)];
    client->slot = slot;
    client->kind = pick_kind(load, slot);
    if (is_update(client->kind)) {
        if (slot->family != REGISTER && slot->updates == KEY_UPDATES_MAX) {
            slot->generation++;
            slot->updates = 0;
        }
        slot->updates++;
    }
    *out_generation = slot->generation;
    (void)snprintf(client->argument, sizeof client->argument, "c%u.%llu%s", client->id,
                   (unsigned long long)client->sequence++,
                   client->kind == HISTORY_APPEND ? ";" : "");
    if (client->kind == HISTORY_INCR) {
        (void)snprintf(client->argument, sizeof client->argument, "%d", INCREMENT);
    }
}

static void issue(struct load *load, struct client *client, uint64_t now)
{
    unsigned generation = 0;
    client->argument[0] = 0;
    if (load->is_closing) {
        if (!pick_closing(load, client, &generation)) {
            return;
        }
    } else {
        pick_any(load, client, &generation);
    }
    char key[64];
    key_of(load, client->slot, generation, key, sizeof key);
    struct buf request = {0};
    build_request(&request, client->kind, key, client->argument, client->slot->value);
    const bool takes = is_update(client->kind) && client->kind != HISTORY_DELETE;
    const struct history_call call = {
        .client = client->id,
        .kind = client->kind,
        .key = bytes_of_text(key),
        .argument = bytes_of_text(takes ? client->argument : ""),
        .expected = bytes_of_text(client->kind == HISTORY_CAS ? client->slot->value : "")};
    client->operation = history_invoke(load->history, &call, now);
    client->waiting = true;
    client->deadline_us = now + load->options.timeout_ms * 1000;
    const uint64_t rate = load->options.rate;
    if (rate > 0 && !load->is_closing) {
        const uint64_t interval = load->options.clients * 1000000 / rate;
        client->next_at_us = now + interval / 2 + prng_below(&load->prng, interval + 1);
    }
    const ssize_t sent =
        send(client->fd, buf_bytes(&request).data, buf_size(&request), MSG_NOSIGNAL);
    const bool whole = sent == (ssize_t)buf_size(&request);
    buf_deinit(&request);
    if (sent < 0) {
        /* Not one byte left this process. */
        end_operation(load, client, HISTORY_FAILED, false, bytes_of(NULL, 0));
        disconnect(load, client, now);
    } else if (!whole) {
        give_up(load, client, "(request sent in part)");
    }
}

static void start_connecting(struct load *load, struct client *client, uint64_t now)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(load->options.ports[client->node]),
                                        .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    Q_CHECK(client->fd >= 0);
    const int result =
        connect(client->fd, (const struct sockaddr *)(const void *)&address, sizeof address);
    if (result != 0 && errno != EINPROGRESS) {
        disconnect(load, client, now);
        return;
    }
    client->connecting = result != 0;
    client->deadline_us = now + 1000000;
}

static void finish_connecting(struct load *load, struct client *client, uint64_t now)
{
    int error = 0;
    socklen_t size = sizeof error;
    (void)getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
        disconnect(load, client, now);
        return;
    }
    client->connecting = false;
}

static void receive(struct load *load, struct client *client)
{
    const ssize_t got =
        recv(client->fd, buf_reserve(&client->in, RECEIVE_SIZE), RECEIVE_SIZE, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        give_up(load, client, "(connection lost)");
        return;
    }
    buf_added(&client->in, (size_t)got);
    struct buf joined = {0};
    struct reply reply;
    const size_t size = take_reply(buf_bytes(&client->in), &joined, &reply);
    if (size > 0 && !client->waiting) {
        (void)snprintf(load->broken, sizeof load->broken, "a reply that nobody asked for");
    } else if (size > 0) {
        take_answer(load, client, &reply);
        if (client->fd >= 0) {
            buf_trim(&client->in, size);
        }
    }
    buf_deinit(&joined);
}

/* What time alone brings about. */
static void advance(struct load *load, struct client *client, bool may_issue, uint64_t now)
{
    if (client->waiting || client->connecting) {
        if (now >= client->deadline_us) {
            give_up(load, client, "(no answer in time)");
        }
        return;
    }
    if (!may_issue || now < client->next_at_us) {
        return;
    }
    if (client->fd < 0) {
        start_connecting(load, client, now);
    } else {
        issue(load, client, now);
    }
}

/* One turn: everybody does what is due, then waits at most 5 ms for the sockets. */
static void turn(struct load *load, bool may_issue)
{
    struct pollfd polled[CLIENTS_MAX];
    const uint64_t now = clock_monotonic_us();
    for (size_t i = 0; i < load->options.clients; i++) {
        struct client *client = &load->clients[i];
        advance(load, client, may_issue, now);
        polled[i] =
            (struct pollfd){.fd = client->fd, .events = client->connecting ? POLLOUT : POLLIN};
    }
    /* Errors (EINTR) are as good as silence. */
    const int wait_ms = load->options.rate == 0 ? 5 : 1;
    if (poll(polled, load->options.clients, wait_ms) <= 0) {
        return;
    }
    for (size_t i = 0; i < load->options.clients; i++) {
        struct client *client = &load->clients[i];
        if (polled[i].revents == 0 || client->fd < 0) {
            continue;
        }
        if (client->connecting) {
            finish_connecting(load, client, clock_monotonic_us());
        } else {
            receive(load, client);
        }
    }
}

static bool anybody_waits(const struct load *load)
{
    for (size_t i = 0; i < load->options.clients; i++) {
        if (load->clients[i].waiting) {
            return true;
        }
    }
    return false;
}

static void prepare_closing(struct load *load)
{
    for (size_t i = 0; i < load->slot_count; i++) {
        load->closing_count += load->slots[i].generation + 1;
    }
    load->closing = heap_alloc(load->closing_count * sizeof *load->closing);
    size_t count = 0;
    for (size_t i = 0; i < load->slot_count; i++) {
        for (unsigned g = 0; g <= load->slots[i].generation; g++) {
            load->closing[count++] = (struct closing_key){.slot = &load->slots[i], .generation = g};
        }
    }
    load->closing_left = count;
    load->is_closing = true;
}

static void run(struct load *load)
{
    const uint64_t start = clock_monotonic_us();
    const uint64_t end = start + load->options.seconds * 1000000;
    load->last_ack_us = start;
    while (stop_asked == 0 && load->broken[0] == 0 &&
           (load->options.seconds == 0 || clock_monotonic_us() < end)) {
        turn(load, true);
    }
    while (load->broken[0] == 0 && anybody_waits(load)) {
        turn(load, false);
    }
    prepare_closing(load);
    const uint64_t closing_end = clock_monotonic_us() + load->options.closing_seconds * 1000000;
    while (load->broken[0] == 0 && load->closing_left > 0 && clock_monotonic_us() < closing_end) {
        turn(load, true);
    }
    if (load->broken[0] == 0 && load->closing_left > 0) {
        (void)snprintf(load->broken, sizeof load->broken, "%zu of %zu closing reads got no answer",
                       load->closing_left, load->closing_count);
    }
}

/* A file that cannot be written is worth a line, not a failure of the run. */
static void save(const char *path, struct bytes bytes)
{
    FILE *file = fopen(path, "wbe");
    if (file == NULL) {
        perror(path);
        return;
    }
    (void)fwrite(bytes.data, 1, bytes.size, file);
    (void)fclose(file);
}

/* Prints the figures and the verdict. Returns the exit code. */
static int report(struct load *load, uint64_t started_us)
{
    printf("load: operations=%zu ok=%llu failed=%llu unknown=%llu seconds=%.1f gap_max_ms=%llu\n",
           history_count(load->history), (unsigned long long)load->counts[HISTORY_OK],
           (unsigned long long)load->counts[HISTORY_FAILED],
           (unsigned long long)load->counts[HISTORY_UNKNOWN],
           (double)(clock_monotonic_us() - started_us) / 1e6,
           (unsigned long long)(load->gap_max_us / 1000));
    for (size_t i = 0; i < ERROR_WORDS_MAX && load->errors[i].count > 0; i++) {
        printf("error: %llu x %s\n", (unsigned long long)load->errors[i].count,
               load->errors[i].text);
    }
    if (load->options.gaps_path != NULL) {
        save(load->options.gaps_path, buf_bytes(&load->gaps));
    }
    const uint64_t judging_us = clock_monotonic_us();
    const struct verdict verdict = history_check_all(load->history);
    printf("judged: milliseconds=%llu\n",
           (unsigned long long)((clock_monotonic_us() - judging_us) / 1000));
    const bool fine = verdict.ok && verdict.undecided == 0 && load->broken[0] == 0;
    if (load->broken[0] != 0) {
        printf("broken: %s\n", load->broken);
    }
    if (!fine && load->options.history_path != NULL) {
        struct buf out = {0};
        history_write(load->history, &out);
        save(load->options.history_path, buf_bytes(&out));
        buf_deinit(&out);
    }
    const char *word = verdict.ok ? "undecided: " : "violation: ";
    printf("verdict: %s%s\n", fine ? "ok" : word, fine ? "" : verdict.reason);
    return fine ? 0 : 1;
}

static bool parse_number(const char *text, uint64_t max, uint64_t *out)
{
    int64_t number = 0;
    if (!bytes_to_int64(bytes_of_text(text), &number) || number < 0 || (uint64_t)number > max) {
        return false;
    }
    *out = (uint64_t)number;
    return true;
}

/* Port numbers separated by ','. */
static bool parse_ports(struct options *options, const char *text)
{
    struct bytes rest = bytes_of_text(text);
    options->port_count = 0;
    while (options->port_count < NODES_MAX) {
        const uint8_t *comma = rest.size == 0 ? NULL : memchr(rest.data, ',', rest.size);
        const size_t size = comma == NULL ? rest.size : (size_t)(comma - rest.data);
        int64_t port = 0;
        if (!bytes_to_int64(bytes_of(rest.data, size), &port) || port <= 0 || port > UINT16_MAX) {
            return false;
        }
        options->ports[options->port_count++] = (uint16_t)port;
        if (comma == NULL) {
            return true;
        }
        rest = bytes_of(comma + 1, rest.size - size - 1);
    }
    return false;
}

static bool parse_options(struct options *options, int argc, char **argv)
{
    static const struct option names[] = {{"ports", required_argument, NULL, 'p'},
                                          {"clients", required_argument, NULL, 'c'},
                                          {"seconds", required_argument, NULL, 's'},
                                          {"rate", required_argument, NULL, 'r'},
                                          {"keys", required_argument, NULL, 'k'},
                                          {"timeout-ms", required_argument, NULL, 't'},
                                          {"closing-seconds", required_argument, NULL, 'e'},
                                          {"seed", required_argument, NULL, 'd'},
                                          {"prefix", required_argument, NULL, 'x'},
                                          {"history", required_argument, NULL, 'h'},
                                          {"gaps", required_argument, NULL, 'g'},
                                          {"no-cas", no_argument, NULL, 'n'},
                                          {NULL, 0, NULL, 0}};
    const struct {
        int name;
        uint64_t max;
        uint64_t *value;
    } numbers[] = {{'c', CLIENTS_MAX, &options->clients}, {'s', 1000000, &options->seconds},
                   {'r', 10000000, &options->rate},       {'k', 1000000, &options->keys},
                   {'t', 1000000, &options->timeout_ms},  {'e', 1000000, &options->closing_seconds},
                   {'d', INT64_MAX, &options->seed}};
    bool fine = true;
    int name = getopt_long(argc, argv, "", names, NULL);
    for (; fine && name != -1; name = getopt_long(argc, argv, "", names, NULL)) {
        fine = name != '?';
        for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
            if (name == numbers[i].name) {
                fine = parse_number(optarg, numbers[i].max, numbers[i].value);
            }
        }
        if (name == 'p') {
            fine = parse_ports(options, optarg);
        } else if (name == 'x') {
            options->prefix = optarg;
        } else if (name == 'h') {
            options->history_path = optarg;
        } else if (name == 'g') {
            options->gaps_path = optarg;
        } else if (name == 'n') {
            options->no_cas = true;
        }
    }
    return fine && optind == argc && options->port_count > 0 && options->clients > 0 &&
           options->keys >= 4;
}

static void load_init(struct load *load)
{
    load->history = history_new();
    prng_init(&load->prng, load->options.seed);
    const unsigned others = (unsigned)load->options.keys / 4;
    load->slot_count = load->options.keys + (size_t)others * 3;
    load->slots = heap_alloc(load->slot_count * sizeof *load->slots);
    for (size_t i = 0; i < load->slot_count; i++) {
        const size_t past = i < load->options.keys ? 0 : i - load->options.keys;
        load->slots[i].family =
            i < load->options.keys ? REGISTER : (enum family)(TAIL + past / others);
        load->slots[i].number = (unsigned)i;
    }
    load->clients = heap_alloc(load->options.clients * sizeof *load->clients);
    for (size_t i = 0; i < load->options.clients; i++) {
        load->clients[i].id = (uint32_t)i;
        load->clients[i].fd = -1;
        load->clients[i].node = i % load->options.port_count;
    }
}

static void load_deinit(struct load *load)
{
    for (size_t i = 0; i < load->options.clients; i++) {
        if (load->clients[i].fd >= 0) {
            (void)close(load->clients[i].fd);
        }
        buf_deinit(&load->clients[i].in);
    }
    buf_deinit(&load->gaps);
    heap_free(load->clients);
    heap_free(load->slots);
    heap_free(load->closing);
    history_free(load->history);
}

int main(int argc, char **argv)
{
    struct load load = {.options = {.clients = 16,
                                    .seconds = 10,
                                    .rate = 2000,
                                    .keys = 16,
                                    .timeout_ms = 5000,
                                    .closing_seconds = 30,
                                    .seed = 1,
                                    .prefix = "chaos"}};
    if (!parse_options(&load.options, argc, argv)) {
        (void)fprintf(stderr, "usage: chaos_load --ports P,P,... [options]; see chaos_load.c\n");
        return 2;
    }
    const struct sigaction action = {.sa_handler = ask_to_stop};
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    load_init(&load);
    const uint64_t started_us = clock_monotonic_us();
    run(&load);
    const int code = report(&load, started_us);
    load_deinit(&load);
    return code;
}
