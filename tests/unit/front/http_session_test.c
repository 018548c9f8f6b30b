/* front/http_session: the pages that say how a node is, and how a probe or a proxy meets them. */
#include "harness/test.h"
#include "unit/front/fake_node.h"

#include <jansson.h>

static void make_three_nodes(struct bench *bench)
{
    struct node_status *status = &bench->node.status;
    status->self = 1;
    status->booted = true;
    status->cluster_id = 0xabc;
    status->leader = 1;
    status->role = RAFT_LEADER;
    status->term = 4;
    status->commit_index = 100;
    status->applied_index = 99;
    status->last_index = 101;
    status->peer_count = 3;
    for (node_id i = 1; i <= 3; i++) {
        status->peers[i - 1] = (struct node_peer_status){
            .id = i, .address = "127.0.0.1:7482", .connected = true, .heard = true};
        status->peers[i - 1].match_index = 101 - 3 * i;
    }
}

/* Takes the output apart. The caller owns *out_json. */
static int take_answer(struct bench *bench, json_t **out_json)
{
    struct buf *output = session_output(bench->session);
    buf_append(output, bytes_of("", 1));
    const char *text = (const char *)buf_bytes(output).data;
    int status = 0;
    REQUIRE(sscanf(text, "HTTP/1.1 %d ", &status) == 1);
    const char *body = strstr(text, "\r\n\r\n");
    REQUIRE(body != NULL);
    body = body == NULL ? "" : body + 4;
    char length[40];
    snprintf(length, sizeof length, "Content-Length: %zu\r\n", strlen(body));
    REQUIRE(strstr(text, length) != NULL);
    *out_json = json_loads(body, 0, NULL);
    buf_clear(output);
    return status;
}

static int get(struct bench *bench, const char *target, json_t **out_json)
{
    char text[256];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", target);
    bench_send(bench, text);
    return take_answer(bench, out_json);
}

static const char *text_of(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text == NULL ? "" : text;
}

TEST(livez_answers_whatever_the_cluster_does)
{
    struct bench *bench = bench_new(SESSION_HTTP);
    json_t *json = NULL;
    EXPECT(get(bench, "/livez", &json) == 200);
    EXPECT(json_is_true(json_object_get(json, "alive")));
    EXPECT(bench->node.submitted == 0 && !session_wants_close(bench->session));
    json_decref(json);
    bench_free(bench);
}

TEST(readyz_asks_the_node_for_the_level_and_answers_when_it_does)
{
    struct bench *bench = bench_new(SESSION_HTTP);
    make_three_nodes(bench);
    bench_send(bench, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT(bench->node.submitted == 1 && bench_got(bench, ""));
    EXPECT(bench->node.requests[0].copy.op == OP_NOTHING);
    EXPECT(bench->node.requests[0].copy.level == LEVEL_LINEARIZABLE);
    EXPECT(bench->node.requests[0].request->timeout_ms == 1000);
    fake_answer_status(&bench->node, 0, "OK");
    json_t *json = NULL;
    EXPECT(bench->wakes == 1 && take_answer(bench, &json) == 200);
    EXPECT(strcmp(text_of(json, "level"), "linearizable") == 0);
    json_decref(json);

    bench_send(bench, "GET /readyz?level=local HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT(bench->node.requests[1].copy.level == LEVEL_LOCAL);
    struct buf reply = {0};
    reply_error(&reply, "CLUSTERDOWN", "no leader");
    fake_answer(&bench->node, 1, &reply);
    buf_deinit(&reply);
    EXPECT(take_answer(bench, &json) == 503);
    EXPECT(strcmp(text_of(json, "error"), "not_ready") == 0);
    EXPECT(strcmp(text_of(json, "detail"), "CLUSTERDOWN no leader") == 0);
    json_decref(json);
    bench_free(bench);
}

TEST(readyz_says_who_is_missing_while_the_cluster_forms)
{
    struct bench *bench = bench_new(SESSION_HTTP);
    snprintf(bench->node.status.waiting_for, sizeof bench->node.status.waiting_for,
             "10.0.0.2:7482");
    json_t *json = NULL;
    EXPECT(get(bench, "/readyz", &json) == 503);
    EXPECT(strcmp(text_of(json, "detail"), "10.0.0.2:7482") == 0);
    EXPECT(bench->node.submitted == 0);
    json_decref(json);
    EXPECT(get(bench, "/readyz?level=quorum", &json) == 400);
    EXPECT(strcmp(text_of(json, "detail"), "quorum") == 0);
    json_decref(json);
    bench_free(bench);
}

TEST(status_has_the_documented_fields_on_the_leader)
{
    struct bench *bench = bench_new(SESSION_HTTP);
    make_three_nodes(bench);
    json_t *json = NULL;
    EXPECT(get(bench, "/status", &json) == 200);
    EXPECT(strcmp(text_of(json, "verdict"), "3/3 nodes, every shard has a leader, largest lag 9 "
                                            "entries, one more node may fail") == 0);
    EXPECT(json_integer_value(json_object_get(json, "self")) == 1);
    EXPECT(strcmp(text_of(json, "version"), QUORATE_VERSION) == 0);
    const json_t *nodes = json_object_get(json, "nodes");
    EXPECT(json_array_size(nodes) == 3);
    const json_t *first = json_array_get(nodes, 0);
    EXPECT(json_integer_value(json_object_get(first, "number")) == 1);
    EXPECT(json_array_size(json_object_get(first, "leads")) == 1);
    EXPECT(json_integer_value(json_object_get(first, "lag")) == 0);
    EXPECT(strcmp(text_of(first, "state"), "up") == 0);
    EXPECT(strcmp(text_of(json_object_get(first, "addresses"), "peer"), "127.0.0.1:7482") == 0);
    const json_t *third = json_array_get(nodes, 2);
    EXPECT(json_array_size(json_object_get(third, "leads")) == 0);
    EXPECT(json_integer_value(json_object_get(third, "lag")) == 9);
    const json_t *shard = json_array_get(json_object_get(json, "shards"), 0);
    EXPECT(json_integer_value(json_object_get(shard, "leader")) == 1);
    EXPECT(json_integer_value(json_object_get(shard, "term")) == 4);
    EXPECT(json_integer_value(json_object_get(shard, "commit")) == 100);
    EXPECT(json_integer_value(json_object_get(shard, "applied")) == 99);
    EXPECT(json_array_size(json_object_get(shard, "replicas")) == 3);
    EXPECT(json_array_size(json_object_get(json, "keyspaces")) == 1);
    json_decref(json);
    bench_free(bench);
}

TEST(status_tells_what_is_wrong)
{
    struct bench *bench = bench_new(SESSION_HTTP);
    make_three_nodes(bench);
    struct node_status *status = &bench->node.status;
    status->peers[2].heard = false; /* Paused, or on a lost disk: still connected. */
    json_t *json = NULL;
    EXPECT(get(bench, "/status", &json) == 200);
    EXPECT(strstr(text_of(json, "verdict"), "2/3 nodes") != NULL);
    EXPECT(strstr(text_of(json, "verdict"), "no further node may fail") != NULL);
    const json_t *third = json_array_get(json_object_get(json, "nodes"), 2);
    EXPECT(strcmp(text_of(third, "state"), "unreachable") == 0);
    json_decref(json);

    status->leader = NODE_NONE;
    EXPECT(get(bench, "/status", &json) == 200);
    EXPECT(strstr(text_of(json, "verdict"), "no leader, requests wait for an election") != NULL);
    json_decref(json);

    status->peers[1].heard = false;
    status->peers[1].connected = false;
    status->peers[2].connected = false;
    EXPECT(get(bench, "/status", &json) == 200);
    EXPECT(strstr(text_of(json, "verdict"), "shard 1 has no leader, below a majority") != NULL);
    const json_t *shard = json_array_get(json_object_get(json, "shards"), 0);
    EXPECT(json_is_null(json_object_get(shard, "leader")));
    EXPECT(json_is_null(json_object_get(json_array_get(json_object_get(json, "nodes"), 1), "lag")));
    json_decref(json);
    bench_free(bench);
}

TEST(unknown_pages_and_methods_are_told_apart)
{
    struct bench *bench = bench_new(SESSION_HTTP);
    json_t *json = NULL;
    EXPECT(get(bench, "/nosuch%00%22", &json) == 404);
    EXPECT(strcmp(text_of(json, "error"), "not_found") == 0);
    EXPECT(strcmp(text_of(json, "detail"), "/nosuch?\"") == 0);
    json_decref(json);
    bench_send(bench, "POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    buf_append(session_output(bench->session), bytes_of("", 1));
    EXPECT(strstr((const char *)buf_bytes(session_output(bench->session)).data,
                  "\r\nAllow: GET, HEAD\r\n") != NULL);
    buf_chop_to(session_output(bench->session), buf_size(session_output(bench->session)) - 1);
    EXPECT(take_answer(bench, &json) == 405);
    json_decref(json);
    EXPECT(!session_wants_close(bench->session));
    bench_free(bench);
}

TEST(head_has_the_length_and_no_body)
{
    struct bench *bench = bench_new(SESSION_HTTP);
    bench_send(bench, "HEAD /livez HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT(bench_got(bench, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                            "Content-Length: 15\r\nCache-Control: no-store\r\n"
                            "X-Content-Type-Options: nosniff\r\nConnection: keep-alive\r\n\r\n"));
    bench_free(bench);
}

static size_t count_answers(struct bench *bench)
{
    struct buf *output = session_output(bench->session);
    buf_append(output, bytes_of("", 1));
    size_t count = 0;
    const char *at = (const char *)buf_bytes(output).data;
    while ((at = strstr(at, "HTTP/1.1 ")) != NULL) {
        count++;
        at++;
    }
    buf_clear(output);
    return count;
}

TEST(pipelined_requests_are_answered_one_after_the_other)
{
    struct bench *bench = bench_new(SESSION_HTTP);
    make_three_nodes(bench);
    const char *text =
        "GET /livez HTTP/1.1\r\nHost: a\r\n\r\nGET /readyz HTTP/1.1\r\nHost: a\r\n\r\n"
        "GET /version HTTP/1.1\r\nHost: a\r\n\r\n";
    bench_send(bench, text);
    EXPECT(count_answers(bench) == 1 && session_is_full(bench->session));
    fake_answer_status(&bench->node, 0, "OK");
    EXPECT(count_answers(bench) == 1);
    session_resume(bench->session);
    EXPECT(count_answers(bench) == 1 && !session_is_full(bench->session));
    bench_free(bench);
}

TEST(a_close_is_kept_and_nothing_behind_it_is_served)
{
    struct bench *bench = bench_new(SESSION_HTTP);
    bench_send(bench, "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
                      "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT(count_answers(bench) == 1 && session_wants_close(bench->session));
    bench_free(bench);
}

TEST(a_malformed_request_gets_its_reason_and_the_connection_ends)
{
    struct bench *bench = bench_new(SESSION_HTTP);
    bench_send(bench, "GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    json_t *json = NULL;
    EXPECT(session_wants_close(bench->session));
    EXPECT(take_answer(bench, &json) == 400);
    EXPECT(strcmp(text_of(json, "message"), "more than one Host") == 0);
    json_decref(json);
    bench_free(bench);
}

TEST(a_probe_that_hangs_up_is_cancelled)
{
    struct bench *bench = bench_new(SESSION_HTTP);
    make_three_nodes(bench);
    bench_send(bench, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n");
    session_free(bench->session);
    bench->session = NULL;
    EXPECT(bench->node.cancelled == 1);
    bench_free(bench);
}

TEST_MAIN(CASE(livez_answers_whatever_the_cluster_does),
          CASE(readyz_asks_the_node_for_the_level_and_answers_when_it_does),
          CASE(readyz_says_who_is_missing_while_the_cluster_forms),
          CASE(status_has_the_documented_fields_on_the_leader),
          CASE(status_tells_what_is_wrong),
          CASE(unknown_pages_and_methods_are_told_apart),
          CASE(head_has_the_length_and_no_body),
          CASE(pipelined_requests_are_answered_one_after_the_other),
          CASE(a_close_is_kept_and_nothing_behind_it_is_served),
          CASE(a_malformed_request_gets_its_reason_and_the_connection_ends),
          CASE(a_probe_that_hangs_up_is_cancelled))
