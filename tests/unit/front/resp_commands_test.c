/* front: what each command asks of the node, what it prints, and how it refuses. */
#include "base/os/heap.h"
#include "harness/test.h"
#include "unit/front/fake_node.h"

#include <stdio.h>

static const struct request *sent(struct bench *bench, const char *command)
{
    const size_t before = bench->node.submitted;
    bench_send(bench, command);
    if (bench->node.submitted != before + 1) {
        const struct bytes got = buf_bytes(session_output(bench->session));
        print_message("not submitted: %s got %.*s\n", command, (int)got.size,
                      (const char *)got.data);
    }
    REQUIRE(bench->node.submitted == before + 1);
    if (!bench->node.answers_at_once) {
        fake_answer_status(&bench->node, before, "OK");
    }
    buf_clear(session_output(bench->session));
    return &bench->node.requests[before].copy;
}

static bool is(struct bytes bytes, const char *text)
{
    return bytes_equal(bytes, bytes_of_text(text));
}

TEST(strings_become_requests)
{
    struct bench *bench = bench_new(SESSION_RESP);
    const struct request *r = sent(bench, "SET k v\r\n");
    EXPECT(r->op == OP_SET && r->arg_count == 2 && is(r->args[1], "v") && r->flags == 0);
    EXPECT(r->level == LEVEL_DEFAULT && r->request_id.size == 0);
    r = sent(bench, "set k v nx get\r\n");
    EXPECT(r->flags == (REQUEST_NX | REQUEST_RETURN_OLD) && r->arg_count == 2);
    r = sent(bench, "set k v XX\r\n");
    EXPECT(r->flags == REQUEST_XX);
    r = sent(bench, "set k v GET IFEQ old\r\n");
    EXPECT(r->flags == (REQUEST_IFEQ | REQUEST_RETURN_OLD) && r->arg_count == 3);
    EXPECT(is(r->args[0], "k") && is(r->args[1], "v") && is(r->args[2], "old"));
    r = sent(bench, "set k v IFEQ get GET\r\n");
    EXPECT(r->flags == (REQUEST_IFEQ | REQUEST_RETURN_OLD) && is(r->args[2], "get"));
    r = sent(bench, "getset k v\r\n");
    EXPECT(r->op == OP_SET && r->flags == REQUEST_RETURN_OLD);
    r = sent(bench, "append k v\r\n");
    EXPECT(r->op == OP_APPEND && r->arg_count == 2);
    r = sent(bench, "mset a 1 b 2\r\n");
    EXPECT(r->op == OP_MSET && r->arg_count == 4 && is(r->args[2], "b"));
    r = sent(bench, "mget a b\r\n");
    EXPECT(r->op == OP_MGET && r->arg_count == 2);
    r = sent(bench, "strlen k\r\n");
    EXPECT(r->op == OP_STRLEN);
    r = sent(bench, "getrange k 1 -2\r\n");
    EXPECT(r->op == OP_GETRANGE && r->a == 1 && r->b == -2 && r->arg_count == 1);
    bench_free(bench);
}

TEST(counters_become_increments)
{
    struct bench *bench = bench_new(SESSION_RESP);
    EXPECT(sent(bench, "incr k\r\n")->a == 1);
    EXPECT(sent(bench, "decr k\r\n")->a == -1);
    EXPECT(sent(bench, "incrby k -5\r\n")->a == -5);
    EXPECT(sent(bench, "decrby k -5\r\n")->a == 5);
    EXPECT(sent(bench, "incrby k -9223372036854775808\r\n")->a == INT64_MIN);
    EXPECT(bench_says(bench, "decrby k -9223372036854775808\r\n",
                      "-ERR decrement would overflow\r\n"));
    EXPECT(bench_says(bench, "incrby k 9223372036854775808\r\n",
                      "-ERR value is not an integer or out of range\r\n"));
    EXPECT(
        bench_says(bench, "incrby k 1.5\r\n", "-ERR value is not an integer or out of range\r\n"));
    bench_free(bench);
}

TEST(lists_become_requests)
{
    struct bench *bench = bench_new(SESSION_RESP);
    const struct request *r = sent(bench, "rpush l a b\r\n");
    EXPECT(r->op == OP_RPUSH && r->arg_count == 3 && is(r->args[2], "b"));
    EXPECT(sent(bench, "lpush l a\r\n")->op == OP_LPUSH);
    r = sent(bench, "lrange l 0 -1\r\n");
    EXPECT(r->op == OP_LRANGE && r->a == 0 && r->b == -1 && r->arg_count == 1);
    EXPECT(sent(bench, "llen l\r\n")->op == OP_LLEN);
    EXPECT(sent(bench, "lpop l\r\n")->a == -1);
    r = sent(bench, "rpop l 3\r\n");
    EXPECT(r->op == OP_RPOP && r->a == 3 && r->arg_count == 1);
    EXPECT(sent(bench, "lpop l 0\r\n")->a == 0);
    EXPECT(bench_says(bench, "lpop l -1\r\n", "-ERR value is out of range, must be positive\r\n"));
    EXPECT(bench_says(bench, "lpop l 1 2\r\n",
                      "-ERR wrong number of arguments for 'lpop' command\r\n"));
    bench_free(bench);
}

TEST(keys_become_requests)
{
    struct bench *bench = bench_new(SESSION_RESP);
    EXPECT(sent(bench, "del a b\r\n")->op == OP_DEL);
    EXPECT(sent(bench, "unlink a\r\n")->op == OP_DEL);
    EXPECT(sent(bench, "exists a a\r\n")->arg_count == 2);
    EXPECT(sent(bench, "type a\r\n")->op == OP_TYPE);
    EXPECT(sent(bench, "dbsize\r\n")->op == OP_DBSIZE);
    const struct request *r = sent(bench, "scan 7\r\n");
    EXPECT(r->op == OP_SCAN && r->a == 7 && r->b == 10 && r->arg_count == 0 && r->flags == 0);
    r = sent(bench, "scan 0 match a* count 100 type list\r\n");
    EXPECT(r->a == 0 && r->b == 100 && r->arg_count == 1 && is(r->args[0], "a*"));
    EXPECT(r->flags == REQUEST_SCAN_LIST);
    EXPECT(sent(bench, "scan 0 count 10001 type string\r\n")->b == 10000);
    EXPECT(bench_says(bench, "scan x\r\n", "-ERR invalid cursor\r\n"));
    EXPECT(bench_says(bench, "scan 0 count 0\r\n", "-ERR syntax error\r\n"));
    EXPECT(bench_says(bench, "scan 0 match\r\n", "-ERR syntax error\r\n"));
    EXPECT(bench_says(bench, "scan 0 type hash\r\n",
                      "-ERR unknown type; possible are: string, list\r\n"));
    bench_free(bench);
}

TEST(wrong_conditions_of_set_are_refused)
{
    struct bench *bench = bench_new(SESSION_RESP);
    const char *wrong[] = {"set k v nx xx\r\n", "set k v ifeq\r\n", "set k v ifeq a nx\r\n",
                           "set k v what\r\n", "set k v ifeq a ifeq b\r\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        EXPECT(bench_says(bench, wrong[i], "-ERR syntax error\r\n"));
    }
    EXPECT(bench_says(bench, "set k v ex 10\r\n", "-ERR expiry is not supported yet\r\n"));
    EXPECT(bench_says(bench, "set k v keepttl\r\n", "-ERR expiry is not supported yet\r\n"));
    EXPECT(bench_says(bench, "mset a 1 b\r\n",
                      "-ERR wrong number of arguments for 'mset' command\r\n"));
    EXPECT(bench->node.submitted == 0);
    bench_free(bench);
}

TEST(trailing_options_are_read_from_the_end)
{
    struct bench *bench = bench_new(SESSION_RESP);
    const struct request *r = sent(bench, "get k LEVEL local MAXSTALE 50\r\n");
    EXPECT(r->level == LEVEL_LOCAL && r->max_stale_ms == 50 && r->arg_count == 1);
    r = sent(bench, "mget a b maxstale 1 level LOCAL\r\n");
    EXPECT(r->level == LEVEL_LOCAL && r->arg_count == 2);
    r = sent(bench, "set k v nx REQID 1700000000000-a_B-9 LEVEL linearizable\r\n");
    EXPECT(r->level == LEVEL_LINEARIZABLE && r->flags == REQUEST_NX && r->arg_count == 2);
    EXPECT(is(r->request_id, "1700000000000-a_B-9"));
    r = sent(bench, "lpop l 2 reqid 1-x\r\n");
    EXPECT(r->a == 2 && is(r->request_id, "1-x"));
    r = sent(bench, "dbsize level local\r\n");
    EXPECT(r->level == LEVEL_LOCAL);
    /* Not options: the command would be left without its own arguments. */
    r = sent(bench, "rpush LEVEL local\r\n");
    EXPECT(r->level == LEVEL_DEFAULT && is(r->args[0], "LEVEL"));
    r = sent(bench, "set LEVEL linearizable\r\n");
    EXPECT(is(r->args[0], "LEVEL"));
    bench_free(bench);
}

TEST(options_that_cannot_be_served_are_refused_by_name)
{
    struct bench *bench = bench_new(SESSION_RESP);
    EXPECT(bench_says(bench, "get k level quorum\r\n",
                      "-LEVEL 'quorum' is not possible; a read here can be: linearizable, "
                      "local\r\n"));
    EXPECT(bench_says(bench, "set k v level one\r\n",
                      "-LEVEL 'one' is not possible; a write here can be: linearizable\r\n"));
    EXPECT(bench_says(bench, "set k v level local\r\n",
                      "-LEVEL local is for reads; a write here can be: linearizable\r\n"));
    EXPECT(bench_says(bench, "get k reqid 1-a\r\n", "-ERR REQID is for writes\r\n"));
    EXPECT(bench_says(bench, "set k v maxstale 5\r\n", "-ERR MAXSTALE is for reads\r\n"));
    EXPECT(bench_says(bench, "get k maxstale 5\r\n", "-ERR MAXSTALE needs LEVEL local\r\n"));
    EXPECT(bench_says(bench, "get k level local maxstale 0\r\n",
                      "-ERR MAXSTALE must be a positive number of ms\r\n"));
    EXPECT(bench->node.submitted == 0);
    bench_free(bench);
}

TEST(request_ids_have_one_form)
{
    struct bench *bench = bench_new(SESSION_RESP);
    const char *error = "-ERR REQID must be <unix ms>-<1 to 40 of A-Z a-z 0-9 _ ->\r\n";
    const char *wrong[] = {"1700000000000",
                           "-a",
                           "1-",
                           "x-a",
                           "01-a",
                           "1-a.b",
                           "1-a/b",
                           "0-a",
                           "+1-a",
                           "1234567890123456-a",
                           "1-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char command[128];
        snprintf(command, sizeof command, "set k v reqid %s\r\n", wrong[i]);
        EXPECT(bench_says(bench, command, error));
    }
    const struct request *r =
        sent(bench, "set k v reqid 123456789012345-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
    EXPECT(r->request_id.size == REQUEST_ID_SIZE_MAX);
    bench_free(bench);
}

static void send_sized(struct bench *bench, size_t key_size, size_t value_size)
{
    struct buf text = {0};
    buf_append_format(&text, "*3\r\n$3\r\nSET\r\n$%zu\r\n", key_size);
    memset(buf_reserve(&text, key_size), 'k', key_size);
    buf_added(&text, key_size);
    buf_append_format(&text, "\r\n$%zu\r\n", value_size);
    memset(buf_reserve(&text, value_size), 'v', value_size);
    buf_added(&text, value_size);
    buf_append_text(&text, "\r\n");
    bench_send_bytes(bench, (const char *)buf_bytes(&text).data, buf_size(&text));
    buf_deinit(&text);
}

TEST(keys_and_values_hold_on_their_limits_and_one_past_them)
{
    struct bench *bench = bench_new(SESSION_RESP);
    send_sized(bench, KEY_SIZE_MAX, VALUE_SIZE_DEFAULT);
    EXPECT(bench->node.submitted == 1 && bench_got(bench, ""));
    fake_answer_status(&bench->node, 0, "OK");
    buf_clear(session_output(bench->session));
    send_sized(bench, KEY_SIZE_MAX + 1, 1);
    EXPECT(bench_got(bench, "-TOOBIG a key may have at most 16384 bytes\r\n"));
    send_sized(bench, 1, VALUE_SIZE_DEFAULT + 1);
    EXPECT(bench_got(bench, "-TOOBIG a value may have at most 2097152 bytes\r\n"));
    EXPECT(bench->node.submitted == 1);
    EXPECT(!session_wants_close(bench->session)); /* The stream is intact: nothing to close for. */
    bench_free(bench);
}

TEST(wrong_commands_are_refused_in_the_words_of_redis)
{
    struct bench *bench = bench_new(SESSION_RESP);
    EXPECT(bench_says(bench, "foo a b\r\n",
                      "-ERR unknown command 'foo', with args beginning with: 'a' 'b' \r\n"));
    EXPECT(bench_says(bench, "foo \"a\\r\\nb\"\r\n",
                      "-ERR unknown command 'foo', with args beginning with: 'a\\r\\nb' \r\n"));
    EXPECT(bench_says(bench, "GET\r\n", "-ERR wrong number of arguments for 'get' command\r\n"));
    EXPECT(
        bench_says(bench, "get a b\r\n", "-ERR wrong number of arguments for 'get' command\r\n"));
    EXPECT(bench_says(bench, "client id 1\r\n",
                      "-ERR wrong number of arguments for 'client|id' command\r\n"));
    EXPECT(bench_says(bench, "client nope\r\n", "-ERR unknown subcommand 'nope' of 'client'\r\n"));
    EXPECT(
        bench_says(bench, "client\r\n", "-ERR wrong number of arguments for 'client' command\r\n"));
    bench_free(bench);
}

/* Longer than any buffer on the way: cut, not overrun. */
TEST(a_giant_unknown_command_is_told_in_part)
{
    struct bench *bench = bench_new(SESSION_RESP);
    char text[4000];
    memset(text, 'x', sizeof text);
    memset(text + 1000, ' ', 1);
    text[2000] = ' ';
    memcpy(text + sizeof text - 2, "\r\n", 2);
    bench_send_bytes(bench, text, sizeof text);
    const struct bytes got = buf_bytes(session_output(bench->session));
    EXPECT(got.size > 128 && got.size < 512);
    EXPECT(memcmp(got.data, "-ERR unknown command 'xxx", 25) == 0);
    EXPECT(memcmp(got.data + got.size - 2, "\r\n", 2) == 0);
    bench_free(bench);
}

static bool answered_nil(struct bench *bench, const char *command, const char *printed)
{
    bench_send(bench, command);
    struct buf nil = {0};
    reply_nil(&nil);
    fake_answer(&bench->node, bench->node.submitted - 1, &nil);
    buf_deinit(&nil);
    return bench_got(bench, printed);
}

TEST(replies_take_the_form_their_command_gives_them)
{
    struct bench *bench = bench_new(SESSION_RESP);
    EXPECT(answered_nil(bench, "setnx k v\r\n", ":0\r\n"));
    bench_send(bench, "setnx k v\r\n");
    fake_answer_status(&bench->node, bench->node.submitted - 1, "OK");
    EXPECT(bench_got(bench, ":1\r\n"));
    EXPECT(answered_nil(bench, "lpop l\r\n", "$-1\r\n"));
    EXPECT(answered_nil(bench, "lpop l 2\r\n", "*-1\r\n"));
    bench_send(bench, "scan 0\r\n");
    struct buf reply = {0};
    reply_array(&reply, 2);
    reply_integer(&reply, 42);
    reply_array(&reply, 1);
    reply_bulk(&reply, bytes_of_text("k"));
    fake_answer(&bench->node, bench->node.submitted - 1, &reply);
    buf_deinit(&reply);
    EXPECT(bench_got(bench, "*2\r\n$2\r\n42\r\n*1\r\n$1\r\nk\r\n"));
    bench_free(bench);
}

TEST(the_connection_commands_answer)
{
    struct bench *bench = bench_new(SESSION_RESP);
    EXPECT(bench_says(bench, "PING\r\n", "+PONG\r\n"));
    EXPECT(bench_says(bench, "ping hi\r\n", "$2\r\nhi\r\n"));
    EXPECT(
        bench_says(bench, "ping a b\r\n", "-ERR wrong number of arguments for 'ping' command\r\n"));
    EXPECT(bench_says(bench, "echo \"a\\r\\n\"\r\n", "$3\r\na\r\n\r\n"));
    EXPECT(bench_says(bench, "select 0\r\n", "+OK\r\n"));
    EXPECT(bench_says(bench, "select 1\r\n", "-ERR DB index is out of range\r\n"));
    EXPECT(bench_says(bench, "hello 4\r\n", "-NOPROTO unsupported protocol version\r\n"));
    EXPECT(bench_says(bench, "hello x\r\n",
                      "-ERR Protocol version is not an integer or out of range\r\n"));
    EXPECT(bench_says(bench, "hello 3 auth a b\r\n",
                      "-ERR AUTH called, but this server has no users: connect without a "
                      "password\r\n"));
    EXPECT(bench_says(bench, "hello 3 setname\r\n",
                      "-ERR syntax error in HELLO option 'setname'\r\n"));
    bench_send(bench, "hello 3 setname app\r\n");
    buf_clear(session_output(bench->session));
    EXPECT(bench_says(bench, "client getname\r\n", "$3\r\napp\r\n"));
    EXPECT(bench_says(bench, "reset\r\n", "+RESET\r\n"));
    EXPECT(bench_says(bench, "client getname\r\n", "$-1\r\n"));
    EXPECT(bench_says(bench, "client setname \"a b\"\r\n",
                      "-ERR Client names cannot contain spaces, newlines or special characters, "
                      "and have at most 64 bytes\r\n"));
    EXPECT(bench_says(bench, "client setinfo lib-name redis-py\r\n", "+OK\r\n"));
    EXPECT(bench_says(bench, "client id\r\n", ":1\r\n"));
    EXPECT(bench_says(bench, "client no-evict on\r\n", "+OK\r\n"));
    EXPECT(bench_says(bench, "client tracking off\r\n", "+OK\r\n"));
    EXPECT(
        bench_says(bench, "client tracking on\r\n", "-ERR client tracking is not supported\r\n"));
    EXPECT(bench_says(bench, "time\r\n", "*2\r\n$10\r\n1700000000\r\n$6\r\n123000\r\n"));
    bench_free(bench);
}

static bool output_has(struct bench *bench, const char *command, const char *part)
{
    bench_send(bench, command);
    struct buf *output = session_output(bench->session);
    buf_append(output, bytes_of("", 1));
    const bool has = strstr((const char *)buf_bytes(output).data, part) != NULL;
    if (!has) {
        print_message("no %s in %s\n", part, (const char *)buf_bytes(output).data);
    }
    buf_clear(output);
    return has;
}

TEST(the_server_commands_answer)
{
    struct bench *bench = bench_new(SESSION_RESP);
    EXPECT(output_has(bench, "info\r\n", "\r\nredis_version:7.2.0\r\n"));
    EXPECT(output_has(bench, "info\r\n", "\r\nloading:0\r\n"));
    EXPECT(output_has(bench, "info\r\n", "\r\ncluster_enabled:0\r\n"));
    EXPECT(output_has(bench, "info server\r\n", "quorate_version:"));
    EXPECT(output_has(bench, "info replication\r\n", "role:master\r\n"));
    EXPECT(bench_says(bench, "info nosuch\r\n", "$0\r\n\r\n"));
    EXPECT(bench_says(bench, "config get save\r\n", "*2\r\n$4\r\nsave\r\n$0\r\n\r\n"));
    EXPECT(bench_says(bench, "config get dir po?t\r\n",
                      "*4\r\n$3\r\ndir\r\n$5\r\n/data\r\n$4\r\nport\r\n$4\r\n7480\r\n"));
    EXPECT(bench_says(bench, "config get nosuch\r\n", "*0\r\n"));
    EXPECT(output_has(bench, "config set a b\r\n", "-ERR CONFIG SET is not supported"));
    EXPECT(bench_says(bench, "config resetstat\r\n", "+OK\r\n"));
    EXPECT(output_has(bench, "client list\r\n", "id=1 addr=127.0.0.1:5000 name= "));
    bench_free(bench);
}

TEST(command_tells_the_table)
{
    struct bench *bench = bench_new(SESSION_RESP);
    EXPECT(bench_says(bench, "command getkeys mset a 1 b 2\r\n", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"));
    EXPECT(bench_says(bench, "command getkeys get\r\n",
                      "-ERR Invalid number of arguments specified for command\r\n"));
    EXPECT(
        bench_says(bench, "command getkeys ping\r\n", "-ERR The command has no key arguments\r\n"));
    EXPECT(bench_says(bench, "command info get nosuch\r\n",
                      "*2\r\n*10\r\n$3\r\nget\r\n:-2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n"
                      ":1\r\n*0\r\n*0\r\n*0\r\n*0\r\n*-1\r\n"));
    EXPECT(bench_says(bench, "command list filterby pattern l*n\r\n", "*1\r\n$4\r\nllen\r\n"));
    EXPECT(output_has(bench, "command docs get\r\n", "*2\r\n$3\r\nget\r\n*8\r\n$7\r\nsummary\r\n"));
    EXPECT(bench_says(bench, "command docs nosuch\r\n", "*0\r\n"));
    EXPECT(output_has(bench, "command docs client|list\r\n", "$11\r\nclient|list\r\n"));
    bench_free(bench);
}

TEST_MAIN(CASE(strings_become_requests),
          CASE(counters_become_increments),
          CASE(lists_become_requests),
          CASE(keys_become_requests),
          CASE(wrong_conditions_of_set_are_refused),
          CASE(trailing_options_are_read_from_the_end),
          CASE(options_that_cannot_be_served_are_refused_by_name),
          CASE(request_ids_have_one_form),
          CASE(keys_and_values_hold_on_their_limits_and_one_past_them),
          CASE(wrong_commands_are_refused_in_the_words_of_redis),
          CASE(a_giant_unknown_command_is_told_in_part),
          CASE(replies_take_the_form_their_command_gives_them),
          CASE(the_connection_commands_answer),
          CASE(the_server_commands_answer),
          CASE(command_tells_the_table))
