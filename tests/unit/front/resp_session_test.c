/* front/resp_session: order of effects, order of replies, limits and ends of a conversation. */
#include "base/os/heap.h"
#include "harness/test.h"
#include "unit/front/fake_node.h"

#include <stdio.h>

static enum op op_of(const struct bench *bench, size_t index)
{
    REQUIRE(index < bench->node.submitted);
    return bench->node.requests[index].copy.op;
}

static bool arg_is(const struct bench *bench, size_t index, size_t arg, const char *text)
{
    const struct request *request = &bench->node.requests[index].copy;
    return arg < request->arg_count && bytes_equal(request->args[arg], bytes_of_text(text));
}

TEST(a_command_goes_to_the_node_and_its_reply_comes_back)
{
    struct bench *bench = bench_new(SESSION_RESP);
    bench_send(bench, "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
    EXPECT(bench->node.submitted == 1 && op_of(bench, 0) == OP_GET && arg_is(bench, 0, 0, "k"));
    EXPECT(bench_got(bench, "") && bench->wakes == 0);
    fake_answer_text(&bench->node, 0, "v");
    EXPECT(bench_got(bench, "$1\r\nv\r\n"));
    EXPECT(bench->wakes == 1);
    bench_free(bench);
}

TEST(replies_keep_the_order_of_commands_whatever_order_the_node_answers_in)
{
    struct bench *bench = bench_new(SESSION_RESP);
    bench_send(bench, "get a\r\nget b\r\nping\r\nget c\r\nget d\r\n");
    EXPECT(bench->node.submitted == 4);
    fake_answer_text(&bench->node, 3, "D");
    fake_answer_text(&bench->node, 1, "B");
    EXPECT(bench_got(bench, ""));
    fake_answer_text(&bench->node, 0, "A");
    EXPECT(bench_got(bench, "$1\r\nA\r\n$1\r\nB\r\n+PONG\r\n"));
    fake_answer_text(&bench->node, 2, "C");
    EXPECT(bench_got(bench, "$1\r\nC\r\n$1\r\nD\r\n"));
    bench_free(bench);
}

/* A pipelined GET must see the SET before it: the node does not know they belong together. */
TEST(a_read_waits_for_the_writes_before_it_and_a_write_for_the_reads)
{
    struct bench *bench = bench_new(SESSION_RESP);
    bench_send(bench, "set k 1\r\nset k 2\r\nget k\r\nget k\r\nset k 3\r\nping\r\n");
    EXPECT(bench->node.submitted == 2);
    EXPECT(session_is_full(bench->session));
    fake_answer_status(&bench->node, 0, "OK");
    session_resume(bench->session);
    EXPECT(bench->node.submitted == 2);
    fake_answer_status(&bench->node, 1, "OK");
    session_resume(bench->session);
    EXPECT(bench->node.submitted == 4 && op_of(bench, 2) == OP_GET && op_of(bench, 3) == OP_GET);
    fake_answer_text(&bench->node, 3, "2");
    fake_answer_text(&bench->node, 2, "2");
    session_resume(bench->session);
    EXPECT(bench->node.submitted == 5 && op_of(bench, 4) == OP_SET && arg_is(bench, 4, 1, "3"));
    EXPECT(!session_is_full(bench->session));
    fake_answer_status(&bench->node, 4, "OK");
    EXPECT(bench_got(bench, "+OK\r\n+OK\r\n$1\r\n2\r\n$1\r\n2\r\n+OK\r\n+PONG\r\n"));
    bench_free(bench);
}

/* The held command's arguments lie in the input buffer, which may move when more is read. */
TEST(a_held_command_survives_the_growth_of_the_input_buffer)
{
    struct bench *bench = bench_new(SESSION_RESP);
    bench_send(bench, "set k 1\r\nget \"held \\x6bey\"\r\n");
    (void)session_input_reserve(bench->session, (size_t)1 << 20);
    fake_answer_status(&bench->node, 0, "OK");
    session_resume(bench->session);
    EXPECT(bench->node.submitted == 2 && arg_is(bench, 1, 0, "held key"));
    bench_free(bench);
}

TEST(an_error_reply_lets_the_next_run_go_on)
{
    struct bench *bench = bench_new(SESSION_RESP);
    bench_send(bench, "set k 1\r\nget k\r\n");
    struct buf reply = {0};
    reply_error(&reply, "OUTCOMEUNKNOWN", "1.2.3");
    fake_answer(&bench->node, 0, &reply);
    buf_deinit(&reply);
    session_resume(bench->session);
    EXPECT(bench->node.submitted == 2);
    EXPECT(bench_got(bench, "-OUTCOMEUNKNOWN 1.2.3\r\n"));
    bench_free(bench);
}

/* Lets the session learn that replies are small; returns how many requests that took. */
static size_t warm_up(struct bench *bench)
{
    const size_t count = 64;
    for (size_t i = 0; i < count; i++) {
        bench_send(bench, "get k\r\n");
        fake_answer_text(&bench->node, i, "v");
    }
    buf_clear(session_output(bench->session));
    return count;
}

TEST(a_pipeline_may_fill_its_limit_and_the_next_command_waits)
{
    struct bench *bench = bench_new(SESSION_RESP);
    const size_t first = warm_up(bench);
    for (size_t i = 0; i < SESSION_PIPELINE_MAX - 1; i++) {
        bench_send(bench, "get k\r\n");
    }
    EXPECT(!session_is_full(bench->session));
    bench_send(bench, "get k\r\nget last\r\n");
    EXPECT(bench->node.submitted == first + SESSION_PIPELINE_MAX);
    EXPECT(session_is_full(bench->session));
    fake_answer_text(&bench->node, first, "v");
    EXPECT(!session_is_full(bench->session));
    session_resume(bench->session);
    EXPECT(bench->node.submitted == first + SESSION_PIPELINE_MAX + 1);
    EXPECT(arg_is(bench, first + SESSION_PIPELINE_MAX, 0, "last"));
    session_free(bench->session);
    bench->session = NULL;
    EXPECT(bench->node.cancelled == SESSION_PIPELINE_MAX);
    bench_free(bench);
}

/* What is in flight may come back at once: its size must be bounded before it does. */
TEST(large_replies_narrow_the_pipeline_and_small_ones_widen_it)
{
    struct bench *bench = bench_new(SESSION_RESP);
    for (size_t i = 0; i < 100; i++) {
        bench_send(bench, "get k\r\n");
    }
    EXPECT(bench->node.submitted == 64); /* Nothing is known of replies yet. */
    char *value = heap_alloc(SESSION_OUTPUT_MAX / 4 + 1);
    memset(value, 'v', SESSION_OUTPUT_MAX / 4);
    fake_answer_text(&bench->node, 0, value);
    for (size_t i = 1; i < 64; i++) {
        fake_answer_text(&bench->node, i, value);
    }
    buf_clear(session_output(bench->session));
    session_resume(bench->session);
    EXPECT(bench->node.submitted == 64 + 4);
    for (size_t i = 64; i < 100; i++) {
        fake_answer_text(&bench->node, i, "v");
        session_resume(bench->session);
    }
    EXPECT(bench->node.submitted == 100 && !session_is_full(bench->session));
    heap_free(value);
    bench_free(bench);
}

TEST(a_closed_session_cancels_what_is_in_flight)
{
    struct bench *bench = bench_new(SESSION_RESP);
    bench_send(bench, "get a\r\nget b\r\nget c\r\n");
    fake_answer_text(&bench->node, 1, "B");
    session_free(bench->session);
    EXPECT(bench->node.cancelled == 2);
    bench->session = NULL;
    bench_free(bench);
}

TEST(unread_output_stops_further_commands_until_it_is_taken)
{
    struct bench *bench = bench_new(SESSION_RESP);
    char *value = heap_alloc(SESSION_OUTPUT_MAX);
    memset(value, 'v', SESSION_OUTPUT_MAX - 1);
    bench_send(bench, "get a\r\n");
    fake_answer_text(&bench->node, 0, value);
    EXPECT(session_is_full(bench->session));
    bench_send(bench, "ping\r\n");
    struct buf *output = session_output(bench->session);
    const size_t size = buf_size(output);
    EXPECT(size > SESSION_OUTPUT_MAX);
    buf_trim(output, size - 10);
    session_resume(bench->session);
    EXPECT(buf_size(output) == 10 + strlen("+PONG\r\n"));
    heap_free(value);
    bench_free(bench);
}

TEST(a_node_may_answer_from_within_the_call)
{
    struct bench *bench = bench_new(SESSION_RESP);
    bench->node.answers_at_once = true;
    EXPECT(bench_says(bench, "set a 1\r\nget a\r\nset b 2\r\n", "+OK\r\n+OK\r\n+OK\r\n"));
    EXPECT(bench->wakes == 0); /* The owner is inside session_input_added. */
    bench_free(bench);
}

TEST(quit_answers_what_came_before_it_and_closes)
{
    struct bench *bench = bench_new(SESSION_RESP);
    bench_send(bench, "get a\r\nquit\r\nget b\r\n");
    EXPECT(bench->node.submitted == 1);
    EXPECT(!session_wants_close(bench->session));
    fake_answer_text(&bench->node, 0, "A");
    EXPECT(bench_got(bench, "$1\r\nA\r\n+OK\r\n"));
    EXPECT(session_wants_close(bench->session));
    bench_free(bench);
}

TEST(a_protocol_error_is_told_in_its_turn_and_closes)
{
    struct bench *bench = bench_new(SESSION_RESP);
    bench_send(bench, "get a\r\n*1\r\nx\r\nget b\r\n");
    EXPECT(bench_got(bench, "") && !session_wants_close(bench->session));
    fake_answer_text(&bench->node, 0, "A");
    EXPECT(bench_got(bench, "$1\r\nA\r\n-ERR Protocol error: expected '$', got 'x'\r\n"));
    EXPECT(session_wants_close(bench->session) && bench->node.submitted == 1);
    bench_free(bench);
}

TEST(http_on_the_port_executes_nothing)
{
    struct bench *bench = bench_new(SESSION_RESP);
    bench_send(bench, "POST / HTTP/1.1\r\nHost: a\r\n\r\nset k v\r\n");
    EXPECT(bench->node.submitted == 0 && session_wants_close(bench->session));
    bench_free(bench);
}

TEST(half_a_command_is_known_to_be_one)
{
    struct bench *bench = bench_new(SESSION_RESP);
    EXPECT(!session_is_mid_command(bench->session));
    bench_send(bench, "*2\r\n$3\r\nGE");
    EXPECT(session_is_mid_command(bench->session));
    bench_send(bench, "T\r\n$1\r\nk\r\n");
    EXPECT(!session_is_mid_command(bench->session) && bench->node.submitted == 1);
    bench_free(bench);
}

TEST(client_reply_silences_what_it_says_and_nothing_else)
{
    struct bench *bench = bench_new(SESSION_RESP);
    EXPECT(bench_says(bench, "client reply skip\r\nping a\r\nping b\r\n", "$1\r\nb\r\n"));
    bench_send(bench, "client reply off\r\nget k\r\nping\r\nnosuch\r\n");
    fake_answer_text(&bench->node, 0, "v");
    EXPECT(bench_got(bench, ""));
    EXPECT(bench_says(bench, "client reply on\r\nping\r\n", "+OK\r\n+PONG\r\n"));
    bench_free(bench);
}

/* A reply is printed in the protocol that was spoken when its command came. */
TEST(hello_changes_the_protocol_from_its_place_on)
{
    struct bench *bench = bench_new(SESSION_RESP);
    bench_send(bench, "get a\r\nhello 3\r\nget b\r\n");
    struct buf nil = {0};
    reply_nil(&nil);
    fake_answer(&bench->node, 1, &nil);
    fake_answer(&bench->node, 0, &nil);
    EXPECT(bench_got(bench, "$-1\r\n%7\r\n$6\r\nserver\r\n$7\r\nquorate\r\n$7\r\nversion\r\n"
                            "$5\r\n7.2.0\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:1\r\n$4\r\nmode\r\n"
                            "$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n"
                            "*0\r\n_\r\n"));
    buf_deinit(&nil);
    bench_free(bench);
}

TEST(a_killed_session_closes_at_once_and_its_killer_is_told)
{
    struct bench *bench = bench_new(SESSION_RESP);
    struct session *other = bench_session(bench, SESSION_RESP);
    EXPECT(bench_says(bench, "client kill id 2\r\n", ":1\r\n"));
    EXPECT(session_wants_close(other) && bench->wakes == 1);
    EXPECT(!session_wants_close(bench->session));
    session_free(other);
    EXPECT(bench_says(bench, "client kill id 2\r\n", ":0\r\n"));
    EXPECT(bench_says(bench, "client kill 1.2.3.4:5\r\n", "-ERR No such client\r\n"));
    bench_free(bench);
}

TEST(a_command_with_thousands_of_arguments_is_served)
{
    struct bench *bench = bench_new(SESSION_RESP);
    struct buf text = {0};
    buf_append_text(&text, "*5001\r\n$3\r\nDEL\r\n");
    for (int i = 0; i < 5000; i++) {
        buf_append_text(&text, "$1\r\nk\r\n");
    }
    bench_send_bytes(bench, (const char *)buf_bytes(&text).data, buf_size(&text));
    EXPECT(bench->node.submitted == 1 && bench->node.requests[0].copy.arg_count == 5000);
    EXPECT(bench_says(bench, "ping\r\n", ""));
    buf_deinit(&text);
    bench_free(bench);
}

TEST_MAIN(CASE(a_command_goes_to_the_node_and_its_reply_comes_back),
          CASE(replies_keep_the_order_of_commands_whatever_order_the_node_answers_in),
          CASE(a_read_waits_for_the_writes_before_it_and_a_write_for_the_reads),
          CASE(a_held_command_survives_the_growth_of_the_input_buffer),
          CASE(an_error_reply_lets_the_next_run_go_on),
          CASE(a_pipeline_may_fill_its_limit_and_the_next_command_waits),
          CASE(large_replies_narrow_the_pipeline_and_small_ones_widen_it),
          CASE(a_closed_session_cancels_what_is_in_flight),
          CASE(unread_output_stops_further_commands_until_it_is_taken),
          CASE(a_node_may_answer_from_within_the_call),
          CASE(quit_answers_what_came_before_it_and_closes),
          CASE(a_protocol_error_is_told_in_its_turn_and_closes),
          CASE(http_on_the_port_executes_nothing),
          CASE(half_a_command_is_known_to_be_one),
          CASE(client_reply_silences_what_it_says_and_nothing_else),
          CASE(hello_changes_the_protocol_from_its_place_on),
          CASE(a_killed_session_closes_at_once_and_its_killer_is_told),
          CASE(a_command_with_thousands_of_arguments_is_served))
