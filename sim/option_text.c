#include "sim/option_text.h"

#include "base/check.h"
#include "sim/partitions.h"

#include <inttypes.h>
#include <stdio.h>

#define BLANKS             " \t"
#define WORD_SIZE_MAX      128
#define SIZES_SHOWN        4 /* The first rows are what a reader asks for first. */
#define FAULT_INTERVAL_MAX UINT64_C(3600000000)

static const struct option TABLE[OPTION_COUNT] = {
#define X(type, field, name, min, max, plain, text)                                                \
    {name, text, offsetof(struct sim_options, field), sizeof(type), min, max, plain},
    OPTION_MAP(X)
#undef X
#define X(type, field, name, min, max, plain, text)                                                \
    {name, text, offsetof(struct sim_options, network.field), sizeof(type), min, max, plain},
        NETWORK_OPTION_MAP(X)
#undef X
#define X(class, name)                                                                             \
    {name "_every_us",                                                                             \
     "",                                                                                           \
     offsetof(struct sim_options, fault_interval_us[FAULT_##class]),                               \
     sizeof(uint64_t),                                                                             \
     0,                                                                                            \
     FAULT_INTERVAL_MAX,                                                                           \
     0},
            FAULT_MAP(X)
#undef X
};

const struct option *option_at(size_t number)
{
    Q_CHECK(number < OPTION_COUNT);
    return &TABLE[number];
}

size_t option_find(const char *name)
{
    size_t number = 0;
    while (number < OPTION_COUNT && strcmp(TABLE[number].name, name) != 0) {
        number++;
    }
    return number;
}

uint64_t option_get(const struct sim_options *options, size_t number)
{
    const struct option *option = option_at(number);
    const uint8_t *field = (const uint8_t *)options + option->offset;
    uint64_t wide = 0;
    uint32_t narrow = 0;
    bool flag = false;
    switch (option->size) {
    case sizeof wide: memcpy(&wide, field, sizeof wide); return wide;
    case sizeof narrow: memcpy(&narrow, field, sizeof narrow); return narrow;
    default:
        Q_CHECK(option->size == sizeof flag);
        memcpy(&flag, field, sizeof flag);
        return flag;
    }
}

void option_put(struct sim_options *options, size_t number, uint64_t value)
{
    const struct option *option = option_at(number);
    Q_CHECK(value >= option->min && value <= option->max);
    uint8_t *field = (uint8_t *)options + option->offset;
    const uint32_t narrow = (uint32_t)value;
    const bool flag = value != 0;
    switch (option->size) {
    case sizeof value: memcpy(field, &value, sizeof value); return;
    case sizeof narrow: memcpy(field, &narrow, sizeof narrow); return;
    default: Q_CHECK(option->size == sizeof flag); memcpy(field, &flag, sizeof flag);
    }
}

/* ---- reading ---- */

static bool read_number(struct bytes text, uint64_t min, uint64_t max, uint64_t *out)
{
    int64_t value = 0;
    if (!bytes_to_int64(text, &value) || value < 0 || (uint64_t)value < min ||
        (uint64_t)value > max) {
        return false;
    }
    *out = (uint64_t)value;
    return true;
}

/* What stands before the first `end` of `text`, which moves behind it; all of it when there is
 * none. */
static struct bytes cut_at(struct bytes *text, char end)
{
    const uint8_t *found = text->size == 0 ? NULL : memchr(text->data, end, text->size);
    const size_t size = found == NULL ? text->size : (size_t)(found - text->data);
    const size_t used = found == NULL ? size : size + 1;
    const struct bytes head = bytes_of(text->data, size);
    *text = bytes_of(text->data + used, text->size - used);
    return head;
}

static enum fault_class find_class(struct bytes name)
{
    for (size_t i = 0; i < FAULT_CLASSES; i++) {
        if (bytes_equal(name, bytes_of_text(fault_name((enum fault_class)i)))) {
            return (enum fault_class)i;
        }
    }
    return FAULT_CLASSES;
}

/* kill:2 or power:1-3 */
static bool read_fault(struct bytes item, struct fault_set *set)
{
    const enum fault_class class = find_class(cut_at(&item, ':'));
    uint64_t first = 0;
    const bool is_range = item.size > 0 && memchr(item.data, '-', item.size) != NULL;
    if (class == FAULT_CLASSES || !read_number(cut_at(&item, '-'), 1, FAULTS_NAMED_MAX, &first)) {
        return false;
    }
    uint64_t last = first;
    if (is_range && !read_number(item, first, FAULTS_NAMED_MAX, &last)) {
        return false;
    }
    for (uint64_t number = first; number <= last; number++) {
        fault_set_add(set, class, number);
    }
    return true;
}

static bool read_faults(struct bytes list, struct option_changes *changes)
{
    struct fault_set set = {.is_limited = true};
    if (bytes_equal(list, bytes_of_text("all"))) {
        set.is_limited = false;
    } else if (!bytes_equal(list, bytes_of_text("none"))) {
        const bool is_complete = list.size > 0 && list.data[list.size - 1] != ',';
        while (list.size > 0) {
            if (!is_complete || !read_fault(cut_at(&list, ','), &set)) {
                return false;
            }
        }
        if (!is_complete) {
            return false;
        }
    }
    changes->has_faults = true;
    changes->faults = set;
    return true;
}

/* NULL, or what is wrong with the pair. */
static const char *read_pair(struct option_changes *changes,
                             struct bytes pair,
                             const struct option **out_option)
{
    const bool has_value = pair.size > 0 && memchr(pair.data, '=', pair.size) != NULL;
    const struct bytes name = cut_at(&pair, '=');
    if (!has_value || name.size == 0) {
        return "is not name=value";
    }
    if (bytes_equal(name, bytes_of_text("faults"))) {
        return read_faults(pair, changes) ? NULL : "is not all, none or a list as kill:2,power:1-3";
    }
    uint64_t value = 0;
    if (bytes_equal(name, bytes_of_text("draw"))) {
        if (!read_number(pair, 0, 1, &value)) {
            return "must be 0 or 1";
        }
        changes->is_plain = value == 0;
        return NULL;
    }
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (bytes_equal(name, bytes_of_text(TABLE[i].name))) {
            *out_option = &TABLE[i];
            if (!read_number(pair, TABLE[i].min, TABLE[i].max, &changes->values[i])) {
                return "is out of bounds";
            }
            changes->is_given[i] = true;
            return NULL;
        }
    }
    return "is no option";
}

static bool parse_pair(struct option_changes *changes,
                       struct bytes pair,
                       char *out_error,
                       size_t error_size)
{
    const struct option *option = NULL;
    const char *error = read_pair(changes, pair, &option);
    if (error == NULL) {
        return true;
    }
    const int shown = (int)(pair.size < WORD_SIZE_MAX ? pair.size : WORD_SIZE_MAX);
    int used = snprintf(out_error, error_size, "%.*s: %s", shown, (const char *)pair.data, error);
    if (option != NULL && used > 0 && (size_t)used < error_size) {
        (void)snprintf(out_error + used, error_size - (size_t)used, ": %" PRIu64 " to %" PRIu64,
                       option->min, option->max);
    }
    return false;
}

bool option_changes_parse(struct option_changes *changes,
                          const char *pairs,
                          char *out_error,
                          size_t error_size)
{
    pairs += strspn(pairs, BLANKS);
    while (*pairs != '\0') {
        const size_t size = strcspn(pairs, BLANKS);
        if (!parse_pair(changes, bytes_of(pairs, size), out_error, error_size)) {
            return false;
        }
        pairs += size;
        pairs += strspn(pairs, BLANKS);
    }
    return true;
}

void option_changes_add(struct option_changes *changes, const struct option_changes *more)
{
    changes->is_plain |= more->is_plain;
    if (more->has_faults) {
        changes->has_faults = true;
        changes->faults = more->faults;
    }
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (more->is_given[i]) {
            changes->is_given[i] = true;
            changes->values[i] = more->values[i];
        }
    }
}

void option_changes_of(const struct sim_options *options, struct option_changes *out)
{
    *out = (struct option_changes){.is_plain = true,
                                   .has_faults = options->only_faults.is_limited,
                                   .faults = options->only_faults};
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        out->values[i] = option_get(options, i);
        out->is_given[i] = i < SIZES_SHOWN || out->values[i] != TABLE[i].plain;
    }
}

uint32_t option_changes_partition_nodes(const struct option_changes *changes)
{
    const size_t number = option_find("partition_nodes");
    if (changes->is_plain || !changes->is_given[number]) {
        return 0;
    }
    const uint32_t nodes = (uint32_t)changes->values[number];
    return partitions_nodes_are_enumerated(nodes) ? nodes : 0;
}

bool option_changes_are_empty(const struct option_changes *changes)
{
    bool empty = !changes->is_plain && !changes->has_faults;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        empty &= !changes->is_given[i];
    }
    return empty;
}

bool option_changes_resolve(const struct option_changes *changes,
                            uint64_t seed,
                            struct sim_options *out,
                            const char **out_error)
{
    const uint32_t nodes = option_changes_partition_nodes(changes);
    if (changes->is_plain) {
        sim_options_plain(out, seed);
    } else if (nodes > 0) {
        out->partition_nodes = nodes;
        partitions_options(out, seed);
    } else {
        sim_options_draw(out, seed);
    }
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (changes->is_given[i]) {
            option_put(out, i, changes->values[i]);
        }
    }
    if (changes->has_faults) {
        out->only_faults = changes->faults;
    }
    return sim_options_fit(out, out_error);
}

/* ---- printing ---- */

static void print_pair(struct buf *out, const char *name, uint64_t value)
{
    buf_append_format(out, "%s%s=%" PRIu64, buf_size(out) > 0 ? " " : "", name, value);
}

/* One class of a set, as ranges. */
static void print_class(const struct fault_set *set,
                        enum fault_class class,
                        bool *is_first,
                        struct buf *out)
{
    uint64_t number = 1;
    while (number <= FAULTS_NAMED_MAX) {
        if (!fault_set_has(set, class, number)) {
            number++;
            continue;
        }
        const uint64_t first = number;
        while (number <= FAULTS_NAMED_MAX && fault_set_has(set, class, number)) {
            number++;
        }
        buf_append_format(out, "%s%s:%" PRIu64, *is_first ? "" : ",", fault_name(class), first);
        *is_first = false;
        if (number - 1 > first) {
            buf_append_format(out, "-%" PRIu64, number - 1);
        }
    }
}

static void print_faults(const struct fault_set *set, struct buf *out)
{
    buf_append_text(out, buf_size(out) > 0 ? " faults=" : "faults=");
    bool is_first = true;
    for (size_t i = 0; set->is_limited && i < FAULT_CLASSES; i++) {
        print_class(set, (enum fault_class)i, &is_first, out);
    }
    if (is_first) {
        buf_append_text(out, set->is_limited ? "none" : "all");
    }
}

void option_changes_print(const struct option_changes *changes, struct buf *out)
{
    if (changes->is_plain) {
        print_pair(out, "draw", 0);
    }
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (changes->is_given[i]) {
            print_pair(out, TABLE[i].name, changes->values[i]);
        }
    }
    if (changes->has_faults) {
        print_faults(&changes->faults, out);
    }
}

void sim_options_print(const struct sim_options *options, struct buf *out)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        print_pair(out, TABLE[i].name, option_get(options, i));
    }
    print_faults(&options->only_faults, out);
}

void sim_options_print_short(const struct sim_options *options, struct buf *out)
{
    struct option_changes changes;
    option_changes_of(options, &changes);
    option_changes_print(&changes, out);
}
