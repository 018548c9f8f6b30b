/* A simulated client: speaks RESP bytes to the session of a random node, and believes nothing. */
#include "base/check.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/os/heap.h"
#include "sim/atlas.h"
#include "sim/draw.h"
#include "sim/world.h"

#include <stdio.h>

#define TRACE_SIZE_MAX 60 /* Of a value in a line of the trace. */
#define AVOID_US       (5 * SECOND)

void client_init(struct client *client, struct world *world, uint32_t number)
{
    *client = (struct client){.world = world, .number = number};
}

void client_deinit(struct client *client)
{
    for (size_t i = 0; i < PIPELINE_MAX; i++) {
        buf_deinit(&client->slots[i].first_answer);
    }
    session_free(client->session);
    buf_deinit(&client->request);
    buf_deinit(&client->joined);
}

bool client_is_idle(const struct client *client)
{
    for (size_t i = 0; i < PIPELINE_MAX; i++) {
        if (client->slots[i].state != SLOT_FREE) {
            return false;
        }
    }
    return true;
}

void client_wake_after(struct client *client, uint64_t delay_us)
{
    events_push(&client->world->events, (struct event){.at_us = client->world->now_us + delay_us,
                                                       .kind = EVENT_CLIENT,
                                                       .a = client->number,
                                                       .b = ++client->wake_number});
}

/* Spreads the operations of the run over its duration. */
static uint64_t think_time(struct client *client)
{
    struct world *world = client->world;
    const struct sim_options *options = &world->options;
    if (world->phase != PHASE_FIRE) {
        return 10 * MILLISECOND;
    }
    const uint64_t per_operation = options->duration_us / (options->operation_count + 1);
    const uint64_t mean = per_operation * options->client_count * (options->pipeline_max + 1) / 2;
    return draw_exponential(&world->prng, mean);
}

/* ---- the history ---- */

static void begin(struct client *client, size_t slot_number)
{
    struct operation *operation = &client->slots[slot_number].operation;
    if (!operation_is_judged(operation)) {
        return;
    }
    const struct history_call call = {
        .client = client->number * PIPELINE_MAX + (uint32_t)slot_number,
        .kind = operation->kind,
        .key = bytes_of_text(operation->key),
        .argument = bytes_of(operation->argument, operation->argument_size),
        .expected = bytes_of(operation->expected, operation->expected_size)};
    operation->history_number =
        history_invoke(client->world->history, &call, client->world->now_us);
}

/* Closing reads go one after the other; one that failed is asked again. */
static void end_closing(struct world *world,
                        const struct operation *operation,
                        const struct answer *answer)
{
    const uint32_t key = workload_key(&world->workload, operation->key);
    if (answer == NULL) {
        world->closing_next = key;
        return;
    }
    world->closing_done = key + 1;
    buf_clear(&world->closings[key]);
    buf_append(&world->closings[key], answer->result);
}

static void end(struct client *client,
                const struct operation *operation,
                const struct answer *answer)
{
    struct world *world = client->world;
    world->operations_done++;
    if (operation->is_repeat || !operation_is_judged(operation)) {
        return;
    }
    enum history_outcome outcome = answer->outcome;
    if (outcome == HISTORY_FAILED && operation->was_unknown) {
        outcome = HISTORY_UNKNOWN; /* This attempt did nothing; an earlier one may have. */
    }
    history_return(world->history, operation->history_number, outcome, answer->absent,
                   outcome == HISTORY_OK ? answer->result : bytes_of(NULL, 0), world->now_us);
    if (operation->is_closing) {
        end_closing(world, operation, outcome == HISTORY_OK ? answer : NULL);
    }
}

static void keep_local_read(struct world *world,
                            const struct operation *operation,
                            const struct answer *answer)
{
    if (answer->outcome != HISTORY_OK || world->local_read_count == LOCAL_READS_MAX) {
        return;
    }
    struct local_read *read = &world->local_reads[world->local_read_count++];
    *read = (struct local_read){.absent = answer->absent, .size = answer->result.size};
    memcpy(read->key, operation->key, sizeof read->key);
    read->data = heap_alloc_raw(read->size + 1);
    if (read->size > 0) {
        memcpy(read->data, answer->result.data, read->size);
    }
}

/* ---- sending ---- */

/* Under fire clients come back to whom they please, or nobody would ask a deposed leader. Later
 * they learn: who does not answer well is left alone for a while. */
static void avoid(struct client *client, node_id id)
{
    if (client->world->phase != PHASE_FIRE && id != NODE_NONE) {
        client->avoids_until_us[id] = client->world->now_us + AVOID_US;
    }
}

/* The closing reads are for what the core owes: a balancer has found out by then who is sick. */
static bool would_ask(const struct client *client, node_id id)
{
    const struct world *world = client->world;
    return client->avoids_until_us[id] <= world->now_us &&
           (world->phase != PHASE_CLOSING || atlas_is_in_core(world, id));
}

/* A node to talk to: any that runs, the server's own balancer would know no better. */
static node_id choose_host(const struct client *client)
{
    struct world *world = client->world;
    if (world->options.partition_nodes > 0) { /* Somebody must be asking on every side. */
        const node_id id = client->number % world->options.node_count + 1;
        return world->hosts[id].node == NULL ? NODE_NONE : id;
    }
    node_id up[NODES_MAX];
    size_t count = 0;
    for (node_id id = 1; id <= world->options.node_count; id++) {
        if (world->hosts[id].node != NULL && would_ask(client, id)) {
            up[count++] = id;
        }
    }
    return count == 0 ? NODE_NONE : up[prng_below(&world->prng, count)];
}

static void draw_operation(struct client *client, size_t slot_number)
{
    struct world *world = client->world;
    struct slot *slot = &client->slots[slot_number];
    if (world->phase == PHASE_CLOSING) {
        workload_closing(&world->workload, &slot->operation, world->closing_next++);
    } else {
        world->operations_left--;
        workload_draw(&world->workload, &slot->operation, client->number,
                      SIM_WALL_BASE_MS + world->now_us / MILLISECOND - world->options.id_age_ms);
        const bool is_late = world->now_us > world->options.duration_us / 4;
        if (world->options.selftest && !world->selftest_done && is_late &&
            slot->operation.kind == HISTORY_PUSH) {
            slot->operation.is_dropped = true;
            slot->operation.request_id[0] = '\0';
        }
    }
    slot->state = SLOT_READY;
    begin(client, slot_number);
}

static bool may_draw(const struct client *client)
{
    const struct world *world = client->world;
    if (world->phase == PHASE_FIRE) {
        return world->operations_left > 0;
    }
    return world->phase == PHASE_CLOSING && client->number == 0 &&
           world->closing_next < workload_key_count(&world->workload);
}

static void fill_slots(struct client *client)
{
    const struct world *world = client->world;
    const bool closing = world->phase == PHASE_CLOSING;
    const size_t wanted =
        closing ? 1 : (size_t)prng_between(&client->world->prng, 1, world->options.pipeline_max);
    for (size_t i = 0; i < wanted && may_draw(client); i++) {
        if (client->slots[i].state == SLOT_FREE) {
            draw_operation(client, i);
        }
    }
}

/* In the end clients wait for as long as a node that is well may take. */
static uint64_t patience_us(const struct world *world)
{
    return world->phase == PHASE_FIRE ? world->options.patience_us
                                      : SECOND + MILLISECOND * world->options.request_timeout_ms;
}

static void trace_request(const struct client *client, const struct operation *operation)
{
    const bool is_long = operation->argument_size > TRACE_SIZE_MAX;
    char again[32] = "";
    if (operation->attempts > 1) {
        (void)snprintf(again, sizeof again, " (attempt %u)", operation->attempts);
    }
    world_trace(client->world, "client %u -> node %u: %s %s %.*s%s%s%s%s%s", client->number,
                client->host, operation_name(operation), operation->key,
                (int)(is_long ? TRACE_SIZE_MAX : operation->argument_size), operation->argument,
                is_long ? "..." : "", operation->request_id[0] == '\0' ? "" : " id ",
                operation->request_id, again,
                operation->is_repeat ? " (asks for the answer once more)" : "");
}

static void trace_answer(const struct client *client,
                         const struct operation *operation,
                         const struct resp_reply *reply,
                         const struct answer *answer)
{
    static const char *const OUTCOMES[] = {"?", "ok", "certainly not done", "perhaps done"};
    const struct bytes text = answer->absent ? bytes_of_text("nothing there") : reply->text;
    const bool is_long = text.size > TRACE_SIZE_MAX;
    world_trace(client->world, "client %u <- node %u: %s %s: %s: %.*s%s", client->number,
                client->host, operation_name(operation), operation->key, OUTCOMES[answer->outcome],
                (int)(is_long ? TRACE_SIZE_MAX : text.size), (const char *)text.data,
                is_long ? "..." : "");
}

static void send_slots(struct client *client)
{
    struct world *world = client->world;
    buf_clear(&client->request);
    for (size_t i = 0; i < PIPELINE_MAX; i++) {
        struct slot *slot = &client->slots[i];
        if (slot->state != SLOT_READY) {
            continue;
        }
        slot->state = SLOT_SENT;
        if (slot->operation.attempts++ == 0) {
            slot->asked_at_us = world->now_us;
        }
        client->sent[client->sent_count++] = (uint8_t)i;
        operation_encode(&slot->operation, &client->request);
        trace_request(client, &slot->operation);
    }
    if (client->sent_count == 0) {
        return;
    }
    const size_t size = buf_size(&client->request);
    world->request_size_max = size > world->request_size_max ? size : world->request_size_max;
    events_push(&world->events,
                (struct event){.at_us = world->now_us + prng_below(&world->prng, 500),
                               .kind = EVENT_REQUEST,
                               .node = client->host,
                               .incarnation = world->hosts[client->host].incarnation,
                               .a = client->number,
                               .b = client->connection});
    events_push(&world->events, (struct event){.at_us = world->now_us + patience_us(world),
                                               .kind = EVENT_CLIENT_TIMEOUT,
                                               .a = client->number,
                                               .b = client->connection});
}

void client_wake(struct client *client, const struct event *event)
{
    struct world *world = client->world;
    if (event->b != client->wake_number || client->sent_count > 0 || world->phase == PHASE_OVER) {
        return;
    }
    if (client->host == NODE_NONE || !would_ask(client, client->host) ||
        prng_chance(&world->prng, world->options.switch_percent, 100)) {
        client_disconnect(client);
        client->host = choose_host(client);
        client->connection++;
    }
    if (client->host == NODE_NONE) {
        client_wake_after(client, 100 * MILLISECOND);
        return;
    }
    fill_slots(client);
    send_slots(client);
    if (client->sent_count == 0 && (world->phase == PHASE_FIRE || may_draw(client))) {
        client_wake_after(client, 100 * MILLISECOND);
    }
}

static void wake_session(void *context, struct session *session)
{
    struct client *client = context;
    Q_CHECK(client->session == NULL || client->session == session);
    client->has_output = true;
}

/* The first `size` bytes of the request, in two pieces or byte by byte: TCP keeps no boundaries. */
static void give_input(struct client *client, size_t size)
{
    struct prng *prng = &client->world->prng;
    struct bytes rest = bytes_of(buf_bytes(&client->request).data, size);
    const bool bytewise = draw_ppm(prng, client->world->options.client_bytes_ppm);
    size_t piece = bytewise ? 1 : (size_t)prng_between(prng, 1, size);
    while (rest.size > 0) {
        memcpy(session_input_reserve(client->session, piece), rest.data, piece);
        session_input_added(client->session, piece);
        rest = bytes_of(rest.data + piece, rest.size - piece);
        piece = bytewise && rest.size > 0 ? 1 : rest.size;
    }
}

/* It will read the answers only after a while, or when it has lost patience never. */
static void dawdle(struct client *client)
{
    struct world *world = client->world;
    const uint64_t takes_us = draw_log_uniform(&world->prng, 20 * MILLISECOND, 5 * SECOND);
    world_trace(world, "client %u will read nothing for %llu ms", client->number,
                (unsigned long long)(takes_us / MILLISECOND));
    client->reads_at_us = world->now_us + takes_us;
    events_push(&world->events, (struct event){.at_us = client->reads_at_us,
                                               .kind = EVENT_READ,
                                               .a = client->number,
                                               .b = client->connection});
}

void client_read(struct client *client, const struct event *event)
{
    if (client->connection == event->b && client->host != NODE_NONE) {
        client_collect(client);
    }
}

void client_request(struct client *client, const struct event *event)
{
    struct world *world = client->world;
    struct host *host = &world->hosts[event->node];
    if (client->connection != event->b || client->host != host->id ||
        host->stop.stage == STOP_DRAINING) {
        return;
    }
    if (client->session == NULL) {
        client->session =
            session_new(&host->front, SESSION_RESP, "10.1.0.1:1", wake_session, client);
    }
    const size_t size = buf_size(&client->request);
    const bool cut = draw_ppm(&world->prng, world->options.client_cut_ppm);
    give_input(client, cut ? (size_t)prng_between(&world->prng, 1, size) : size);
    client->has_output = true;
    if (cut) {
        world_trace(world, "client %u goes away in the middle of its request", client->number);
        client_disconnect(client);
        host_touch(host);
        return;
    }
    for (size_t i = 0; i < client->sent_count; i++) {
        watch_asked(world, host->id, &client->slots[client->sent[i]].operation);
    }
    if (draw_ppm(&world->prng, world->options.client_slow_ppm)) {
        dawdle(client);
    }
    host_touch(host);
}

/* ---- answers ---- */

/* The operation is over, or goes on with another attempt of the same id. */
static void settle(struct client *client, struct slot *slot, const struct answer *answer)
{
    struct operation *operation = &slot->operation;
    const bool has_id = operation->request_id[0] != '\0';
    if (answer->outcome == HISTORY_UNKNOWN) {
        operation->was_unknown = true;
    }
    const bool is_open = answer->outcome != HISTORY_OK &&
                         (answer->outcome == HISTORY_UNKNOWN || operation->was_unknown);
    if (has_id && is_open && !answer->expired && operation->attempts < UNANSWERED_MAX &&
        client->world->phase <= PHASE_CONVERGE) {
        slot->state = SLOT_READY;
        return;
    }
    end(client, operation, answer);
    slot->state = SLOT_FREE;
}

static void answered(struct client *client, struct slot *slot, const struct resp_reply *reply)
{
    struct world *world = client->world;
    struct operation *operation = &slot->operation;
    struct answer answer;
    world_note(world, hash_bytes(reply->text), (uint64_t)reply->kind << 32 | client->number);
    if (!operation_answer(operation, reply, &answer)) {
        violation_report(&world->violation, "protocol", "client %u: %s %s was answered %.*s",
                         client->number, operation_name(operation), operation->key,
                         (int)(reply->text.size > 200 ? 200 : reply->text.size),
                         (const char *)reply->text.data);
        return;
    }
    trace_answer(client, operation, reply, &answer);
    if (answer.outcome != HISTORY_OK) {
        avoid(client, client->host);
    }
    if (operation->is_local) {
        keep_local_read(world, operation, &answer);
    }
    const bool reads = operation->kind == HISTORY_READ || operation->kind == HISTORY_RANGE;
    if (answer.outcome == HISTORY_OK && !reads && !operation->is_repeat && operation->oddity == 0) {
        partitions_wrote(world, slot->asked_at_us);
    }
    if (operation->is_dropped && answer.outcome == HISTORY_OK) {
        world->selftest_done = true;
    }
    if (operation->is_repeat && answer.outcome == HISTORY_OK) {
        check_repeat(&world->violation, bytes_of_text(operation->request_id),
                     buf_bytes(&slot->first_answer), answer.result);
    }
    const bool is_first =
        answer.outcome == HISTORY_OK && operation->request_id[0] != '\0' && !operation->is_repeat;
    if (is_first) {
        buf_clear(&slot->first_answer);
        buf_append(&slot->first_answer, answer.result);
    }
    settle(client, slot, &answer);
    if (is_first && world->phase == PHASE_FIRE && prng_chance(&world->prng, 1, 3)) {
        operation->is_repeat = true; /* Asked again: the same answer, and no second effect. */
        operation->was_unknown = false;
        operation->attempts = 0;
        slot->state = SLOT_READY;
    }
}

/* Whoever does not read, or does not end its request, must not fill the memory of the node. */
static void check_memory(const struct client *client)
{
    check_session(&client->world->violation, session_input_size(client->session),
                  buf_size(session_output(client->session)));
}

void client_collect(struct client *client)
{
    struct world *world = client->world;
    if (client->session != NULL && world->now_us < client->reads_at_us) {
        check_memory(client);
        return;
    }
    client->has_output = false;
    if (client->session == NULL) {
        return;
    }
    struct buf *output = session_output(client->session);
    check_memory(client);
    const bool cut = buf_size(output) > 0 && draw_ppm(&world->prng, world->options.client_cut_ppm);
    size_t left = buf_size(output);
    left = cut ? (size_t)prng_below(&world->prng, left) : left;
    while (left > 0) {
        struct resp_reply reply;
        size_t consumed = 0;
        const int err =
            resp_read(bytes_of(buf_bytes(output).data, left), &client->joined, &reply, &consumed);
        if (err == Q_EAGAIN) {
            break;
        }
        if (err != Q_OK || client->sent_count == 0) {
            violation_report(&world->violation, "protocol", "client %u: %s", client->number,
                             err != Q_OK ? "malformed reply" : "a reply nobody asked for");
            return;
        }
        struct slot *slot = &client->slots[client->sent[0]];
        client->sent_count--;
        memmove(client->sent, client->sent + 1, client->sent_count);
        answered(client, slot, &reply);
        buf_trim(output, consumed);
        left -= consumed;
    }
    if (cut) {
        world_trace(world, "client %u goes away in the middle of a reply", client->number);
        client_disconnect(client);
        return;
    }
    session_resume(client->session);
    if (session_wants_close(client->session)) {
        client_disconnect(client); /* What was sent behind malformed input has no answer. */
    }
    if (client->sent_count == 0) {
        client->connection++; /* The patience of this batch is not that of the next. */
        client_wake_after(client, think_time(client));
    }
}

void client_disconnect(struct client *client)
{
    static const struct answer UNKNOWN = {.outcome = HISTORY_UNKNOWN};
    session_free(client->session);
    client->session = NULL;
    client->has_output = false;
    client->reads_at_us = 0;
    client->host = NODE_NONE;
    client->connection++;
    for (size_t i = 0; i < client->sent_count; i++) {
        settle(client, &client->slots[client->sent[i]], &UNKNOWN);
    }
    if (client->sent_count > 0) {
        client->sent_count = 0;
        client_wake_after(client, prng_below(&client->world->prng, 200 * MILLISECOND));
    }
}

void client_timeout(struct client *client, const struct event *event)
{
    if (client->connection == event->b && client->sent_count > 0) {
        world_trace(client->world, "client %u gives up waiting for node %u", client->number,
                    client->host);
        avoid(client, client->host);
        client_disconnect(client);
    }
}
