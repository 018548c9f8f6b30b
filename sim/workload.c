#include "sim/workload.h"

#include "base/check.h"
#include "base/os/heap.h"
#include "node/machine/machine.h"

#include <stdio.h>

void workload_init(struct workload *workload, uint64_t seed, const struct sim_options *options)
{
    Q_CHECK(options->keys_per_class > 0 && options->keys_per_class <= WORKLOAD_KEYS_MAX);
    memset(workload, 0, sizeof *workload);
    prng_init(&workload->prng, seed);
    workload->keys_per_class = options->keys_per_class;
    workload->padding_max = options->value_padding_max;
    workload->filler_size = options->filler_size;
    workload->odd_percent = options->odd_percent;
    workload->ids_lag = options->ids_lag;
    workload->id_percent = (uint32_t)(prng_below(&workload->prng, 4) * 30);
    workload->local_percent = (uint32_t)(prng_below(&workload->prng, 3) * 15);
    for (size_t i = 0; i < WORKLOAD_CLASSES; i++) {
        workload->class_weight[i] = (uint32_t)prng_between(&workload->prng, 1, 4);
    }
}

void workload_deinit(struct workload *workload)
{
    heap_free(workload->owners);
}

/* The next number, noted as belonging to that register (255: to none). */
static uint64_t next_unique(struct workload *workload, uint8_t owner)
{
    if (workload->unique == workload->owner_capacity) {
        workload->owner_capacity =
            workload->owner_capacity == 0 ? 256 : workload->owner_capacity * 2;
        workload->owners = heap_realloc(workload->owners, workload->owner_capacity);
    }
    workload->owners[workload->unique] = owner;
    return workload->unique++;
}

static void set_key(struct operation *operation)
{
    (void)snprintf(operation->key, sizeof operation->key, "%c%u", "ralc"[operation->class],
                   operation -> key_number % 1000);
}

static enum key_class draw_class(struct workload *workload)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < WORKLOAD_CLASSES; i++) {
        sum += workload->class_weight[i];
    }
    uint32_t at = (uint32_t)prng_below(&workload->prng, sum);
    for (size_t i = 0; i < WORKLOAD_CLASSES; i++) {
        if (at < workload->class_weight[i]) {
            return (enum key_class)i;
        }
        at -= workload->class_weight[i];
    }
    return KEY_REGISTER;
}

/* A unique value: v<number>. and padding. Never a ',' and never the start of another one. */
static void draw_value(struct workload *workload, struct operation *operation)
{
    const bool is_register = operation->class == KEY_REGISTER;
    const uint64_t number =
        next_unique(workload, is_register ? (uint8_t)operation->key_number : 255);
    const int size = snprintf(operation->argument, sizeof operation->argument, "v%llu.",
                              (unsigned long long)number);
    size_t padding = 0;
    if (is_register && workload->padding_max > 0) {
        padding = (size_t)prng_below(&workload->prng, (uint64_t)workload->padding_max + 1);
    }
    Q_CHECK((size_t)size + padding < sizeof operation->argument);
    memset(operation->argument + size, 'x', padding);
    operation->argument_size = (size_t)size + padding;
}

static void draw_register(struct workload *workload, struct operation *out)
{
    const uint32_t number = out->key_number;
    const uint64_t at = prng_below(&workload->prng, 10);
    out->kind = at < 4 ? HISTORY_READ : at < 7 ? HISTORY_WRITE : HISTORY_CAS;
    if (at == 9) {
        out->kind = HISTORY_DELETE;
    }
    if (out->kind == HISTORY_CAS) {
        out->expected_size = workload->recent_size[number];
        memcpy(out->expected, workload->recent[number], out->expected_size);
        if (out->expected_size == 0) {
            out->kind = HISTORY_WRITE;
        }
    }
    if (out->kind == HISTORY_WRITE || out->kind == HISTORY_CAS) {
        draw_value(workload, out);
        workload->recent_size[number] = out->argument_size;
        memcpy(workload->recent[number], out->argument, out->argument_size);
    }
}

static void draw_other(struct workload *workload, struct operation *out)
{
    const bool reads = prng_chance(&workload->prng, 1, 3);
    if (out->class == KEY_STRING) {
        out->kind = reads ? HISTORY_READ : HISTORY_APPEND;
    } else if (out->class == KEY_LIST) {
        out->kind = reads ? HISTORY_RANGE : HISTORY_PUSH;
    } else {
        out->kind = reads ? HISTORY_READ : HISTORY_INCR;
    }
    if (out->kind == HISTORY_APPEND || out->kind == HISTORY_PUSH) {
        draw_value(workload, out);
    }
    if (out->kind == HISTORY_INCR) {
        out->argument_size = bytes_from_int64((int64_t)prng_between(&workload->prng, 1, 9),
                                              (uint8_t *)out->argument);
    }
}

static void draw_filler(struct workload *workload, struct operation *out)
{
    out->kind = HISTORY_WRITE;
    out->filler_size = workload->filler_size;
    (void)snprintf(out->key, sizeof out->key, "f%u",
                   (unsigned)prng_below(&workload->prng, WORKLOAD_FILLER_KEYS));
    draw_value(workload, out);
}

/* The time in a request id: of a client whose clock is right, or wrong by about as much as the
 * state machine puts up with. */
static uint64_t draw_id_time(struct workload *workload, uint64_t wall_ms)
{
    if (!workload->ids_lag || prng_chance(&workload->prng, 7, 8)) {
        return wall_ms;
    }
    return prng_chance(&workload->prng, 1, 2)
               ? wall_ms + prng_between(&workload->prng, ID_AHEAD_MS / 2, ID_AHEAD_MS * 2)
               : wall_ms - ID_KEEP_MS + prng_below(&workload->prng, 20000) - 2000;
}

static void draw_local(struct workload *workload, struct operation *out)
{
    out->is_local = prng_chance(&workload->prng, workload->local_percent, 100);
    if (out->is_local && prng_chance(&workload->prng, 1, 3)) {
        out->max_stale_ms = (uint32_t)prng_between(&workload->prng, 1, 1000);
    }
}

void workload_draw(struct workload *workload,
                   struct operation *out,
                   uint32_t client,
                   uint64_t wall_ms)
{
    memset(out, 0, offsetof(struct operation, argument));
    if (workload->filler_size > 0 && prng_chance(&workload->prng, 1, 8)) {
        draw_filler(workload, out);
        return;
    }
    if (prng_chance(&workload->prng, workload->odd_percent, 100)) {
        out->oddity = oddity_draw(&workload->prng);
        return;
    }
    out->class = draw_class(workload);
    out->key_number = (uint32_t)prng_below(&workload->prng, workload->keys_per_class);
    set_key(out);
    if (out->class == KEY_REGISTER) {
        draw_register(workload, out);
    } else {
        draw_other(workload, out);
    }
    const bool reads = out->kind == HISTORY_READ || out->kind == HISTORY_RANGE;
    /* Increments of unknown outcome are what a linearizability checker takes longest over: most
     * are asked again until they are known. */
    const uint32_t id_percent = out->kind == HISTORY_INCR ? 95 : workload->id_percent;
    if (reads) {
        draw_local(workload, out);
    } else if (prng_chance(&workload->prng, id_percent, 100)) {
        (void)snprintf(out->request_id, sizeof out->request_id, "%llu-c%u-%llu",
                       (unsigned long long)draw_id_time(workload, wall_ms), client,
                       (unsigned long long)next_unique(workload, 255));
    }
}

uint32_t workload_key_count(const struct workload *workload)
{
    return workload->keys_per_class * WORKLOAD_CLASSES;
}

void workload_closing(const struct workload *workload, struct operation *out, uint32_t key)
{
    memset(out, 0, offsetof(struct operation, argument));
    out->class = (enum key_class)(key / workload->keys_per_class);
    out->key_number = key % workload->keys_per_class;
    out->kind = out->class == KEY_LIST ? HISTORY_RANGE : HISTORY_READ;
    out->is_closing = true;
    set_key(out);
}

uint32_t workload_key(const struct workload *workload, const char *key)
{
    static const char LETTERS[] = "ralc";
    const char *letter = strchr(LETTERS, key[0]);
    Q_CHECK(letter != NULL && key[1] >= '0' && key[1] <= '9');
    return (uint32_t)(letter - LETTERS) * workload->keys_per_class + (uint32_t)(key[1] - '0');
}

bool workload_wrote(const struct workload *workload, const char *key, struct bytes value)
{
    uint64_t number = 0;
    size_t at = 1;
    while (at < value.size && at < 18 && value.data[at] >= '0' && value.data[at] <= '9') {
        number = number * 10 + (uint64_t)(value.data[at] - '0');
        at++;
    }
    return at > 1 && at < value.size && value.data[0] == 'v' && value.data[at] == '.' &&
           number < workload->unique && workload->owners[number] == workload_key(workload, key);
}

/* ---- RESP ---- */

static void add_bulk(struct buf *out, struct bytes bytes)
{
    buf_append_format(out, "$%zu\r\n", bytes.size);
    buf_append(out, bytes);
    buf_append_text(out, "\r\n");
}

static void add_text(struct buf *out, const char *text)
{
    add_bulk(out, bytes_of_text(text));
}

/* The unique value, repeated up to the size wanted. */
static void add_filler(struct buf *out, const struct operation *operation)
{
    const size_t count = operation->filler_size / operation->argument_size + 1;
    buf_append_format(out, "$%zu\r\n", count * operation->argument_size);
    for (size_t i = 0; i < count; i++) {
        buf_append(out, bytes_of(operation->argument, operation->argument_size));
    }
    buf_append_text(out, "\r\n");
}

struct form {
    const char *command;
    size_t words; /* Words after the key that the form always has. */
};

static struct form form_of(const struct operation *operation)
{
    if (operation->is_dropped) {
        return (struct form){"LLEN", 0};
    }
    switch (operation->kind) {
    case HISTORY_READ: return (struct form){"GET", 0};
    case HISTORY_WRITE: return (struct form){"SET", 1};
    case HISTORY_CAS: return (struct form){"SET", 3};
    case HISTORY_DELETE: return (struct form){"DEL", 0};
    case HISTORY_APPEND: return (struct form){"APPEND", 1};
    case HISTORY_PUSH: return (struct form){"RPUSH", 1};
    case HISTORY_RANGE: return (struct form){"LRANGE", 2};
    case HISTORY_INCR: return (struct form){"INCRBY", 1};
    }
    return (struct form){"?", 0};
}

static void add_level(struct buf *out, const struct operation *operation)
{
    add_text(out, "LEVEL");
    add_text(out, "local");
    if (operation->max_stale_ms > 0) {
        uint8_t digits[20];
        add_text(out, "MAXSTALE");
        add_bulk(out, bytes_of(digits, bytes_from_int64(operation->max_stale_ms, digits)));
    }
}

void operation_encode(const struct operation *operation, struct buf *out)
{
    if (operation->oddity > 0) {
        oddity_encode(operation->oddity, out);
        return;
    }
    const struct form form = form_of(operation);
    const bool has_id = operation->request_id[0] != '\0';
    buf_append_format(out, "*%zu\r\n",
                      2 + form.words + (has_id ? 2 : 0) + (operation->is_local ? 2 : 0) +
                          (operation->max_stale_ms > 0 ? 2 : 0));
    add_text(out, form.command);
    add_text(out, operation->key);
    if (operation->kind == HISTORY_RANGE) {
        add_text(out, "0");
        add_text(out, "-1");
    } else if (operation->filler_size > 0) {
        add_filler(out, operation);
    } else if (form.words > 0) {
        add_bulk(out, bytes_of(operation->argument, operation->argument_size));
    }
    if (operation->kind == HISTORY_CAS) {
        add_text(out, "IFEQ");
        add_bulk(out, bytes_of(operation->expected, operation->expected_size));
    }
    if (has_id) {
        add_text(out, "REQID");
        add_text(out, operation->request_id);
    }
    if (operation->is_local) {
        add_level(out, operation);
    }
}

/* ---- answers ---- */

static bool starts_with(struct bytes text, const char *prefix)
{
    const size_t size = strlen(prefix);
    return text.size >= size && memcmp(text.data, prefix, size) == 0;
}

static bool answer_error(struct bytes text, struct answer *out)
{
    /* Errors that promise the operation has not happened and never will. */
    static const char *const PROMISES[] = {"CLUSTERDOWN ", "BUSY ",    "TRYAGAIN ", "NOREPLICAS ",
                                           "LOADING ",     "STOPPED ", "STALE "};
    if (starts_with(text, "OUTCOMEUNKNOWN")) {
        out->outcome = HISTORY_UNKNOWN;
        return true;
    }
    out->outcome = HISTORY_FAILED;
    out->expired = starts_with(text, "REQIDEXPIRED");
    for (size_t i = 0; i < sizeof PROMISES / sizeof PROMISES[0]; i++) {
        if (starts_with(text, PROMISES[i])) {
            return true;
        }
    }
    return out->expired;
}

bool operation_answer(const struct operation *operation,
                      const struct resp_reply *reply,
                      struct answer *out)
{
    *out = (struct answer){.outcome = HISTORY_OK, .result = reply->text};
    if (operation->oddity > 0) {
        return oddity_accepts(operation->oddity, reply);
    }
    if (reply->kind == RESP_ERROR) {
        return answer_error(reply->text, out);
    }
    const enum resp_kind kind = reply->kind;
    switch (operation->kind) {
    case HISTORY_READ:
        out->absent = kind == RESP_NIL;
        out->result = out->absent ? bytes_of(NULL, 0) : reply->text;
        return kind == RESP_NIL || kind == RESP_BULK;
    case HISTORY_WRITE: out->result = bytes_of(NULL, 0); return kind == RESP_STATUS;
    case HISTORY_CAS:
        out->result = bytes_of_text(kind == RESP_NIL ? "0" : "1");
        return kind == RESP_NIL || kind == RESP_STATUS;
    case HISTORY_DELETE: return kind == RESP_INTEGER;
    case HISTORY_APPEND:
    case HISTORY_PUSH:
    case HISTORY_INCR: {
        const int64_t value = reply->integer + (operation->is_dropped ? 1 : 0);
        out->result = bytes_of(out->digits, bytes_from_int64(value, out->digits));
        return kind == RESP_INTEGER;
    }
    case HISTORY_RANGE: return kind == RESP_ARRAY;
    }
    return false;
}

bool operation_is_judged(const struct operation *operation)
{
    return !operation->is_local && operation->filler_size == 0 && operation->oddity == 0;
}

const char *operation_name(const struct operation *operation)
{
    if (operation->oddity > 0) {
        return oddity_text(operation->oddity);
    }
    return form_of(operation).command;
}
