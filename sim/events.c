#include "sim/events.h"

#include "base/check.h"
#include "base/os/heap.h"

static bool is_before(const struct event *a, const struct event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->sequence < b->sequence;
}

void events_deinit(struct events *events)
{
    for (size_t i = 0; i < events->count; i++) {
        heap_free(events->heap[i].data);
    }
    heap_free(events->heap);
    *events = (struct events){0};
}

/* Moves the event at that place to where it belongs among those before it. */
static void rise(struct events *events, size_t at)
{
    const struct event event = events->heap[at];
    while (at > 0) {
        const size_t parent = (at - 1) / 2;
        if (is_before(&events->heap[parent], &event)) {
            break;
        }
        events->heap[at] = events->heap[parent];
        at = parent;
    }
    events->heap[at] = event;
}

void events_push(struct events *events, struct event event)
{
    if (events->count == events->capacity) {
        events->capacity = events->capacity == 0 ? 256 : events->capacity * 2;
        events->heap = heap_realloc(events->heap, events->capacity * sizeof *events->heap);
    }
    event.sequence = events->next_sequence++;
    events->heap[events->count++] = event;
    rise(events, events->count - 1);
}

void events_hasten(struct events *events, uint32_t node, uint64_t at_us, uint64_t now_us)
{
    Q_CHECK(now_us <= at_us);
    for (size_t i = 0; i < events->count; i++) {
        struct event *event = &events->heap[i];
        if (event->node == node && event->at_us == at_us) {
            event->at_us = now_us;
            rise(events, i); /* Only what has been looked at moves down. */
        }
    }
}

bool events_pop(struct events *events, struct event *out_event)
{
    if (events->count == 0) {
        return false;
    }
    *out_event = events->heap[0];
    const struct event last = events->heap[--events->count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= events->count) {
            break;
        }
        if (child + 1 < events->count &&
            is_before(&events->heap[child + 1], &events->heap[child])) {
            child++;
        }
        if (is_before(&last, &events->heap[child])) {
            break;
        }
        events->heap[at] = events->heap[child];
        at = child;
    }
    if (events->count > 0) {
        events->heap[at] = last;
    }
    Q_CHECK(events->count == 0 || !is_before(&events->heap[0], out_event));
    return true;
}

uint64_t events_next_at(const struct events *events)
{
    return events->count == 0 ? UINT64_MAX : events->heap[0].at_us;
}
