#include "front/resp_session.h"

#include "base/check.h"
#include "base/err.h"
#include "base/mark.h"
#include "base/os/heap.h"
#include "base/plant.h"

#include <stdio.h>

#define SLOTS_FIRST 4
/* Expected of the first replies: 64 of them may be in flight until they turn out smaller. */
#define REPLY_SIZE_FIRST (SESSION_OUTPUT_MAX / 64)
#define ARGS_FIRST       16
/* A command with more arguments than this gives the room back afterwards. */
#define ARGS_KEEP 1024

_Static_assert((SESSION_PIPELINE_MAX & (SESSION_PIPELINE_MAX - 1)) == 0,
               "the ring is a power of 2");

struct resp_session *resp_session_new(struct session *session)
{
    struct resp_session *resp = heap_alloc(sizeof *resp);
    resp->session = session;
    resp->protocol = RESP2;
    resp->reply_size = REPLY_SIZE_FIRST;
    return resp;
}

void resp_session_reset(struct resp_session *resp)
{
    resp->protocol = RESP2;
    resp->replies_off = false;
    resp->skip_next = false;
    resp->skip_this = false;
    resp->name[0] = '\0';
}

/* --- Slots --- */

static struct slot *slot_at(const struct resp_session *resp, size_t position)
{
    return resp->slots[(resp->slot_first + position) & (resp->slot_capacity - 1)];
}

static void grow_slots(struct resp_session *resp)
{
    const size_t capacity = resp->slot_capacity == 0 ? SLOTS_FIRST : resp->slot_capacity * 2;
    Q_CHECK(capacity <= SESSION_PIPELINE_MAX);
    Q_MARK_IF(FRONT_SLOTS_GROW, resp->slot_capacity > 0);
    struct slot **slots = heap_alloc(capacity * sizeof(struct slot *));
    for (size_t i = 0; i < resp->slot_capacity; i++) {
        slots[i] = slot_at(resp, i);
    }
    heap_free(resp->slots);
    resp->slots = slots;
    resp->slot_capacity = capacity;
    resp->slot_first = 0;
}

/* Opens the slot behind the last one. */
static struct slot *slot_open(struct resp_session *resp)
{
    Q_CHECK(resp->slot_count < SESSION_PIPELINE_MAX);
    if (resp->slot_count == resp->slot_capacity) {
        grow_slots(resp);
    }
    const size_t index = (resp->slot_first + resp->slot_count) & (resp->slot_capacity - 1);
    if (resp->slots[index] == NULL) {
        resp->slots[index] = heap_alloc(sizeof(struct slot));
    }
    struct slot *slot = resp->slots[index];
    slot->resp = resp;
    slot->is_done = false;
    slot->is_silent = false;
    slot->protocol = resp->protocol;
    slot->shape = SHAPE_PLAIN;
    resp->slot_count++;
    return slot;
}

static void slot_keep_small(struct slot *slot)
{
    buf_clear(&slot->text);
    if (slot->text.capacity > SESSION_BUF_KEEP) {
        buf_deinit(&slot->text);
    }
}

/* Sends the replies at the front that are there. */
static void flush_slots(struct resp_session *resp)
{
    while (resp->slot_count > 0 && slot_at(resp, 0)->is_done) {
        struct slot *slot = slot_at(resp, 0);
        const size_t size = buf_size(&slot->text);
        buf_append(&resp->session->output, buf_bytes(&slot->text));
        Q_CHECK(resp->waiting_bytes >= size);
        resp->waiting_bytes -= size;
        slot_keep_small(slot);
        resp->slot_first = (resp->slot_first + 1) & (resp->slot_capacity - 1);
        resp->slot_count--;
    }
}

static void slot_finish(struct slot *slot)
{
    struct resp_session *resp = slot->resp;
    slot->is_done = true;
    resp->waiting_bytes += buf_size(&slot->text);
    Q_MARK_IF(FRONT_REPLY_EARLY, slot != slot_at(resp, 0));
    if (slot == slot_at(resp, 0)) {
        flush_slots(resp);
    }
}

/* A large reply counts at once, and is forgotten over some tens of small ones. */
static void expect_replies_like(struct resp_session *resp, size_t size)
{
    const size_t faded = resp->reply_size - resp->reply_size / 8;
    resp->reply_size = size > faded ? size : faded;
}

/* The node's reply to a slot's request. May come from within node_submit. */
static void on_reply(struct node_request *request, struct bytes reply)
{
    struct slot *slot = request->owner;
    struct resp_session *resp = slot->resp;
    Q_CHECK(!slot->is_done && resp->in_flight > 0);
    resp->in_flight--;
    expect_replies_like(resp, reply.size);
    if (!slot->is_silent) {
        /* The first in line has nobody to wait for: its reply skips the slot. */
        struct buf *out = slot == slot_at(resp, 0) ? &resp->session->output : &slot->text;
        resp_print_reply(out, slot->protocol, slot->shape, reply);
    }
    slot_finish(slot);
    session_wake(resp->session);
}

void resp_session_free(struct resp_session *resp)
{
    if (resp == NULL) {
        return;
    }
    for (size_t i = 0; i < resp->slot_count; i++) {
        struct slot *slot = slot_at(resp, i);
        if (!slot->is_done) {
            Q_MARK(FRONT_CANCELLED);
            node_cancel(resp->session->front->node, &slot->node_request);
        }
    }
    for (size_t i = 0; i < resp->slot_capacity; i++) {
        if (resp->slots[i] != NULL) {
            buf_deinit(&resp->slots[i]->text);
            heap_free(resp->slots[i]);
        }
    }
    heap_free(resp->slots);
    heap_free(resp->args);
    buf_deinit(&resp->scratch);
    heap_free(resp);
}

/* --- Answers of the front itself --- */

/* Where the next reply in line is printed: the output, or a slot behind those still open. */
static struct buf *answer_begin(struct resp_session *resp, struct slot **out_slot)
{
    *out_slot = resp->slot_count > 0 ? slot_open(resp) : NULL;
    return *out_slot != NULL ? &(*out_slot)->text : &resp->session->output;
}

/* `before` is the size of `out` when the answer began: a silent answer is taken back. */
static void answer_end(struct resp_session *resp, struct slot *slot, struct buf *out, size_t before)
{
    if (resp->replies_off || resp->skip_this) {
        buf_chop_to(out, before);
    }
    if (slot != NULL) {
        slot_finish(slot);
    }
}

static void answer_error(struct resp_session *resp, struct bytes printed)
{
    struct slot *slot = NULL;
    struct buf *out = answer_begin(resp, &slot);
    const size_t before = buf_size(out);
    buf_append(out, printed);
    answer_end(resp, slot, out, before);
}

/* --- Commands --- */

/* Redis' text, so that people and libraries recognise it. */
static void print_unknown_command(struct buf *out, const struct bytes *args, size_t count)
{
    Q_MARK(FRONT_UNKNOWN_COMMAND);
    char text[400];
    size_t at = 0;
    const size_t name_size = args[0].size < 128 ? args[0].size : 128;
    at += (size_t)snprintf(text, sizeof text,
                           "unknown command '%.*s', with args beginning with: ", (int)name_size,
                           (const char *)args[0].data);
    const size_t args_end = at + 128;
    for (size_t i = 1; i < count && at < args_end; i++) {
        const size_t room = args_end - at;
        const size_t size = args[i].size < room ? args[i].size : room;
        at += (size_t)snprintf(text + at, sizeof text - at, "'%.*s' ", (int)size,
                               (const char *)args[i].data);
    }
    resp_print_error_format(out, "ERR", "%s", text);
}

static void print_wrong_arity(struct buf *out, const char *parent, const char *name)
{
    Q_MARK(FRONT_WRONG_ARITY);
    resp_print_error_format(out, "ERR", "wrong number of arguments for '%s%s%s' command", parent,
                            parent[0] == '\0' ? "" : "|", name);
}

static void answer_sub(struct call *call)
{
    const struct command *parent = call->command;
    const struct bytes name = call->args[1];
    const struct command *command = commands_find_sub(parent, name);
    if (command == NULL) {
        const int size = (int)(name.size < 128 ? name.size : 128);
        resp_print_error_format(call->out, "ERR", "unknown subcommand '%.*s' of '%s'", size,
                                (const char *)name.data, parent->name);
        return;
    }
    if (!command_arity_fits(command, call->arg_count)) {
        print_wrong_arity(call->out, parent->name, command->name);
        return;
    }
    call->command = command;
    command->answer(call);
}

static void serve_here(struct call *call)
{
    struct slot *slot = NULL;
    call->out = answer_begin(call->resp, &slot);
    const size_t before = buf_size(call->out);
    if (call->command == NULL) {
        print_unknown_command(call->out, call->args, call->arg_count);
    } else if (!command_arity_fits(call->command, call->arg_count)) {
        print_wrong_arity(call->out, "", call->command->name);
    } else if (call->command->subcommands != NULL && call->arg_count > 1) {
        answer_sub(call);
    } else {
        call->command->answer(call);
    }
    answer_end(call->resp, slot, call->out, before);
}

static void mark_key(void *context, size_t position)
{
    struct call *call = context;
    if (call->args[position].size > KEY_SIZE_MAX && buf_size(call->out) == 0) {
        Q_MARK(FRONT_KEY_TOO_BIG);
        resp_print_error_format(call->out, "TOOBIG", "a key may have at most %zu bytes",
                                KEY_SIZE_MAX);
    }
}

/* Sizes a client chose. Keys are looked at first: a key's limit is the smaller one. */
static bool sizes_fit(struct call *call)
{
    command_each_key(call->command, call->arg_count, mark_key, call);
    if (buf_size(call->out) > 0) {
        return false;
    }
    const uint64_t limit = call->resp->session->front->value_size_max;
    for (size_t i = 1; i < call->arg_count; i++) {
        if (call->args[i].size > limit) {
            Q_MARK(FRONT_VALUE_TOO_BIG);
            resp_print_error_format(call->out, "TOOBIG", "a value may have at most %llu bytes",
                                    (unsigned long long)limit);
            return false;
        }
    }
    return true;
}

static bool prepare_request(struct call *call)
{
    call->request = (struct request){.op = call->command->op};
    if (!resp_options_take(call)) {
        return false;
    }
    if (!command_arity_fits(call->command, call->arg_count)) {
        print_wrong_arity(call->out, "", call->command->name);
        return false;
    }
    return sizes_fit(call) && call->command->prepare(call);
}

static void serve_by_node(struct call *call)
{
    struct resp_session *resp = call->resp;
    buf_clear(&resp->scratch);
    call->out = &resp->scratch;
    if (!prepare_request(call)) {
        answer_error(resp, buf_bytes(&resp->scratch));
        return;
    }
    struct slot *slot = slot_open(resp);
    slot->shape = call->shape;
    slot->is_silent = resp->replies_off || resp->skip_this;
    slot->node_request =
        (struct node_request){.request = call->request, .done = on_reply, .owner = slot};
    resp->run_writes = op_writes(call->request.op);
    resp->in_flight++;
    if (Q_PLANT(RESP) && resp->slot_count > 1 && resp->served % 7 == 0) {
        const size_t last = resp->slot_first + resp->slot_count - 1;
        resp->slots[last & (resp->slot_capacity - 1)] = slot_at(resp, resp->slot_count - 2);
        resp->slots[(last - 1) & (resp->slot_capacity - 1)] = slot;
    }
    node_submit(resp->session->front->node, &slot->node_request);
}

/* Serves the command in resp->args. False when it has to wait for the run before it. */
static bool serve(struct resp_session *resp)
{
    struct call call = {.resp = resp,
                        .command = commands_find(resp->args[0]),
                        .args = resp->args,
                        .arg_count = resp->arg_count,
                        .protocol = resp->protocol};
    const bool by_node = call.command != NULL && call.command->prepare != NULL;
    if (by_node && resp->in_flight > 0 && op_writes(call.command->op) != resp->run_writes &&
        !Q_PLANT(PIPELINE)) {
        Q_MARK(FRONT_HELD);
        return false;
    }
    resp->skip_this = resp->skip_next;
    resp->skip_next = false;
    resp->served++;
    resp->session->front->commands_processed++;
    if (call.command != NULL) {
        resp->last_command = call.command;
    }
    if (by_node) {
        serve_by_node(&call);
    } else {
        serve_here(&call);
    }
    return true;
}

/* --- Input --- */

static void make_args_room(struct resp_session *resp, size_t count)
{
    size_t capacity = resp->args_capacity == 0 ? ARGS_FIRST : resp->args_capacity;
    while (capacity < count) {
        capacity *= 2;
    }
    heap_free(resp->args);
    resp->args = heap_alloc_raw(capacity * sizeof(struct bytes));
    resp->args_capacity = capacity;
}

static void refuse_input(struct resp_session *resp)
{
    Q_MARK(FRONT_PROTOCOL_ERROR);
    buf_clear(&resp->scratch);
    resp_print_error(&resp->scratch, bytes_of_text(resp->parser.error));
    answer_error(resp, buf_bytes(&resp->scratch));
    resp->is_closing = true;
}

/* Cuts the next command off the input into resp->args. False when there is none (yet). */
static bool next_command(struct resp_session *resp)
{
    struct buf *input = &resp->session->input;
    if (buf_size(input) == 0) {
        return false;
    }
    if (resp->args == NULL) {
        make_args_room(resp, ARGS_FIRST);
    }
    uint8_t *data = input->data + input->start;
    int result =
        resp_parse_command(&resp->parser, data, buf_size(input), resp->args, resp->args_capacity);
    if (result == Q_ENOMEM) {
        Q_MARK(FRONT_ARGS_GROW);
        make_args_room(resp, resp->parser.arg_count);
        result = resp_parse_command(&resp->parser, data, buf_size(input), resp->args,
                                    resp->args_capacity);
    }
    if (result == Q_EAGAIN) {
        Q_MARK(FRONT_PART_OF_COMMAND);
        return false;
    }
    if (result != Q_OK) {
        refuse_input(resp);
        return false;
    }
    resp->arg_count = resp->parser.arg_count;
    resp->command_size = resp->parser.consumed;
    return true;
}

static void drop_command(struct resp_session *resp)
{
    buf_trim(&resp->session->input, resp->command_size);
    resp->arg_count = 0;
    if (resp->args_capacity > ARGS_KEEP) {
        heap_free(resp->args);
        resp->args = NULL;
        resp->args_capacity = 0;
    }
}

/* Room for another command, held or new? */
static bool has_room(const struct resp_session *resp)
{
    const size_t expected = resp->in_flight * resp->reply_size;
    const bool fits =
        buf_size(&resp->session->output) + resp->waiting_bytes + expected < SESSION_OUTPUT_MAX;
    Q_MARK_IF(FRONT_OUTPUT_FULL, !fits && buf_size(&resp->session->input) > 0);
    return !resp->is_closing && resp->slot_count < SESSION_PIPELINE_MAX && (fits || Q_PLANT(B70));
}

void resp_session_process(struct resp_session *resp)
{
    while (has_room(resp)) {
        if (!resp->is_held && !next_command(resp)) {
            break;
        }
        resp->is_held = resp->arg_count > 0 && !serve(resp);
        if (resp->is_held) {
            break;
        }
        drop_command(resp);
    }
    if (resp->is_closing) {
        buf_clear(&resp->session->input);
    }
}

void resp_session_input_moved(struct resp_session *resp, const uint8_t *from, const uint8_t *to)
{
    if (!resp->is_held || from == to) {
        return;
    }
    Q_MARK(FRONT_HELD_MOVED);
    for (size_t i = 0; i < resp->arg_count; i++) {
        const uintptr_t offset = (uintptr_t)resp->args[i].data - (uintptr_t)from;
        resp->args[i].data = to + offset;
    }
}

bool resp_session_is_full(const struct resp_session *resp)
{
    return resp->is_held || !has_room(resp);
}

bool resp_session_wants_close(const struct resp_session *resp)
{
    return resp->is_closing && resp->slot_count == 0;
}
