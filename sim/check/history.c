#include "sim/check/history.h"

#include "base/check.h"
#include "base/os/heap.h"
#include "sim/check/judge.h"

#define COUNT_FIRST 256
#define HEADER      "quorate-history 1\n"
#define FIELDS      12

static const char *const KIND_WORDS[HISTORY_KINDS] = {"read",   "write", "cas",   "delete",
                                                      "append", "push",  "range", "incr"};
static const char *const OUTCOME_WORDS[] = {"pending", "ok", "failed", "unknown"};
#define OUTCOMES (sizeof OUTCOME_WORDS / sizeof OUTCOME_WORDS[0])

struct history *history_new(void)
{
    return heap_alloc(sizeof(struct history));
}

/* Frees bytes that this file copied; only then may the const be cast away. */
static void free_copy(struct bytes bytes)
{
    heap_free((void *)(uintptr_t)bytes.data);
}

void history_free(struct history *history)
{
    if (history == NULL) {
        return;
    }
    for (size_t i = 0; i < history->count; i++) {
        free_copy(history->operations[i].key);
        free_copy(history->operations[i].result);
    }
    heap_free(history->operations);
    heap_free(history);
}

static void put(uint8_t **at, struct bytes in, struct bytes *out)
{
    if (in.size > 0) {
        memcpy(*at, in.data, in.size);
    }
    *out = bytes_of(*at, in.size);
    *at += in.size;
}

size_t history_invoke(struct history *history, const struct history_call *call, uint64_t now)
{
    Q_CHECK((unsigned)call->kind < HISTORY_KINDS);
    if (history->count == history->capacity) {
        history->capacity = history->capacity == 0 ? COUNT_FIRST : history->capacity * 2;
        history->operations =
            heap_realloc(history->operations, history->capacity * sizeof *history->operations);
    }
    struct operation *operation = &history->operations[history->count];
    *operation = (struct operation){.client = call->client,
                                    .kind = call->kind,
                                    .invoked_at = now,
                                    .invoked_order = history->moments++};
    uint8_t *at = heap_alloc_raw(call->key.size + call->argument.size + call->expected.size);
    put(&at, call->key, &operation->key);
    put(&at, call->argument, &operation->argument);
    put(&at, call->expected, &operation->expected);
    return history->count++;
}

void history_return(struct history *history,
                    size_t operation,
                    enum history_outcome outcome,
                    bool absent,
                    struct bytes result,
                    uint64_t now)
{
    Q_CHECK(operation < history->count);
    Q_CHECK(outcome != HISTORY_PENDING);
    struct operation *ended = &history->operations[operation];
    Q_CHECK(ended->outcome == HISTORY_PENDING);
    ended->outcome = outcome;
    ended->absent = absent;
    uint8_t *at = heap_alloc_raw(result.size);
    put(&at, result, &ended->result);
    ended->returned_at = now;
    ended->returned_order = history->moments++;
}

size_t history_count(const struct history *history)
{
    return history->count;
}

/* Bytes as one word: '%' and two hex digits stand for anything a word may not hold; no bytes at
 * all are written as "%". */
static void write_word(struct buf *out, struct bytes in)
{
    if (in.size == 0) {
        buf_append_text(out, "%");
    }
    for (size_t i = 0; i < in.size; i++) {
        const uint8_t c = in.data[i];
        if (c > ' ' && c < 0x7f && c != '%') {
            buf_append(out, bytes_of(&c, 1));
        } else {
            buf_append_format(out, "%%%02x", c);
        }
    }
    buf_append_text(out, " ");
}

/* A line is: client kind outcome absent key argument expected result invoked_at returned_at
 * invoked_order returned_order. */
void history_write(const struct history *history, struct buf *out)
{
    buf_append_text(out, HEADER);
    for (size_t i = 0; i < history->count; i++) {
        const struct operation *o = &history->operations[i];
        buf_append_format(out, "%u %s %s %d ", o->client, KIND_WORDS[o->kind],
                          OUTCOME_WORDS[o->outcome], o->absent ? 1 : 0);
        write_word(out, o->key);
        write_word(out, o->argument);
        write_word(out, o->expected);
        write_word(out, o->result);
        buf_append_format(out, "%llu %llu %llu %llu\n", (unsigned long long)o->invoked_at,
                          (unsigned long long)o->returned_at, (unsigned long long)o->invoked_order,
                          (unsigned long long)o->returned_order);
    }
}

/* Takes what comes before `end` off the front of `rest`. False when there is no `end`. */
static bool take_until(struct bytes *rest, char end, struct bytes *out)
{
    const uint8_t *found = rest->size == 0 ? NULL : memchr(rest->data, end, rest->size);
    if (found == NULL) {
        return false;
    }
    *out = bytes_of(rest->data, (size_t)(found - rest->data));
    *rest = bytes_of(found + 1, rest->size - out->size - 1);
    return true;
}

static int hex_digit(uint8_t c)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = c == 0 ? NULL : strchr(digits, c);
    return found == NULL ? -1 : (int)(found - digits);
}

static bool read_word(struct bytes word, struct buf *out)
{
    buf_clear(out);
    if (word.size == 0) {
        return false;
    }
    if (word.size == 1 && word.data[0] == '%') {
        return true;
    }
    for (size_t i = 0; i < word.size; i++) {
        uint8_t c = word.data[i];
        if (c == '%') {
            const int high = word.size - i > 2 ? hex_digit(word.data[i + 1]) : -1;
            const int low = high >= 0 ? hex_digit(word.data[i + 2]) : -1;
            if (low < 0) {
                return false;
            }
            c = (uint8_t)(high << 4 | low);
            i += 2;
        }
        buf_append(out, bytes_of(&c, 1));
    }
    return true;
}

static bool read_number(struct bytes word, uint64_t *out)
{
    int64_t value = 0;
    if (!bytes_to_int64(word, &value) || value < 0) {
        return false;
    }
    *out = (uint64_t)value;
    return true;
}

static bool read_name(struct bytes word, const char *const *names, size_t count, size_t *out)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes_equal(word, bytes_of_text(names[i]))) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* Memory for the four byte fields of a line. */
struct words {
    struct buf bytes[4];
};

static bool read_fields(struct bytes line, struct bytes fields[FIELDS])
{
    for (size_t i = 0; i + 1 < FIELDS; i++) {
        if (!take_until(&line, ' ', &fields[i])) {
            return false;
        }
    }
    fields[FIELDS - 1] = line;
    return true;
}

static bool read_line(struct history *history, struct bytes line, struct words *words)
{
    struct bytes fields[FIELDS];
    uint64_t client = 0;
    uint64_t absent = 0;
    size_t kind = 0;
    size_t outcome = 0;
    uint64_t times[4] = {0};
    if (!read_fields(line, fields) || !read_number(fields[0], &client) || client > UINT32_MAX ||
        !read_name(fields[1], KIND_WORDS, HISTORY_KINDS, &kind) ||
        !read_name(fields[2], OUTCOME_WORDS, OUTCOMES, &outcome) ||
        !read_number(fields[3], &absent) || absent > 1) {
        return false;
    }
    for (size_t i = 0; i < 4; i++) {
        if (!read_word(fields[4 + i], &words->bytes[i]) || !read_number(fields[8 + i], &times[i])) {
            return false;
        }
    }
    const struct history_call call = {.client = (uint32_t)client,
                                      .kind = (enum history_kind)kind,
                                      .key = buf_bytes(&words->bytes[0]),
                                      .argument = buf_bytes(&words->bytes[1]),
                                      .expected = buf_bytes(&words->bytes[2])};
    const size_t number = history_invoke(history, &call, times[0]);
    if (outcome != HISTORY_PENDING) {
        history_return(history, number, (enum history_outcome)outcome, absent == 1,
                       buf_bytes(&words->bytes[3]), times[1]);
    }
    history->operations[number].invoked_order = times[2];
    history->operations[number].returned_order = times[3];
    return true;
}

struct history *history_read(struct bytes in)
{
    const struct bytes header = bytes_of_text(HEADER);
    if (in.size < header.size || !bytes_equal(bytes_of(in.data, header.size), header)) {
        return NULL;
    }
    struct bytes rest = bytes_of(in.data + header.size, in.size - header.size);
    struct history *history = history_new();
    struct words words = {0};
    bool fine = true;
    while (fine && rest.size > 0) {
        struct bytes line;
        fine = take_until(&rest, '\n', &line) && read_line(history, line, &words);
    }
    for (size_t i = 0; i < 4; i++) {
        buf_deinit(&words.bytes[i]);
    }
    if (!fine) {
        history_free(history);
        return NULL;
    }
    return history;
}
