/* Every allocation of a RESP or HTTP conversation fails in turn: the process ends by abort and says
 * that it is out of memory; nothing is answered that lacks a part.
 */
#include "harness/failing_heap.h"
#include "unit/front/fake_node.h"

#include <unistd.h>

#define TIME_LIMIT_S 20

struct conversation {
    enum session_kind kind;
    const char *const *texts; /* Sent one after the other. */
    uint64_t fail_at;
};

static void answer_all(struct bench *bench)
{
    for (size_t i = 0; i < bench->node.submitted; i++) {
        if (bench->node.requests[i].request != NULL) {
            fake_answer_text(&bench->node, i, "an answer");
        }
    }
    session_resume(bench->session);
}

/* Leaves the output and the number of allocations to the parent. */
static int talk(void *context, int out_fd)
{
    const struct conversation *conversation = context;
    failing_heap_arm(conversation->fail_at);
    struct bench *bench = bench_new(conversation->kind);
    bench->node.status.booted = true;
    bench->node.status.peer_count = 3;
    for (size_t i = 0; conversation->texts[i] != NULL; i++) {
        bench_send(bench, conversation->texts[i]);
        for (int round = 0; round < 4; round++) {
            answer_all(bench);
        }
    }
    const struct bytes output = buf_bytes(session_output(bench->session));
    bool is_told = write(out_fd, output.data, output.size) == (ssize_t)output.size;
    bench_free(bench);
    is_told = is_told && write(out_fd, &failing_heap.count, sizeof failing_heap.count) ==
                             (ssize_t)sizeof failing_heap.count;
    return is_told ? 0 : 1;
}

/* Returns how many allocations there were. */
static uint64_t fail_every(struct conversation conversation)
{
    struct child_result result;
    child_run(talk, &conversation, TIME_LIMIT_S, &result);
    uint64_t count = 0;
    REQUIRE(result.code == 0 && buf_size(&result.out) > sizeof count);
    buf_trim(&result.out, buf_size(&result.out) - sizeof count);
    memcpy(&count, buf_bytes(&result.out).data, sizeof count);
    child_result_deinit(&result);
    for (uint64_t at = 1; at <= count; at++) {
        conversation.fail_at = at;
        child_run(talk, &conversation, TIME_LIMIT_S, &result);
        REQUIRE(failing_heap_stopped(&result));
        REQUIRE(buf_size(&result.out) == 0);
        child_result_deinit(&result);
    }
    print_message("# %llu allocations, each of them failed\n", (unsigned long long)count);
    return count;
}

TEST(a_resp_conversation_out_of_memory_ends_the_process_with_its_message)
{
    static char big[200 * 1024];
    const int head = snprintf(big, sizeof big, "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$150000\r\n");
    memset(big + head, 'x', 150000);
    (void)snprintf(big + head + 150000, 16, "\r\n");
    const char *const texts[] = {"set a 1\r\nget a\r\nping\r\n",
                                 "mget a b c d e f g h i j k l m n o p\r\n",
                                 "hello 3\r\nclient list\r\ninfo\r\ncommand\r\n",
                                 "get a\r\nget b\r\nget c\r\nget d\r\nget e\r\nget f\r\nget g\r\n",
                                 "rpush l a b c\r\nlrange l 0 -1\r\nscan 0\r\n",
                                 "nonsense\r\nset a\r\nset a b lots of options\r\n",
                                 big,
                                 "quit\r\n",
                                 NULL};
    EXPECT(fail_every((struct conversation){.kind = SESSION_RESP, .texts = texts}) > 40);
}

/* The pages are made by jansson, which would leave out what it has no memory for. */
TEST(a_http_conversation_out_of_memory_ends_the_process_with_its_message)
{
    const char *const texts[] = {"GET /status HTTP/1.1\r\nHost: a\r\n\r\n",
                                 "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n",
                                 "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n",
                                 "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
                                 "GET nonsense\r\n\r\n",
                                 NULL};
    EXPECT(fail_every((struct conversation){.kind = SESSION_HTTP, .texts = texts}) > 150);
}

TEST_MAIN(CASE(a_resp_conversation_out_of_memory_ends_the_process_with_its_message),
          CASE(a_http_conversation_out_of_memory_ends_the_process_with_its_message))
