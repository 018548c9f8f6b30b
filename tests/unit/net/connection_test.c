/* net/listener and net/connection: what clients see, and the limits that protect us from them. */
#include "base/err.h"
#include "unit/net/echo.h"

#include <stdio.h>

/* Past what the kernel's buffers of a loopback connection take. */
#define MUCH ((size_t)8 * 1024 * 1024)

static void run_for(struct loop *loop, uint64_t ms)
{
    const uint64_t until_ms = clock_monotonic_ms() + ms;
    while (clock_monotonic_ms() < until_ms) {
        loop_run_once(loop, 5);
    }
}

TEST(what_a_client_sends_comes_to_the_owner_and_the_answer_back)
{
    struct echo echo;
    echo_start(&echo, connection_limits_default());
    const int fd = client_connect(listener_port(echo.listener), 0);
    EXPECT(send(fd, "hello", 5, 0) == 5);
    char answer[16];
    bool ended = false;
    EXPECT(client_receive(echo.loop, fd, answer, 5, &ended) == 5);
    EXPECT(memcmp(answer, "hello", 5) == 0);
    EXPECT(listener_stats(echo.listener).open == 1);
    (void)close(fd);
    run_for(echo.loop, 50);
    EXPECT(echo.sessions == 0 && listener_stats(echo.listener).open == 0);
    echo_stop(&echo);
}

TEST(many_connections_are_served_at_once_and_one_too_many_is_told_so)
{
    enum { COUNT = 200 };
    struct connection_limits limits = connection_limits_default();
    limits.connections_max = COUNT;
    struct echo echo;
    echo_start(&echo, limits);
    int fds[COUNT];
    for (int i = 0; i < COUNT; i++) {
        fds[i] = client_connect(listener_port(echo.listener), 0);
        EXPECT(send(fds[i], &i, sizeof i, 0) == sizeof i);
    }
    bool ended = false;
    for (int i = 0; i < COUNT; i++) {
        int answer = -1;
        EXPECT(client_receive(echo.loop, fds[i], (char *)&answer, sizeof answer, &ended) == 4);
        EXPECT(answer == i);
    }
    const int extra = client_connect(listener_port(echo.listener), 0);
    char refusal[64];
    EXPECT(client_receive(echo.loop, extra, refusal, sizeof refusal, &ended) == 11);
    EXPECT(ended && memcmp(refusal, "-ERR full\r\n", 11) == 0);
    EXPECT(listener_stats(echo.listener).refused == 1 && echo.opened == COUNT);
    (void)close(extra);
    for (int i = 0; i < COUNT; i++) {
        (void)close(fds[i]);
    }
    echo_stop(&echo);
}

/* The owner holds back; the rest of the input must stay in the kernel, not in our memory. */
TEST(a_full_owner_is_not_read_for_and_goes_on_when_its_output_is_taken)
{
    struct connection_limits limits = connection_limits_default();
    limits.output_stop = (size_t)256 * 1024;
    struct echo echo;
    echo_start(&echo, limits);
    echo.full_above = (size_t)128 * 1024;
    const int fd = client_connect(listener_port(echo.listener), 0);
    char *data = heap_alloc(MUCH * 4);
    for (size_t i = 0; i < MUCH * 4; i++) {
        data[i] = (char)('a' + i % 23);
    }
    /* Send without reading until nothing moves any more. */
    size_t sent = 0;
    for (int still = 0; still < 20 && sent < MUCH * 4;) {
        const ssize_t count = send(fd, data + sent, MUCH * 4 - sent, 0);
        still = count > 0 ? 0 : still + 1;
        sent += count > 0 ? (size_t)count : 0;
        loop_run_once(echo.loop, 5);
    }
    EXPECT(sent < MUCH * 4); /* We were stopped. */
    char *answer = heap_alloc(sent);
    bool ended = false;
    EXPECT(client_receive(echo.loop, fd, answer, sent, &ended) == sent);
    EXPECT(memcmp(answer, data, sent) == 0);
    EXPECT(echo.resumes > 0);
    heap_free(answer);
    heap_free(data);
    (void)close(fd);
    echo_stop(&echo);
}

/* Each answer comes in the very turn that its byte was read or resumed in, before net has looked
 * whether the owner is full: nothing but that look may keep it going. */
TEST(an_owner_whose_answer_comes_within_the_turn_is_resumed_until_nothing_is_left)
{
    struct echo echo;
    echo_start(&echo, connection_limits_default());
    echo.answers_late = true;
    const int fd = client_connect(listener_port(echo.listener), 0);
    EXPECT(send(fd, "0123456789", 10, 0) == 10);
    char answer[16];
    bool ended = false;
    const uint64_t began_ms = clock_monotonic_ms();
    EXPECT(client_receive(echo.loop, fd, answer, 10, &ended) == 10);
    EXPECT(memcmp(answer, "0123456789", 10) == 0);
    EXPECT(clock_monotonic_ms() - began_ms < 1000);
    (void)close(fd);
    echo_stop(&echo);
}

static size_t fill(struct echo *echo, int fd, size_t wanted)
{
    char *data = heap_alloc(wanted);
    size_t sent = 0;
    const uint64_t until_ms = clock_monotonic_ms() + 3000;
    while (sent < wanted && clock_monotonic_ms() < until_ms && echo->sessions > 0) {
        const ssize_t count = send(fd, data + sent, wanted - sent, MSG_NOSIGNAL);
        sent += count > 0 ? (size_t)count : 0;
        loop_run_once(echo->loop, 5);
        if (echo->opened == 0) {
            continue;
        }
    }
    heap_free(data);
    return sent;
}

TEST(a_client_that_never_reads_is_closed_once_its_output_passes_the_limit)
{
    struct connection_limits limits = connection_limits_default();
    limits.output_stop = MUCH;
    limits.output_max = (size_t)1024 * 1024;
    struct echo echo;
    echo_start(&echo, limits);
    const int fd = client_connect(listener_port(echo.listener), 4096);
    run_for(echo.loop, 20);
    EXPECT(echo.sessions == 1);
    (void)fill(&echo, fd, MUCH * 4);
    EXPECT(echo.sessions == 0);
    EXPECT(listener_stats(echo.listener).slow_closed == 1);
    (void)close(fd);
    echo_stop(&echo);
}

TEST(a_client_whose_output_does_not_move_is_closed_after_a_while_and_not_before)
{
    struct connection_limits limits = connection_limits_default();
    limits.stall_ms = 400;
    limits.sweep_ms = 20;
    limits.output_stop = 4096;
    struct echo echo;
    echo_start(&echo, limits);
    const int fd = client_connect(listener_port(echo.listener), 4096);
    run_for(echo.loop, 20);
    const uint64_t began_ms = clock_monotonic_ms();
    (void)fill(&echo, fd, MUCH * 4);
    EXPECT(echo.sessions == 0);
    EXPECT(clock_monotonic_ms() - began_ms >= 400);
    EXPECT(listener_stats(echo.listener).slow_closed == 1);
    (void)close(fd);
    echo_stop(&echo);
}

TEST(half_a_command_and_then_silence_ends_the_connection)
{
    struct connection_limits limits = connection_limits_default();
    limits.half_command_ms = 200;
    limits.sweep_ms = 20;
    struct echo echo;
    echo_start(&echo, limits);
    const int fd = client_connect(listener_port(echo.listener), 0);
    run_for(echo.loop, 300);
    EXPECT(echo.sessions == 1); /* Silent, but not in the middle of anything. */
    echo.half_commands = true;
    run_for(echo.loop, 60);
    EXPECT(echo.sessions == 0);
    EXPECT(listener_stats(echo.listener).silent_closed == 1);
    (void)close(fd);
    echo_stop(&echo);
}

TEST(idle_clients_are_closed_only_where_a_limit_asks_for_it)
{
    struct connection_limits limits = connection_limits_default();
    limits.idle_ms = 150;
    limits.sweep_ms = 20;
    struct echo echo;
    echo_start(&echo, limits);
    const int fd = client_connect(listener_port(echo.listener), 0);
    run_for(echo.loop, 75);
    EXPECT(echo.sessions == 1);
    run_for(echo.loop, 200);
    EXPECT(echo.sessions == 0);
    (void)close(fd);
    echo_stop(&echo);
}

/* A plain close with unread input would send a reset, and the reset would eat the answer. */
TEST(the_last_answer_arrives_although_the_client_goes_on_sending)
{
    struct echo echo;
    echo_start(&echo, connection_limits_default());
    const int fd = client_connect(listener_port(echo.listener), 0);
    EXPECT(send(fd, "bye!", 4, 0) == 4);
    run_for(echo.loop, 30);
    EXPECT(echo.sessions == 0);
    EXPECT(send(fd, "more", 4, MSG_NOSIGNAL) == 4);
    run_for(echo.loop, 30);
    char answer[16];
    bool ended = false;
    EXPECT(client_receive(echo.loop, fd, answer, sizeof answer, &ended) == 4);
    EXPECT(ended && memcmp(answer, "bye!", 4) == 0);
    (void)close(fd);
    run_for(echo.loop, 30);
    EXPECT(listener_stats(echo.listener).open == 0);
    echo_stop(&echo);
}

TEST(a_client_that_ends_its_side_still_gets_its_answer)
{
    struct echo echo;
    echo_start(&echo, connection_limits_default());
    const int fd = client_connect(listener_port(echo.listener), 0);
    EXPECT(send(fd, "ping", 4, 0) == 4);
    EXPECT(shutdown(fd, SHUT_WR) == 0);
    char answer[16];
    bool ended = false;
    EXPECT(client_receive(echo.loop, fd, answer, sizeof answer, &ended) == 4);
    EXPECT(ended);
    (void)close(fd);
    run_for(echo.loop, 20);
    EXPECT(echo.sessions == 0);
    echo_stop(&echo);
}

TEST(a_drained_listener_turns_new_clients_away_and_ends_the_others_when_all_is_said)
{
    struct echo echo;
    echo_start(&echo, connection_limits_default());
    const uint16_t port = listener_port(echo.listener);
    const int fd = client_connect(port, 0);
    EXPECT(send(fd, "last", 4, 0) == 4);
    char answer[16];
    bool ended = false;
    EXPECT(client_receive(echo.loop, fd, answer, 4, &ended) == 4);
    listener_drain(echo.listener);
    EXPECT(client_receive(echo.loop, fd, answer, 1, &ended) == 0);
    EXPECT(ended && echo.sessions == 0);
    EXPECT(listener_stats(echo.listener).serving == 0);
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons(port)};
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT(connect(late, (const struct sockaddr *)&where, sizeof where) != 0);
    (void)close(late);
    (void)close(fd);
    echo_stop(&echo);
}

TEST(an_address_in_use_is_an_error_that_names_it)
{
    struct echo echo;
    echo_start(&echo, connection_limits_default());
    struct listener_options options = {
        .address = {.host = "127.0.0.1", .port = listener_port(echo.listener)},
        .limits = connection_limits_default(),
        .owner = echo_owner(&echo),
    };
    struct listener *second = NULL;
    char error[200];
    EXPECT(listener_new(echo.loop, &options, &second, error, sizeof error) == Q_EEXIST);
    EXPECT(strstr(error, "127.0.0.1") != NULL && strstr(error, "in use") != NULL);
    EXPECT(second == NULL);
    (void)snprintf(options.address.host, sizeof options.address.host, "no.such.host.invalid");
    EXPECT(listener_new(echo.loop, &options, &second, error, sizeof error) == Q_EINVAL);
    EXPECT(strstr(error, "no such host") != NULL);
    echo_stop(&echo);
}

TEST(addresses_parse_with_names_numbers_and_brackets_only)
{
    struct address address;
    EXPECT(address_parse("localhost:7480", &address));
    EXPECT(strcmp(address.host, "localhost") == 0 && address.port == 7480);
    EXPECT(address_parse("[::1]:65535", &address));
    EXPECT(strcmp(address.host, "::1") == 0 && address.port == 65535);
    EXPECT(address_parse(":7480", &address) && strcmp(address.host, "0.0.0.0") == 0);
    const char *wrong[] = {"",        "7480",   "host",     "host:",   "host:65536",
                           "host:-1", "::1:80", "host:80x", "host: 80"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        EXPECT(!address_parse(wrong[i], &address));
    }
    char text[ADDRESS_HOST_SIZE_MAX + 8];
    (void)memset(text, 'a', sizeof text);
    memcpy(text + ADDRESS_HOST_SIZE_MAX - 1, ":1", 3);
    EXPECT(address_parse(text, &address)); /* On the limit: 255 characters. */
    (void)memset(text, 'a', sizeof text);
    memcpy(text + ADDRESS_HOST_SIZE_MAX, ":1", 3);
    EXPECT(!address_parse(text, &address));
}

TEST_MAIN(CASE(what_a_client_sends_comes_to_the_owner_and_the_answer_back),
          CASE(many_connections_are_served_at_once_and_one_too_many_is_told_so),
          CASE(a_full_owner_is_not_read_for_and_goes_on_when_its_output_is_taken),
          CASE(an_owner_whose_answer_comes_within_the_turn_is_resumed_until_nothing_is_left),
          CASE(a_client_that_never_reads_is_closed_once_its_output_passes_the_limit),
          CASE(a_client_whose_output_does_not_move_is_closed_after_a_while_and_not_before),
          CASE(half_a_command_and_then_silence_ends_the_connection),
          CASE(idle_clients_are_closed_only_where_a_limit_asks_for_it),
          CASE(the_last_answer_arrives_although_the_client_goes_on_sending),
          CASE(a_client_that_ends_its_side_still_gets_its_answer),
          CASE(a_drained_listener_turns_new_clients_away_and_ends_the_others_when_all_is_said),
          CASE(an_address_in_use_is_an_error_that_names_it),
          CASE(addresses_parse_with_names_numbers_and_brackets_only))
