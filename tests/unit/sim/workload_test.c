/* sim/workload: what clients ask for is unique where checkers need it, and every answer is read for
 * what it means. */
#include "harness/test.h"
#include "sim/workload.h"

#include <string.h>

#define DRAWS      3000
#define VALUES_MAX 6000

static void open_workload(struct workload *workload, uint64_t seed)
{
    struct sim_options options = {0};
    sim_options_plain(&options, seed);
    options.keys_per_class = 3;
    workload_init(workload, seed, &options);
}

static struct resp_reply reply_of(enum resp_kind kind, const char *text, int64_t integer)
{
    return (struct resp_reply){.kind = kind, .text = bytes_of_text(text), .integer = integer};
}

static struct answer answer_of(const struct operation *operation, struct resp_reply reply)
{
    struct answer answer;
    REQUIRE(operation_answer(operation, &reply, &answer));
    return answer;
}

static bool is_refused(const struct operation *operation, struct resp_reply reply)
{
    struct answer answer;
    return !operation_answer(operation, &reply, &answer);
}

TEST(the_same_seed_draws_the_same_operations)
{
    static struct workload workloads[3];
    static struct operation operations[3];
    int different = 0;
    for (size_t i = 0; i < 3; i++) {
        open_workload(&workloads[i], i == 2 ? 8 : 7);
    }
    for (int n = 0; n < DRAWS; n++) {
        struct buf bytes[3] = {{0}};
        for (size_t i = 0; i < 3; i++) {
            workload_draw(&workloads[i], &operations[i], 1, 1000);
            operation_encode(&operations[i], &bytes[i]);
        }
        EXPECT(bytes_equal(buf_bytes(&bytes[0]), buf_bytes(&bytes[1])));
        different += !bytes_equal(buf_bytes(&bytes[0]), buf_bytes(&bytes[2]));
        for (size_t i = 0; i < 3; i++) {
            buf_deinit(&bytes[i]);
        }
    }
    EXPECT(different > DRAWS / 2);
    for (size_t i = 0; i < 3; i++) {
        workload_deinit(&workloads[i]);
    }
}

/* Values end with a byte that occurs nowhere else in them before padding, so that none is the
 * beginning of another one, and only the register they were drawn for is said to hold them. */
TEST(values_are_unique_and_belong_to_one_register)
{
    static struct workload workload;
    static struct operation operation;
    static bool seen[VALUES_MAX];
    memset(seen, 0, sizeof seen);
    open_workload(&workload, 3);
    int written = 0;
    for (int n = 0; n < DRAWS; n++) {
        workload_draw(&workload, &operation, 1, 1000);
        const bool writes = operation.kind == HISTORY_WRITE || operation.kind == HISTORY_CAS;
        if (operation.class != KEY_REGISTER || !writes || !operation_is_judged(&operation)) {
            continue;
        }
        written++;
        operation.argument[operation.argument_size] = '\0';
        const char *end = strchr(operation.argument, '.');
        int64_t number = 0;
        EXPECT(operation.argument[0] == 'v' && end != NULL);
        EXPECT(bytes_to_int64(
            bytes_of(operation.argument + 1, (size_t)(end - operation.argument) - 1), &number));
        EXPECT(number >= 0 && number < VALUES_MAX && !seen[number]);
        seen[number] = true;
        const struct bytes value = bytes_of(operation.argument, operation.argument_size);
        EXPECT(workload_wrote(&workload, operation.key, value));
        EXPECT(!workload_wrote(&workload, strcmp(operation.key, "r0") == 0 ? "r1" : "r0", value));
    }
    EXPECT(written > 100);
    EXPECT(!workload_wrote(&workload, "r0", bytes_of_text("v999999.")));
    EXPECT(!workload_wrote(&workload, "r0", bytes_of_text("w1.")));
    EXPECT(!workload_wrote(&workload, "r0", bytes_of_text("v1")));
    EXPECT(!workload_wrote(&workload, "r0", bytes_of(NULL, 0)));
    workload_deinit(&workload);
}

TEST(every_key_has_one_closing_read)
{
    static struct workload workload;
    static struct operation operation;
    static const char *const keys[] = {"r0", "r1", "r2", "a0", "a1", "a2",
                                       "l0", "l1", "l2", "c0", "c1", "c2"};
    open_workload(&workload, 5);
    EXPECT(workload_key_count(&workload) == 12);
    for (uint32_t i = 0; i < 12; i++) {
        workload_closing(&workload, &operation, i);
        EXPECT(strcmp(operation.key, keys[i]) == 0);
        EXPECT(workload_key(&workload, operation.key) == i);
        EXPECT(operation.kind == (i >= 6 && i < 9 ? HISTORY_RANGE : HISTORY_READ));
        EXPECT(operation.is_closing && !operation.is_local && operation_is_judged(&operation));
    }
    workload_deinit(&workload);
}

TEST(an_operation_is_written_with_all_it_carries)
{
    static struct operation operation;
    memset(&operation, 0, sizeof operation);
    operation.kind = HISTORY_CAS;
    memcpy(operation.key, "r1", 3);
    operation.argument_size = 3;
    memcpy(operation.argument, "v2.", 3);
    operation.expected_size = 3;
    memcpy(operation.expected, "v1.", 3);
    memcpy(operation.request_id, "9-c1-4", 7);
    struct buf out = {0};
    operation_encode(&operation, &out);
    EXPECT(bytes_equal(buf_bytes(&out),
                       bytes_of_text("*7\r\n$3\r\nSET\r\n$2\r\nr1\r\n$3\r\nv2.\r\n$4\r\nIFEQ\r\n"
                                     "$3\r\nv1.\r\n$5\r\nREQID\r\n$6\r\n9-c1-4\r\n")));
    buf_clear(&out);
    memset(&operation, 0, sizeof operation);
    operation.kind = HISTORY_RANGE;
    operation.is_local = true;
    memcpy(operation.key, "l0", 3);
    operation_encode(&operation, &out);
    EXPECT(bytes_equal(buf_bytes(&out),
                       bytes_of_text("*6\r\n$6\r\nLRANGE\r\n$2\r\nl0\r\n$1\r\n0\r\n$2\r\n-1\r\n"
                                     "$5\r\nLEVEL\r\n$5\r\nlocal\r\n")));
    EXPECT(!operation_is_judged(&operation));
    buf_deinit(&out);
}

TEST(errors_say_failed_only_where_they_promise_that)
{
    static struct operation operation;
    memset(&operation, 0, sizeof operation);
    operation.kind = HISTORY_WRITE;
    static const char *const promises[] = {"CLUSTERDOWN x", "BUSY x",  "TRYAGAIN x", "LOADING x",
                                           "NOREPLICAS x",  "STALE x", "STOPPED x"};
    for (size_t i = 0; i < sizeof promises / sizeof promises[0]; i++) {
        const struct answer answer = answer_of(&operation, reply_of(RESP_ERROR, promises[i], 0));
        EXPECT(answer.outcome == HISTORY_FAILED && !answer.expired);
    }
    EXPECT(answer_of(&operation, reply_of(RESP_ERROR, "OUTCOMEUNKNOWN x", 0)).outcome ==
           HISTORY_UNKNOWN);
    EXPECT(answer_of(&operation, reply_of(RESP_ERROR, "REQIDEXPIRED x", 0)).expired);
    EXPECT(is_refused(&operation, reply_of(RESP_ERROR, "ERR what", 0)));
    EXPECT(is_refused(&operation, reply_of(RESP_ERROR, "BUSYBODY", 0)));
}

TEST(replies_of_another_form_are_refused)
{
    static struct operation operation;
    static const enum resp_kind kinds[] = {RESP_STATUS, RESP_INTEGER, RESP_BULK, RESP_NIL,
                                           RESP_ARRAY};
    static const bool right[HISTORY_KINDS][5] = {
        [HISTORY_READ] = {false, false, true, true, false},
        [HISTORY_WRITE] = {true, false, false, false, false},
        [HISTORY_CAS] = {true, false, false, true, false},
        [HISTORY_DELETE] = {false, true, false, false, false},
        [HISTORY_APPEND] = {false, true, false, false, false},
        [HISTORY_PUSH] = {false, true, false, false, false},
        [HISTORY_RANGE] = {false, false, false, false, true},
        [HISTORY_INCR] = {false, true, false, false, false}};
    for (size_t kind = 0; kind < HISTORY_KINDS; kind++) {
        memset(&operation, 0, sizeof operation);
        operation.kind = (enum history_kind)kind;
        for (size_t i = 0; i < 5; i++) {
            EXPECT(is_refused(&operation, reply_of(kinds[i], "7", 7)) == !right[kind][i]);
        }
    }
    memset(&operation, 0, sizeof operation);
    operation.kind = HISTORY_CAS;
    EXPECT(
        bytes_equal(answer_of(&operation, reply_of(RESP_NIL, "", -1)).result, bytes_of_text("0")));
    EXPECT(bytes_equal(answer_of(&operation, reply_of(RESP_STATUS, "OK", 0)).result,
                       bytes_of_text("1")));
    operation.kind = HISTORY_READ;
    EXPECT(answer_of(&operation, reply_of(RESP_NIL, "", -1)).absent);
    EXPECT(!answer_of(&operation, reply_of(RESP_BULK, "", 0)).absent);
}

TEST_MAIN(CASE(the_same_seed_draws_the_same_operations),
          CASE(values_are_unique_and_belong_to_one_register),
          CASE(every_key_has_one_closing_read),
          CASE(an_operation_is_written_with_all_it_carries),
          CASE(errors_say_failed_only_where_they_promise_that),
          CASE(replies_of_another_form_are_refused))
