/* sim/events: order is all that determinism rests on. */
#include "base/os/heap.h"
#include "base/prng.h"
#include "harness/test.h"
#include "sim/events.h"

TEST(events_come_out_by_time_whatever_order_they_went_in)
{
    struct events events = {0};
    struct prng prng;
    prng_init(&prng, 1);
    for (int i = 0; i < 5000; i++) {
        events_push(&events, (struct event){.at_us = prng_below(&prng, 1000), .a = (uint64_t)i});
    }
    struct event before = {0};
    struct event event;
    int count = 0;
    while (events_pop(&events, &event)) {
        EXPECT(event.at_us >= before.at_us);
        EXPECT(count == 0 || event.at_us > before.at_us || event.sequence > before.sequence);
        before = event;
        count++;
    }
    EXPECT(count == 5000);
    events_deinit(&events);
}

TEST(events_of_one_moment_keep_their_order)
{
    struct events events = {0};
    for (uint64_t i = 0; i < 100; i++) {
        events_push(&events, (struct event){.at_us = 7, .a = i});
    }
    struct event event;
    for (uint64_t i = 0; i < 100; i++) {
        EXPECT(events_pop(&events, &event) && event.a == i);
    }
    EXPECT(!events_pop(&events, &event));
    EXPECT(events_next_at(&events) == UINT64_MAX);
    events_deinit(&events);
}

TEST(a_queue_frees_the_data_of_what_never_happened)
{
    struct events events = {0};
    events_push(&events, (struct event){.at_us = 1, .data = heap_alloc(64), .size = 64});
    EXPECT(events_next_at(&events) == 1);
    events_deinit(&events); /* The leak checker of the debug build is the judge. */
    EXPECT(events.count == 0);
}

TEST(what_waits_for_a_node_can_be_brought_forward_in_its_order)
{
    struct events events = {0};
    struct prng prng;
    prng_init(&prng, 2);
    for (uint64_t i = 0; i < 1000; i++) {
        const uint32_t node = (uint32_t)prng_between(&prng, 1, 3);
        const uint64_t at_us = prng_chance(&prng, 1, 2) ? 500 : prng_between(&prng, 100, 900);
        events_push(&events, (struct event){.at_us = at_us, .node = node, .a = at_us});
    }
    events_hasten(&events, 2, 500, 50);
    struct event event;
    struct event before = {0};
    int hastened = 0;
    while (events_pop(&events, &event)) {
        EXPECT(event.at_us >= before.at_us);
        EXPECT(event.at_us > before.at_us || event.sequence > before.sequence);
        EXPECT(event.at_us == (event.node == 2 && event.a == 500 ? 50 : event.a));
        hastened += event.at_us == 50;
        before = event;
    }
    EXPECT(hastened > 100);
    events_deinit(&events);
}

TEST_MAIN(CASE(events_come_out_by_time_whatever_order_they_went_in),
          CASE(events_of_one_moment_keep_their_order),
          CASE(a_queue_frees_the_data_of_what_never_happened),
          CASE(what_waits_for_a_node_can_be_brought_forward_in_its_order))
