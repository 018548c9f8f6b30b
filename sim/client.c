/* A simulated client: speaks RESP bytes to the session of a random node, and believes nothing. */
#include "base/check.h"
#include "base/err.h"
#include "base/os/heap.h"
#include "sim/draw.h"
#include "sim/world.h"

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
    if (operation->is_local || operation->filler_size > 0) {
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
    if (operation->is_local || operation->is_repeat || operation->filler_size > 0) {
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
        if (world->hosts[id].node != NULL) {
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

/* In the end clients wait for as long as it takes. */
static uint64_t patience_us(const struct world *world)
{
    return world->phase == PHASE_FIRE ? world->options.patience_us : 8 * SECOND;
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
        world_trace(world, "client %u asks node %u: %s %s %.*s %s", client->number, client->host,
                    operation_name(&slot->operation), slot->operation.key,
                    (int)(slot->operation.argument_size > 24 ? 24 : slot->operation.argument_size),
                    slot->operation.argument, slot->operation.request_id);
    }
    if (client->sent_count == 0) {
        return;
    }
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
    if (client->host == NODE_NONE ||
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

void client_request(struct client *client, const struct event *event)
{
    struct host *host = &client->world->hosts[event->node];
    if (client->connection != event->b || client->host != host->id ||
        host->stop.stage == STOP_DRAINING) {
        return;
    }
    if (client->session == NULL) {
        client->session =
            session_new(&host->front, SESSION_RESP, "10.1.0.1:1", wake_session, client);
    }
    const struct bytes request = buf_bytes(&client->request);
    memcpy(session_input_reserve(client->session, request.size), request.data, request.size);
    session_input_added(client->session, request.size);
    client->has_output = true;
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
    if (!operation_answer(operation, reply, &answer)) {
        violation_report(&world->violation, "protocol", "client %u: %s %s was answered %.*s",
                         client->number, operation_name(operation), operation->key,
                         (int)(reply->text.size > 200 ? 200 : reply->text.size),
                         (const char *)reply->text.data);
        return;
    }
    world_trace(world, "client %u: %s %s -> %d %.*s", client->number, operation_name(operation),
                operation->key, (int)answer.outcome,
                (int)(reply->text.size > 60 ? 60 : reply->text.size),
                (const char *)reply->text.data);
    if (operation->is_local) {
        keep_local_read(world, operation, &answer);
    }
    const bool reads = operation->kind == HISTORY_READ || operation->kind == HISTORY_RANGE;
    if (answer.outcome == HISTORY_OK && !reads && !operation->is_repeat) {
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

void client_collect(struct client *client)
{
    struct world *world = client->world;
    client->has_output = false;
    if (client->session == NULL) {
        return;
    }
    struct buf *output = session_output(client->session);
    while (buf_size(output) > 0) {
        struct resp_reply reply;
        size_t consumed = 0;
        const int err = resp_read(buf_bytes(output), &client->joined, &reply, &consumed);
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
    }
    session_resume(client->session);
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
        world_trace(client->world, "client %u gives up on node %u", client->number, client->host);
        client_disconnect(client);
    }
}
