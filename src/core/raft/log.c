/* The Raft log: a ring addressed by the low bits of the index. */
#include "core/raft/log.h"

#include "base/check.h"
#include "base/plant.h"

static size_t entry_count(const struct raft_log *log)
{
    return (size_t)(log->last_index - log->start_index);
}

static struct raft_entry *slot_of(const struct raft_log *log, raft_index index)
{
    return &log->slots[index & (log->capacity - 1)];
}

void raft_log_init(struct raft_log *log, struct raft_entry *slots, size_t capacity)
{
    Q_CHECK(slots != NULL);
    Q_CHECK(capacity >= 2 && (capacity & (capacity - 1)) == 0);
    *log = (struct raft_log){.slots = slots, .capacity = capacity};
}

size_t raft_log_room(const struct raft_log *log)
{
    const size_t room = log->capacity - entry_count(log);
    return room > 0 ? room - 1 : 0;
}

struct raft_entry *raft_log_grow(struct raft_log *log, struct raft_entry *slots, size_t capacity)
{
    Q_CHECK(slots != NULL && slots != log->slots);
    Q_CHECK(capacity >= log->capacity && (capacity & (capacity - 1)) == 0);
    struct raft_entry *old = log->slots;
    for (raft_index index = log->start_index + 1; index <= log->last_index; index++) {
        slots[index & (capacity - 1)] = *slot_of(log, index);
    }
    log->slots = slots;
    log->capacity = capacity;
    return old;
}

const struct raft_entry *raft_log_at(const struct raft_log *log, raft_index index)
{
    Q_CHECK(index > log->start_index);
    Q_CHECK(index <= log->last_index);
    return slot_of(log, index);
}

bool raft_log_term(const struct raft_log *log, raft_index index, raft_term *out_term)
{
    if (Q_PLANT(B24) && index <= log->start_index) {
        *out_term = 0;
        return true;
    }
    if (index < log->start_index || index > log->last_index) {
        return false;
    }
    *out_term = index == log->start_index ? log->start_term : slot_of(log, index)->term;
    return true;
}

raft_term raft_log_last_term(const struct raft_log *log)
{
    if (log->last_index == log->start_index) {
        return log->start_term;
    }
    return slot_of(log, log->last_index)->term;
}

raft_index raft_log_floor(const struct raft_log *log, raft_index from, raft_term term)
{
    raft_index index = from < log->last_index ? from : log->last_index;
    while (index > log->start_index && slot_of(log, index)->term > term) {
        index--;
    }
    return index;
}

void raft_log_append(struct raft_log *log, const struct raft_entry *entry)
{
    Q_CHECK(entry_count(log) < log->capacity);
    Q_CHECK(entry->term > 0 && entry->term >= raft_log_last_term(log));
    log->last_index++;
    *slot_of(log, log->last_index) = *entry;
    log->bytes += raft_entry_size(entry);
}

void raft_log_truncate_after(struct raft_log *log, raft_index last)
{
    Q_CHECK(last >= log->start_index);
    Q_CHECK(last <= log->last_index);
    while (log->last_index > last) {
        log->bytes -= raft_entry_size(slot_of(log, log->last_index));
        log->last_index--;
    }
}

void raft_log_compact(struct raft_log *log, raft_index upto)
{
    Q_CHECK(upto >= log->start_index);
    Q_CHECK(upto <= log->last_index);
    while (log->start_index < upto) {
        const struct raft_entry *first = slot_of(log, log->start_index + 1);
        log->bytes -= raft_entry_size(first);
        log->start_term = first->term;
        log->start_index++;
    }
}

void raft_log_reset(struct raft_log *log, raft_index index, raft_term term)
{
    Q_CHECK((index == 0) == (term == 0));
    log->start_index = index;
    log->start_term = term;
    log->last_index = index;
    log->bytes = 0;
}
