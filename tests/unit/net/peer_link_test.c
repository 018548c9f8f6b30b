/* net/peer_link and net/peer_input: messages arrive whole or not at all, links come back. */
#include "base/err.h"
#include "base/os/clock.h"
#include "base/os/heap.h"
#include "base/os/log.h"
#include "harness/test.h"
#include "net/peer_input.h"
#include "net/peer_link.h"
#include "wire/frame.h"

#include <arpa/inet.h>
#include <string.h>
#include <unistd.h>

#define CLUSTER 0x1234U

/* Node 1 dials, node 2 listens; both on one loop. */
struct pair {
    struct loop *loop;
    struct peer_link *link;
    struct peer_input *input;
    uint64_t cluster_of_1;
    uint64_t last_cluster;
    size_t ups;
    size_t downs;
    size_t received;
    size_t received_bytes;
    uint64_t sum;
    struct address address;
};

static void no_turn(void *context)
{
    (void)context;
}

static uint64_t no_deadline(void *context)
{
    (void)context;
    return LOOP_NO_DEADLINE;
}

static uint64_t cluster_of_1(void *context)
{
    return ((struct pair *)context)->cluster_of_1;
}

static void changed(void *context, node_id peer, bool connected)
{
    struct pair *pair = context;
    REQUIRE(peer == 2);
    pair->ups += connected;
    pair->downs += !connected;
}

static void receive(void *context, const struct frame *frame)
{
    struct pair *pair = context;
    const struct bytes body = frame->body;
    REQUIRE(frame->from == 1 && frame->to == 2);
    pair->last_cluster = frame->cluster_id;
    pair->received++;
    pair->received_bytes += body.size;
    for (size_t i = 0; i < body.size; i++) {
        pair->sum += body.data[i];
    }
}

static void listen_again(struct pair *pair)
{
    struct peer_input_options options = {
        .address = pair->address,
        .self = 2,
        .peers_max = 3,
        .context = pair,
        .receive = receive,
    };
    char error[200];
    REQUIRE(peer_input_new(pair->loop, &options, &pair->input, error, sizeof error) == Q_OK);
    pair->address.port = peer_input_port(pair->input);
}

static void start(struct pair *pair, size_t queue_size_max)
{
    log_configure(LOG_OFF, false);
    *pair = (struct pair){.cluster_of_1 = CLUSTER};
    const struct loop_owner owner = {pair, no_turn, no_deadline};
    pair->loop = loop_new(&owner);
    REQUIRE(address_parse("127.0.0.1:0", &pair->address));
    listen_again(pair);
    struct peer_link_options options = {
        .self = 1,
        .peer = 2,
        .address = pair->address,
        .queue_size_max = queue_size_max,
        .context = pair,
        .cluster_id = cluster_of_1,
        .changed = changed,
    };
    pair->link = peer_link_new(pair->loop, &options);
}

static void stop_listening(struct pair *pair)
{
    struct peer_input *input = pair->input;
    pair->input = NULL;
    peer_input_close(input);
    for (int i = 0; i < 5; i++) {
        loop_run_once(pair->loop, 1);
    }
    peer_input_free(input);
}

static void stop(struct pair *pair)
{
    peer_link_close(pair->link);
    struct peer_input *input = pair->input;
    peer_input_close(input);
    loop_free(pair->loop);
    peer_input_free(input);
}

static bool run_until(struct pair *pair, const size_t *counter, size_t value)
{
    const uint64_t until_ms = clock_monotonic_ms() + 5000;
    while (*counter < value && clock_monotonic_ms() < until_ms) {
        loop_run_once(pair->loop, 5);
    }
    return *counter >= value;
}

static bool send_message(struct pair *pair, size_t size, uint8_t fill)
{
    struct buf *body = peer_link_begin(pair->link);
    if (body == NULL) {
        return false;
    }
    memset(buf_reserve(body, size), fill, size);
    buf_added(body, size);
    peer_link_end(pair->link);
    return true;
}

TEST(messages_small_large_and_empty_arrive_in_order)
{
    struct pair pair;
    start(&pair, 0);
    EXPECT(!send_message(&pair, 1, 1)); /* Not connected yet: lost, as in any network. */
    EXPECT(run_until(&pair, &pair.ups, 1));
    EXPECT(send_message(&pair, 0, 0));
    EXPECT(send_message(&pair, 100, 2));
    EXPECT(send_message(&pair, (size_t)20 * 1024 * 1024, 1));
    EXPECT(send_message(&pair, 3, 3));
    EXPECT(run_until(&pair, &pair.received, 4));
    EXPECT(pair.received == 4 && pair.received_bytes == (size_t)20 * 1024 * 1024 + 103);
    EXPECT(pair.sum == 20U * 1024 * 1024 + 200 + 9);
    EXPECT(peer_link_stats(pair.link).messages == 4);
    stop(&pair);
}

TEST(a_message_on_the_size_limit_arrives_and_one_past_it_is_not_sent)
{
    struct pair pair;
    start(&pair, 0);
    EXPECT(run_until(&pair, &pair.ups, 1));
    EXPECT(send_message(&pair, FRAME_BODY_MAX, 0));
    EXPECT(send_message(&pair, FRAME_BODY_MAX + 1, 0));
    EXPECT(send_message(&pair, 7, 0));
    EXPECT(run_until(&pair, &pair.received, 2));
    EXPECT(pair.received_bytes == FRAME_BODY_MAX + 7);
    stop(&pair);
}

TEST(a_full_queue_loses_messages_instead_of_growing)
{
    struct pair pair;
    start(&pair, 1000);
    EXPECT(run_until(&pair, &pair.ups, 1));
    EXPECT(send_message(&pair, 999 - FRAME_HEADER_SIZE, 0));
    EXPECT(send_message(&pair, 10, 0));  /* 999 bytes queued: one below the limit. */
    EXPECT(!send_message(&pair, 10, 0)); /* Past it. */
    EXPECT(peer_link_stats(pair.link).dropped == 1);
    EXPECT(run_until(&pair, &pair.received, 2));
    EXPECT(send_message(&pair, 10, 0));
    EXPECT(run_until(&pair, &pair.received, 3));
    stop(&pair);
}

TEST(a_link_comes_back_within_a_second_after_its_peer_does)
{
    struct pair pair;
    start(&pair, 0);
    EXPECT(run_until(&pair, &pair.ups, 1));
    stop_listening(&pair);
    EXPECT(run_until(&pair, &pair.downs, 1));
    EXPECT(!send_message(&pair, 1, 1));
    /* Long enough for the back-off to reach its limit. */
    const uint64_t until_ms = clock_monotonic_ms() + 1200;
    while (clock_monotonic_ms() < until_ms) {
        loop_run_once(pair.loop, 20);
    }
    EXPECT(pair.ups == 1);
    listen_again(&pair);
    const uint64_t back_at_ms = clock_monotonic_ms();
    EXPECT(run_until(&pair, &pair.ups, 2));
    EXPECT(clock_monotonic_ms() - back_at_ms <= 1000);
    EXPECT(send_message(&pair, 1, 1));
    EXPECT(run_until(&pair, &pair.received, 1));
    stop(&pair);
}

TEST(messages_carry_the_cluster_id_of_the_moment)
{
    struct pair pair;
    start(&pair, 0);
    pair.cluster_of_1 = 0;
    EXPECT(run_until(&pair, &pair.ups, 1));
    EXPECT(send_message(&pair, 1, 1));
    EXPECT(run_until(&pair, &pair.received, 1));
    EXPECT(pair.last_cluster == 0);
    pair.cluster_of_1 = CLUSTER;
    EXPECT(send_message(&pair, 1, 1));
    EXPECT(run_until(&pair, &pair.received, 2));
    EXPECT(pair.last_cluster == CLUSTER);
    stop(&pair);
}

/* Dials node 2 by hand, sends `size` bytes, and says whether it hung up on us. */
static bool hangs_up_on(struct pair *pair, const uint8_t *data, size_t size)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons(pair->address.port)};
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(connect(fd, (const struct sockaddr *)&where, sizeof where) == 0);
    REQUIRE(send(fd, data, size, 0) == (ssize_t)size);
    ssize_t count = -1;
    for (int i = 0; i < 20 && count != 0; i++) {
        loop_run_once(pair->loop, 5);
        char byte = 0;
        count = recv(fd, &byte, 1, MSG_DONTWAIT);
    }
    (void)close(fd);
    return count == 0;
}

TEST(a_frame_that_is_corrupt_strange_or_for_another_node_ends_its_connection)
{
    struct pair pair;
    start(&pair, 0);
    EXPECT(run_until(&pair, &pair.ups, 1));
    uint8_t memory[FRAME_HEADER_SIZE + 5] = {0};
    struct frame frame = {.cluster_id = CLUSTER, .from = 1, .to = 2};
    EXPECT(frame_seal(memory, sizeof memory, &frame) == Q_OK);
    EXPECT(!hangs_up_on(&pair, memory, sizeof memory));
    EXPECT(pair.received == 1);
    memory[FRAME_HEADER_SIZE + 2] ^= 1;
    EXPECT(hangs_up_on(&pair, memory, sizeof memory));
    EXPECT(peer_input_stats(pair.input).corrupt == 1);
    EXPECT(hangs_up_on(&pair, (const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18));
    EXPECT(peer_input_stats(pair.input).malformed == 1);
    const node_id wrong[][2] = {{1, 3}, {0, 2}, {2, 2}, {4, 2}};
    for (size_t i = 0; i < 4; i++) {
        frame.from = wrong[i][0];
        frame.to = wrong[i][1];
        EXPECT(frame_seal(memory, sizeof memory, &frame) == Q_OK);
        EXPECT(hangs_up_on(&pair, memory, sizeof memory));
        EXPECT(peer_input_stats(pair.input).wrong_node == i + 1);
    }
    EXPECT(pair.received == 1);
    EXPECT(peer_link_is_connected(pair.link)); /* The others are not made to suffer. */
    stop(&pair);
}

TEST(a_link_can_be_closed_in_every_state)
{
    struct pair pair;
    for (int turns = 0; turns < 6; turns++) {
        start(&pair, 0);
        for (int i = 0; i < turns; i++) {
            loop_run_once(pair.loop, 1);
        }
        stop(&pair);
    }
    start(&pair, 0);
    EXPECT(run_until(&pair, &pair.ups, 1));
    EXPECT(send_message(&pair, (size_t)30 * 1024 * 1024, 0));
    loop_run_once(pair.loop, 1);
    stop(&pair); /* With a write under way. */
    EXPECT(pair.downs == 0);
}

TEST_MAIN(CASE(messages_small_large_and_empty_arrive_in_order),
          CASE(a_message_on_the_size_limit_arrives_and_one_past_it_is_not_sent),
          CASE(a_full_queue_loses_messages_instead_of_growing),
          CASE(a_link_comes_back_within_a_second_after_its_peer_does),
          CASE(messages_carry_the_cluster_id_of_the_moment),
          CASE(a_frame_that_is_corrupt_strange_or_for_another_node_ends_its_connection),
          CASE(a_link_can_be_closed_in_every_state))
