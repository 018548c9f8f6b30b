/* sim/network: each fault happens when it is on and never when it is off. */
#include "base/err.h"
#include "base/os/heap.h"
#include "harness/test.h"
#include "sim/network.h"

static const struct network_options CALM = {.delay_min_us = 100, .delay_mean_us = 1000};

struct counts {
    int arrived;
    int lost;
    int damaged;
    int out_of_order;
};

/* Sends `count` numbered frames 10 us apart and delivers all of them. */
static struct counts run(struct network *network, struct events *events, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct frame frame = {.from = 1, .to = 2, .body = bytes_of(&i, sizeof i)};
        network_send(network, (uint64_t)i * 10, &frame);
    }
    struct counts counts = {0};
    struct event event;
    uint32_t largest = 0;
    while (events_pop(events, &event)) {
        struct frame frame;
        const int err = network_arrive(network, &event, &frame);
        counts.arrived += err == Q_OK;
        counts.lost += err == Q_ENOTFOUND;
        /* A bit of the length may have flipped: then the frame does not end here. */
        counts.damaged += err == Q_ECORRUPT || err == Q_EAGAIN;
        if (err == Q_OK) {
            uint32_t number = 0;
            REQUIRE(frame.body.size == sizeof number);
            memcpy(&number, frame.body.data, sizeof number);
            counts.out_of_order += number < largest;
            largest = number > largest ? number : largest;
        }
        heap_free(event.data);
    }
    return counts;
}

static struct counts run_with(struct network_options options, bool connected)
{
    struct events events = {0};
    struct network network;
    network_init(&network, &options, &events, 7);
    if (connected) {
        network_connect(&network, 1, 2);
    }
    const struct counts counts = run(&network, &events, 2000);
    events_deinit(&events);
    return counts;
}

TEST(a_calm_network_delivers_everything_in_order)
{
    const struct counts counts = run_with(CALM, true);
    EXPECT(counts.arrived == 2000 && counts.out_of_order == 0 && counts.damaged == 0);
}

TEST(frames_overtake_each_other_when_reordering_is_on)
{
    struct network_options options = CALM;
    options.reorder = true;
    const struct counts counts = run_with(options, true);
    EXPECT(counts.arrived == 2000 && counts.out_of_order > 100);
}

TEST(frames_are_lost_and_doubled_at_their_rates)
{
    struct network_options options = CALM;
    options.loss_ppm = 100000;
    struct counts counts = run_with(options, true);
    EXPECT(counts.arrived > 1700 && counts.arrived < 1900);
    options = CALM;
    options.duplicate_ppm = 100000;
    counts = run_with(options, true);
    EXPECT(counts.arrived > 2100 && counts.arrived < 2300);
    options = CALM;
    options.replay_ppm = 100000;
    counts = run_with(options, true);
    EXPECT(counts.arrived > 2100 && counts.arrived < 2300 && counts.out_of_order > 50);
}

TEST(a_flipped_bit_never_gets_past_the_frame)
{
    struct network_options options = CALM;
    options.flip_ppm = 1000000;
    const struct counts counts = run_with(options, true);
    EXPECT(counts.damaged == 2000 && counts.arrived == 0);
}

TEST(nothing_is_sent_without_a_connection_or_over_a_blocked_link)
{
    EXPECT(run_with(CALM, false).arrived == 0);
    struct events events = {0};
    struct network network;
    network_init(&network, &CALM, &events, 7);
    network_connect(&network, 1, 2);
    network_block(&network, 1, 2, true);
    EXPECT(!network_is_open(&network, 2, 1));
    EXPECT(run(&network, &events, 10).arrived == 0);
    network_block(&network, 2, 1, true);
    network_block(&network, 1, 2, false);
    EXPECT(run(&network, &events, 10).arrived == 10); /* One way is open. */
    network_heal(&network);
    EXPECT(network_is_open(&network, 2, 1));
    events_deinit(&events);
}

TEST(a_reset_kills_what_is_in_flight)
{
    struct events events = {0};
    struct network network;
    network_init(&network, &CALM, &events, 7);
    network_connect(&network, 1, 2);
    const struct frame frame = {.from = 1, .to = 2, .body = bytes_of_text("x")};
    network_send(&network, 0, &frame);
    network_break(&network, 1, 2);
    network_connect(&network, 1, 2);
    struct event event;
    struct frame out;
    EXPECT(events_pop(&events, &event));
    EXPECT(network_arrive(&network, &event, &out) == Q_ENOTFOUND);
    heap_free(event.data);
    EXPECT(run(&network, &events, 10).arrived == 10);
    events_deinit(&events);
}

TEST_MAIN(CASE(a_calm_network_delivers_everything_in_order),
          CASE(frames_overtake_each_other_when_reordering_is_on),
          CASE(frames_are_lost_and_doubled_at_their_rates),
          CASE(a_flipped_bit_never_gets_past_the_frame),
          CASE(nothing_is_sent_without_a_connection_or_over_a_blocked_link),
          CASE(a_reset_kills_what_is_in_flight))
