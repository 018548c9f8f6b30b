/* cli/status and cli/http_client against servers that answer well, badly, and not at all. */
#include "base/os/clock.h"
#include "cli/status.h"
#include "harness/test.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STATUS_BODY                                                                                \
    "{\"verdict\":\"3/3 nodes, every shard has a leader\",\"nodes\":[{\"number\":1,\"id\":\"n1\"," \
    "\"addresses\":{\"peer\":\"127.0.0.1:7482\"},\"state\":\"up\",\"leads\":[1],\"lag\":0}],"      \
    "\"keyspaces\":[],\"shards\":[{\"id\":1,\"keyspace\":\"default\",\"leader\":1,"                \
    "\"replicas\":[1,2,3],\"term\":9007199254740993,\"commit\":7,\"applied\":6}]}"

/* Takes one connection and gives it one canned answer. */
struct canned {
    int fd;
    char address[32];
    const char *answer; /* NULL: stays silent until the client goes. */
    char request[1024];
    pthread_t thread;
};

static void *serve(void *memory)
{
    struct canned *canned = memory;
    const int fd = accept(canned->fd, NULL, NULL);
    const ssize_t size = recv(fd, canned->request, sizeof canned->request - 1, 0);
    canned->request[size > 0 ? size : 0] = '\0';
    char rest[64];
    if (canned->answer != NULL) {
        (void)send(fd, canned->answer, strlen(canned->answer), MSG_NOSIGNAL);
    } else {
        (void)recv(fd, rest, sizeof rest, 0);
    }
    (void)close(fd);
    return NULL;
}

static void start(struct canned *canned, const char *answer)
{
    *canned = (struct canned){.answer = answer};
    canned->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in where = {.sin_family = AF_INET};
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof where;
    REQUIRE(bind(canned->fd, (struct sockaddr *)&where, size) == 0 && listen(canned->fd, 1) == 0);
    REQUIRE(getsockname(canned->fd, (struct sockaddr *)&where, &size) == 0);
    (void)snprintf(canned->address, sizeof canned->address, "127.0.0.1:%u", ntohs(where.sin_port));
    REQUIRE(pthread_create(&canned->thread, NULL, serve, canned) == 0);
}

static void stop(struct canned *canned)
{
    (void)pthread_join(canned->thread, NULL);
    (void)close(canned->fd);
}

struct outcome {
    int code;
    char *out;
    char *errors;
};

static struct outcome ask(const char *address, enum cli_output output, int timeout_ms)
{
    struct outcome outcome = {0};
    size_t out_size = 0;
    size_t error_size = 0;
    FILE *out = open_memstream(&outcome.out, &out_size);
    FILE *errors = open_memstream(&outcome.errors, &error_size);
    const struct status_request request = {address, output, timeout_ms};
    outcome.code = status_run(&request, out, errors);
    (void)fclose(out);
    (void)fclose(errors);
    return outcome;
}

static void forget(struct outcome *outcome)
{
    free(outcome->out);
    free(outcome->errors);
}

TEST(the_table_shows_verdict_nodes_and_shards)
{
    struct canned canned;
    start(&canned, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" STATUS_BODY);
    struct outcome outcome = ask(canned.address, CLI_TABLE, 2000);
    stop(&canned);
    EXPECT(outcome.code == 0);
    EXPECT(strncmp(canned.request, "GET /status HTTP/1.1\r\nHost: ", 28) == 0);
    EXPECT(strstr(outcome.out, "3/3 nodes, every shard has a leader\n") == outcome.out);
    EXPECT(strstr(outcome.out, "127.0.0.1:7482") != NULL);
    EXPECT(strstr(outcome.out, "1 2 3") != NULL);
    EXPECT(strstr(outcome.out, "9007199254740993") != NULL); /* Past what a double holds. */
    forget(&outcome);
}

TEST(json_comes_through_as_it_is_and_plain_is_one_thing_a_line)
{
    struct canned canned;
    start(&canned, "HTTP/1.1 200 OK\r\n\r\n" STATUS_BODY);
    struct outcome outcome = ask(canned.address, CLI_JSON, 2000);
    stop(&canned);
    EXPECT(outcome.code == 0 && outcome.out[0] == '{');
    EXPECT(strstr(outcome.out, "\"term\": 9007199254740993") != NULL);
    forget(&outcome);
    start(&canned, "HTTP/1.1 200 OK\r\n\r\n" STATUS_BODY);
    outcome = ask(canned.address, CLI_PLAIN, 2000);
    stop(&canned);
    EXPECT(strstr(outcome.out, "\nshard\t1\t1\t9007199254740993\t7\t6\n") != NULL);
    forget(&outcome);
}

TEST(nobody_there_is_an_error_that_names_the_address)
{
    struct outcome outcome = ask("127.0.0.1:1", CLI_TABLE, 2000);
    EXPECT(outcome.code == 1);
    EXPECT(strstr(outcome.errors, "127.0.0.1:1") != NULL);
    EXPECT(strstr(outcome.errors, "refused") != NULL);
    forget(&outcome);
    outcome = ask("7481", CLI_TABLE, 2000);
    EXPECT(outcome.code == 1 && strstr(outcome.errors, "HOST:PORT") != NULL);
    forget(&outcome);
}

TEST(a_server_that_says_nothing_is_given_up_in_time)
{
    struct canned canned;
    start(&canned, NULL);
    const uint64_t began_ms = clock_monotonic_ms();
    struct outcome outcome = ask(canned.address, CLI_TABLE, 200);
    const uint64_t took_ms = clock_monotonic_ms() - began_ms;
    stop(&canned);
    EXPECT(outcome.code == 1 && took_ms >= 190 && took_ms < 1500);
    EXPECT(strstr(outcome.errors, "no answer") != NULL);
    forget(&outcome);
}

TEST(answers_that_make_no_sense_are_errors)
{
    const char *answers[] = {"-ERR unknown command\r\n",      "",
                             "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\n\r\nnot json",
                             "HTTP/1.1 200 OK\r\n\r\n[1]",    "HTTP/1.1 404 Not Found\r\n\r\n{}"};
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        struct canned canned;
        start(&canned, answers[i]);
        struct outcome outcome = ask(canned.address, CLI_TABLE, 2000);
        stop(&canned);
        EXPECT(outcome.code == 1 && strlen(outcome.errors) > 0 && strlen(outcome.out) == 0);
        forget(&outcome);
    }
}

TEST_MAIN(CASE(the_table_shows_verdict_nodes_and_shards),
          CASE(json_comes_through_as_it_is_and_plain_is_one_thing_a_line),
          CASE(nobody_there_is_an_error_that_names_the_address),
          CASE(a_server_that_says_nothing_is_given_up_in_time),
          CASE(answers_that_make_no_sense_are_errors))
