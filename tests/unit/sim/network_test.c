/* sim/network: each fault happens when it is on and never when it is off. */
#include "base/err.h"
#include "base/os/heap.h"
#include "harness/test.h"
#include "sim/network.h"

#include <string.h>

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

/* A network of three nodes in which 1 is connected to 2. */
static void start(struct network *network, struct events *events)
{
    *events = (struct events){0};
    network_init(network, &CALM, events, 7);
    network->node_count = 3;
    network_connect(network, 1, 2);
}

TEST(a_connection_is_of_one_direction)
{
    struct events events;
    struct network network;
    start(&network, &events);
    EXPECT(network_is_connected(&network, 1, 2) && !network_is_connected(&network, 2, 1));
    network_connect(&network, 2, 1);
    network_break(&network, 1, 2);
    EXPECT(!network_is_connected(&network, 1, 2) && network_is_connected(&network, 2, 1));
    events_deinit(&events);
}

TEST(over_a_half_open_connection_nothing_arrives_and_its_sender_does_not_know)
{
    struct events events;
    struct network network;
    start(&network, &events);
    network_half_open(&network, 1, 2);
    EXPECT(network_is_connected(&network, 1, 2) && network_is_half_open(&network, 1, 2));
    EXPECT(run(&network, &events, 10).arrived == 0);
    network_break(&network, 1, 2);
    EXPECT(!network_is_connected(&network, 1, 2) && !network_is_half_open(&network, 1, 2));
    network_half_open(&network, 1, 2);
    EXPECT(!network_is_half_open(&network, 1, 2)); /* Without a connection there is none. */
    network_connect(&network, 1, 2);
    EXPECT(run(&network, &events, 10).arrived == 10);
    events_deinit(&events);
}

/* Sends one spoilt frame and says how it arrived. */
static int spoil_one(enum network_spoil spoil, uint64_t seed, struct frame *out_frame)
{
    struct events events = {0};
    struct network network;
    network_init(&network, &CALM, &events, seed);
    network.node_count = 3;
    network_connect(&network, 1, 2);
    network_spoil(&network, 1, 2, spoil, 0);
    const struct frame frame = {
        .from = 1, .to = 2, .cluster_id = 5, .body = bytes_of_text("a body of some bytes")};
    network_send(&network, 0, &frame);
    struct event event;
    REQUIRE(events_pop(&events, &event));
    const int err = network_arrive(&network, &event, out_frame);
    heap_free(event.data);
    REQUIRE(network.spoilt == (spoil != SPOIL_NONE));
    events_deinit(&events);
    return err;
}

TEST(a_frame_that_was_cut_or_lost_its_middle_is_never_taken_for_one)
{
    struct frame out;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        EXPECT(spoil_one(SPOIL_CUT, seed, &out) == Q_EAGAIN);
        const int err = spoil_one(SPOIL_SPLICE, seed, &out);
        EXPECT(err == Q_ECORRUPT || err == Q_EAGAIN);
        EXPECT(spoil_one(SPOIL_NONE, seed, &out) == Q_OK);
    }
}

TEST(a_frame_for_another_or_from_nobody_is_refused_and_one_of_another_cluster_names_it)
{
    struct frame out;
    EXPECT(spoil_one(SPOIL_TO, 1, &out) == Q_ECORRUPT);
    EXPECT(spoil_one(SPOIL_FROM, 1, &out) == Q_ECORRUPT);
    EXPECT(spoil_one(SPOIL_CLUSTER, 1, &out) == Q_OK && out.cluster_id != 5);
    EXPECT(spoil_one(SPOIL_NONE, 1, &out) == Q_OK && out.cluster_id == 5);
}

TEST(the_frame_to_be_spoilt_is_counted_out_and_the_others_are_whole)
{
    struct events events;
    struct network network;
    start(&network, &events);
    network_spoil(&network, 1, 2, SPOIL_TO, 5);
    EXPECT(run(&network, &events, 5).arrived == 5);
    const struct counts counts = run(&network, &events, 10);
    EXPECT(counts.arrived == 9 && counts.damaged == 1);
    events_deinit(&events);
}

TEST(a_narrow_link_delays_by_its_rate_and_takes_no_more_than_its_queue)
{
    struct events events;
    struct network network;
    start(&network, &events);
    network_cap(&network, 1, 2, 40000, 400); /* 40 bytes a frame: one in a millisecond. */
    uint32_t taken = 0;
    while (network_takes(&network, 0, 1, 2)) {
        const struct frame frame = {.from = 1, .to = 2, .body = bytes_of(&taken, sizeof taken)};
        network_send(&network, 0, &frame);
        taken++;
    }
    EXPECT(taken == 10);
    EXPECT(!network_takes(&network, 0, 1, 2) && network_takes(&network, 1000, 1, 2));
    EXPECT(network_last_arrival(&network, 1, 2) >= 10000);
    network_cap(&network, 1, 2, 0, 0);
    EXPECT(network_takes(&network, 0, 1, 2));
    events_deinit(&events);
}

TEST(healing_ends_all_of_this)
{
    struct events events;
    struct network network;
    start(&network, &events);
    network_cap(&network, 1, 2, 1, 1);
    network_spoil(&network, 1, 2, SPOIL_CUT, 0);
    network_block(&network, 1, 2, true);
    network_heal(&network);
    const struct counts counts = run(&network, &events, 10);
    EXPECT(counts.arrived == 10 && counts.damaged == 0);
    events_deinit(&events);
}

TEST_MAIN(CASE(a_calm_network_delivers_everything_in_order),
          CASE(frames_overtake_each_other_when_reordering_is_on),
          CASE(frames_are_lost_and_doubled_at_their_rates),
          CASE(a_flipped_bit_never_gets_past_the_frame),
          CASE(nothing_is_sent_without_a_connection_or_over_a_blocked_link),
          CASE(a_reset_kills_what_is_in_flight),
          CASE(a_connection_is_of_one_direction),
          CASE(over_a_half_open_connection_nothing_arrives_and_its_sender_does_not_know),
          CASE(a_frame_that_was_cut_or_lost_its_middle_is_never_taken_for_one),
          CASE(a_frame_for_another_or_from_nobody_is_refused_and_one_of_another_cluster_names_it),
          CASE(the_frame_to_be_spoilt_is_counted_out_and_the_others_are_whole),
          CASE(a_narrow_link_delays_by_its_rate_and_takes_no_more_than_its_queue),
          CASE(healing_ends_all_of_this))
