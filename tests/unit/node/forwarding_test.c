/* Requests sent on to the leader: copies, restarts, a leader that is none any more. */
#include "base/os/heap.h"
#include "harness/node_world.h"
#include "node/node_private.h"

/* Keeps a copy of the newest FORWARD and lets through what `verdict` says. */
struct tap {
    enum peer_message_type type;
    enum world_verdict verdict;
    struct world_message *copy;
};

static enum world_verdict tap_judge(struct world *world, const struct world_message *message)
{
    struct tap *tap = world->judge_context;
    if (world_message_type(message) != tap->type) {
        return WORLD_PASS;
    }
    heap_free(tap->copy);
    tap->copy = heap_alloc_raw(sizeof *tap->copy + message->size);
    memcpy(tap->copy, message, sizeof *message + message->size);
    return tap->verdict;
}

static void tap_open(struct world *world,
                     struct tap *tap,
                     enum peer_message_type type,
                     enum world_verdict verdict)
{
    *tap = (struct tap){.type = type, .verdict = verdict};
    world->judge = tap_judge;
    world->judge_context = tap;
}

static int64_t read_counter(struct world *world, node_id id)
{
    struct answer answer = {0};
    answer_get(world, id, &answer, "n");
    answer_wait(world, &answer);
    const int64_t value = answer.item.kind == REPLY_BULK ? answer.item.bytes.data[0] - '0' : 0;
    REQUIRE(answer.item.kind == REPLY_NIL || answer.item.bytes.size == 1);
    answer_deinit(&answer);
    return value;
}

/* Resigns leaders until `wanted` leads. */
static void make_leader(struct world *world, node_id wanted)
{
    for (int i = 0; i < 500; i++) {
        const node_id leader = world_settle(world);
        if (leader == wanted) {
            return;
        }
        struct raft *raft = (struct raft *)(uintptr_t)node_raft(world->places[leader].node);
        (void)raft_transfer(raft, world->now_ms, wanted);
        world_run_for(world, 30);
    }
    test_failed("the wanted node leads", __FILE__, __LINE__);
}

TEST(a_follower_answers_what_the_leader_did)
{
    struct world world;
    struct answer answer = {0};
    world_open(&world, 3);
    const node_id leader = world_settle(&world);
    const node_id follower = world_other(&world, leader, leader);
    answer_set(&world, follower, &answer, "cat", "tom");
    answer_wait(&world, &answer);
    EXPECT(answer.item.kind == REPLY_STATUS);
    answer_get(&world, follower, &answer, "cat");
    answer_wait(&world, &answer);
    EXPECT(bytes_equal(answer.item.bytes, bytes_of_text("tom")));
    struct node_status status;
    node_status(world.places[follower].node, &status);
    EXPECT(status.forwarded == 2 && status.waiting == 0);
    answer_deinit(&answer);
    world_close(&world);
}

TEST(a_repeated_forward_is_executed_once)
{
    struct world world;
    struct answer answer = {0};
    struct tap tap;
    world_open(&world, 3);
    const node_id leader = world_settle(&world);
    const node_id follower = world_other(&world, leader, leader);
    tap_open(&world, &tap, PEER_FORWARD, WORLD_TWICE);
    answer_increment(&world, follower, &answer, "n", "");
    answer_wait(&world, &answer);
    EXPECT(answer.item.integer == 1);
    /* And once more, much later. */
    world_run_for(&world, 2000);
    world_post(&world, tap.copy, world.now_ms + 1);
    world_run_for(&world, 100);
    EXPECT(answer.count == 1);
    EXPECT(read_counter(&world, leader) == 1);
    heap_free(tap.copy);
    answer_deinit(&answer);
    world_close(&world);
}

TEST(a_forward_to_an_earlier_incarnation_is_refused)
{
    struct world world;
    struct answer answer = {0};
    struct tap tap;
    world_open(&world, 3);
    const node_id leader = world_settle(&world);
    const node_id follower = world_other(&world, leader, leader);
    tap_open(&world, &tap, PEER_FORWARD, WORLD_DROP);
    answer_increment(&world, follower, &answer, "n", "");
    world_run_for(&world, 10);
    EXPECT(tap.copy != NULL && answer.count == 0);
    world.judge = NULL;
    world_crash(&world, leader, 0);
    /* The connection broke: nobody can tell what became of it. */
    EXPECT(answer_starts(&answer, "OUTCOMEUNKNOWN - "));
    world_start(&world, leader);
    make_leader(&world, leader);
    world_post(&world, tap.copy, world.now_ms + 1);
    world_run_for(&world, 500);
    EXPECT(read_counter(&world, follower) == 0);
    heap_free(tap.copy);
    answer_deinit(&answer);
    world_close(&world);
}

TEST(a_forward_from_an_earlier_incarnation_is_refused)
{
    struct world world;
    struct answer answer = {0};
    struct tap tap;
    world_open(&world, 3);
    const node_id leader = world_settle(&world);
    const node_id follower = world_other(&world, leader, leader);
    tap_open(&world, &tap, PEER_FORWARD, WORLD_DROP);
    answer_increment(&world, follower, &answer, "n", "");
    world_run_for(&world, 10);
    world.judge = NULL;
    world_crash(&world, follower, 0);
    world_start(&world, follower);
    make_leader(&world, leader);
    world_run_for(&world, 200);
    world_post(&world, tap.copy, world.now_ms + 1);
    world_run_for(&world, 500);
    EXPECT(read_counter(&world, follower) == 0);
    heap_free(tap.copy);
    answer_deinit(&answer);
    world_close(&world);
}

TEST(a_forward_that_meets_no_leader_is_tried_again_and_done_once)
{
    struct world world;
    struct answer answer = {0};
    struct tap tap;
    world_open(&world, 3);
    const node_id first = world_settle(&world);
    const node_id follower = world_other(&world, first, first);
    const node_id second = world_other(&world, first, follower);
    tap_open(&world, &tap, PEER_FORWARD, WORLD_DROP);
    answer_increment(&world, follower, &answer, "n", "");
    world_run_for(&world, 1);
    EXPECT(tap.copy != NULL);
    world.judge = NULL;
    make_leader(&world, second);
    EXPECT(answer.count == 0);
    /* Only now it arrives: RETRY comes back, and the asker finds the new leader. */
    world_post(&world, tap.copy, world.now_ms + 1);
    answer_wait(&world, &answer);
    EXPECT(answer.item.integer == 1);
    EXPECT(read_counter(&world, follower) == 1);
    heap_free(tap.copy);
    answer_deinit(&answer);
    world_close(&world);
}

struct count {
    node_id from;
    int forwards;
};

static enum world_verdict count_forwards(struct world *world, const struct world_message *message)
{
    struct count *count = world->judge_context;
    count->forwards +=
        world_message_type(message) == PEER_FORWARD && message->from == count->from ? 1 : 0;
    return WORLD_PASS;
}

TEST(a_node_that_leads_no_more_does_not_pass_a_forward_on)
{
    struct world world;
    struct answer answer = {0};
    struct tap tap;
    world_open(&world, 3);
    const node_id first = world_settle(&world);
    const node_id follower = world_other(&world, first, first);
    tap_open(&world, &tap, PEER_FORWARD, WORLD_DROP);
    answer_increment(&world, follower, &answer, "n", "");
    world_run_for(&world, 1);
    struct count count = {.from = first};
    world.judge = count_forwards;
    world.judge_context = &count;
    make_leader(&world, world_other(&world, first, follower));
    world_post(&world, tap.copy, world.now_ms + 1);
    answer_wait(&world, &answer);
    /* Two nodes that took each other for the leader would play it to and fro. */
    EXPECT(count.forwards == 0);
    EXPECT(answer.item.integer == 1);
    heap_free(tap.copy);
    answer_deinit(&answer);
    world_close(&world);
}

TEST(a_message_of_another_cluster_is_ignored)
{
    struct world world;
    struct answer answer = {0};
    struct tap tap;
    world_open(&world, 3);
    const node_id leader = world_settle(&world);
    tap_open(&world, &tap, PEER_FORWARD, WORLD_DROP);
    answer_increment(&world, world_other(&world, leader, leader), &answer, "n", "");
    world_run_for(&world, 1);
    world.judge = NULL;
    tap.copy->cluster_id ^= 1;
    world_post(&world, tap.copy, world.now_ms + 1);
    world_run_for(&world, 100);
    EXPECT(read_counter(&world, leader) == 0);
    tap.copy->cluster_id ^= 1;
    world_post(&world, tap.copy, world.now_ms + 1);
    world_run_for(&world, 100);
    EXPECT(read_counter(&world, leader) == 1);
    heap_free(tap.copy);
    answer_deinit(&answer);
    world_close(&world);
}

TEST(a_late_copy_of_retry_changes_nothing)
{
    struct world world;
    struct answer answer = {0};
    struct tap tap;
    world_open(&world, 3);
    const node_id first = world_settle(&world);
    const node_id follower = world_other(&world, first, first);
    const node_id second = world_other(&world, first, follower);
    tap_open(&world, &tap, PEER_FORWARD, WORLD_DROP);
    answer_increment(&world, follower, &answer, "n", "");
    world_run_for(&world, 1);
    world.judge = NULL;
    make_leader(&world, second);
    world_post(&world, tap.copy, world.now_ms + 1);
    heap_free(tap.copy);
    tap_open(&world, &tap, PEER_FORWARD_REPLY, WORLD_TWICE);
    world.delay_max_ms = 40;
    answer_wait(&world, &answer);
    world_run_for(&world, 200);
    EXPECT(answer.count == 1 && answer.item.integer == 1);
    EXPECT(read_counter(&world, follower) == 1);
    heap_free(tap.copy);
    answer_deinit(&answer);
    world_close(&world);
}

/* Sends node `to` a reply to whatever the tapped FORWARD asked. */
static void forge_reply(struct world *world, const struct world_message *forward, uint8_t status)
{
    struct buf body = {0};
    const struct peer_header header = {
        .type = PEER_FORWARD_REPLY,
        .from_incarnation = world->places[forward->to].node->identity.incarnation,
        .to_incarnation = world->places[forward->from].node->identity.incarnation};
    struct writer w = writer_of(buf_reserve(&body, PEER_HEADER_SIZE), PEER_HEADER_SIZE);
    peer_header_write(&w, &header);
    buf_added(&body, PEER_HEADER_SIZE);
    buf_append(&body, bytes_of(forward->body + PEER_HEADER_SIZE, 8));
    buf_append_uint(&body, status, 1);
    node_receive(world->places[forward->from].node, forward->to, forward->cluster_id,
                 buf_bytes(&body));
    buf_deinit(&body);
}

TEST(a_reply_of_unknown_status_is_not_taken_for_not_done)
{
    struct world world;
    struct answer answer = {0};
    struct tap tap;
    world_open(&world, 3);
    const node_id leader = world_settle(&world);
    const node_id follower = world_other(&world, leader, leader);
    tap_open(&world, &tap, PEER_FORWARD, WORLD_DROP);
    answer_increment(&world, follower, &answer, "n", "");
    world_run_for(&world, 1);
    world.judge = NULL;
    forge_reply(&world, tap.copy, FORWARD_REFUSED + 1);
    world_run_for(&world, 200);
    EXPECT(answer.count == 0);
    world_run_for(&world, 5000);
    EXPECT(answer_starts(&answer, "OUTCOMEUNKNOWN - "));
    EXPECT(read_counter(&world, follower) == 0);
    heap_free(tap.copy);
    answer_deinit(&answer);
    world_close(&world);
}

static void refuse_all_on_three(const struct world_place *place, struct node_options *options)
{
    options->parked_max = place->id == 3 ? 0 : options->parked_max;
}

TEST(a_refusal_by_the_leader_is_passed_on_at_once)
{
    struct world world;
    struct answer answer = {0};
    world_open(&world, 3);
    world_settle(&world);
    world.tweak = refuse_all_on_three;
    world_crash(&world, 3, 0);
    world_start(&world, 3);
    make_leader(&world, 3);
    world_run_for(&world, 100);
    answer_increment(&world, 2, &answer, "n", "");
    world_run_for(&world, 100);
    EXPECT(answer_starts(&answer, "BUSY too many requests are in flight"));
    answer_deinit(&answer);
    world_close(&world);
}

TEST(a_second_try_that_is_refused_does_not_make_the_first_undone)
{
    struct world world;
    struct answer answer = {0};
    struct tap tap;
    world_open(&world, 3);
    world_settle(&world);
    world.tweak = refuse_all_on_three;
    world_crash(&world, 3, 0);
    world_start(&world, 3);
    make_leader(&world, 1);
    /* Node 1 does it, but its answer does not arrive, and then it is gone. */
    tap_open(&world, &tap, PEER_FORWARD_REPLY, WORLD_DROP);
    char id[40];
    (void)snprintf(id, sizeof id, "%llu-x", (unsigned long long)world_wall(&world.places[1]));
    answer_increment(&world, 2, &answer, "n", id);
    world_run_for(&world, 200);
    EXPECT(answer.count == 0);
    world.judge = NULL;
    /* Node 2 tries again, for there is an id, and finds node 3, which takes nothing. */
    world_cut(&world, 2, 1, true);
    struct raft *raft = (struct raft *)(uintptr_t)node_raft(world.places[1].node);
    (void)raft_transfer(raft, world.now_ms, 3);
    world_run_for(&world, 5);
    node_peer_changed(world.places[2].node, 1, false);
    answer_wait(&world, &answer);
    EXPECT(answer_starts(&answer, "OUTCOMEUNKNOWN "));
    heap_free(tap.copy);
    answer_deinit(&answer);
    world_close(&world);
}

TEST(a_node_that_stops_does_not_say_nothing_was_done_of_what_is_in_doubt)
{
    struct world world;
    struct answer answer = {0};
    world_open(&world, 3);
    const node_id leader = world_settle(&world);
    const node_id follower = world_other(&world, leader, leader);
    char id[40];
    (void)snprintf(id, sizeof id, "%llu-x", (unsigned long long)world_wall(&world.places[1]));
    answer_increment(&world, follower, &answer, "n", id);
    world_run_for(&world, 2); /* On its way. */
    world_crash(&world, leader, 0);
    EXPECT(answer.count == 0); /* Waits for another leader. */
    world_crash(&world, follower, 0);
    EXPECT(answer_starts(&answer, "OUTCOMEUNKNOWN "));
    answer_deinit(&answer);
    world_close(&world);
}

TEST(a_reply_that_fits_no_frame_is_said_to_be_too_big)
{
    struct world world;
    struct answer answer = {0};
    world_open(&world, 3);
    const node_id leader = world_settle(&world);
    const node_id follower = world_other(&world, leader, leader);
    uint8_t *value = heap_alloc(VALUE_SIZE_DEFAULT);
    const struct bytes args[] = {bytes_of_text("n"), bytes_of(value, VALUE_SIZE_DEFAULT)};
    answer_ask(&world, leader, &answer,
               (struct request){.op = OP_SET, .args = args, .arg_count = 2}, 0);
    answer_wait(&world, &answer);
    heap_free(value);
    struct bytes keys[21];
    for (size_t i = 0; i < 21; i++) {
        keys[i] = bytes_of_text("n");
    }
    for (size_t count = 19; count <= 21; count += 2) {
        answer_ask(&world, follower, &answer,
                   (struct request){.op = OP_MGET, .args = keys, .arg_count = count}, 0);
        answer_wait(&world, &answer);
        EXPECT(count == 19 ? answer.item.kind == REPLY_ARRAY : answer_starts(&answer, "TOOBIG "));
    }
    answer_deinit(&answer);
    world_close(&world);
}

TEST_MAIN(CASE(a_follower_answers_what_the_leader_did),
          CASE(a_repeated_forward_is_executed_once),
          CASE(a_forward_to_an_earlier_incarnation_is_refused),
          CASE(a_forward_from_an_earlier_incarnation_is_refused),
          CASE(a_forward_that_meets_no_leader_is_tried_again_and_done_once),
          CASE(a_node_that_leads_no_more_does_not_pass_a_forward_on),
          CASE(a_message_of_another_cluster_is_ignored),
          CASE(a_late_copy_of_retry_changes_nothing),
          CASE(a_reply_of_unknown_status_is_not_taken_for_not_done),
          CASE(a_refusal_by_the_leader_is_passed_on_at_once),
          CASE(a_second_try_that_is_refused_does_not_make_the_first_undone),
          CASE(a_node_that_stops_does_not_say_nothing_was_done_of_what_is_in_doubt),
          CASE(a_reply_that_fits_no_frame_is_said_to_be_too_big))
