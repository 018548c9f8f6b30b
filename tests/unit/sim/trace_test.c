/* sim/trace: every kind of message between nodes is told in words. */
#include "harness/test.h"
#include "node/peer_message.h"
#include "sim/world.h"

static void begin(struct buf *out, enum peer_message_type type)
{
    struct writer w = writer_of(buf_reserve(out, PEER_HEADER_SIZE), PEER_HEADER_SIZE);
    const struct peer_header header = {.type = type, .from_incarnation = 1, .to_incarnation = 2};
    peer_header_write(&w, &header);
    buf_added(out, PEER_HEADER_SIZE);
}

/* True when the body is described by this text. */
static bool says(struct buf *body, const char *wanted)
{
    struct buf text = {0};
    trace_describe(buf_bytes(body), &text);
    const bool equal = bytes_equal(buf_bytes(&text), bytes_of_text(wanted));
    if (!equal) {
        (void)printf("# %.*s\n", (int)buf_size(&text), (const char *)buf_bytes(&text).data);
    }
    buf_deinit(&text);
    buf_deinit(body);
    return equal;
}

static bool raft_says(struct raft_message message, const char *wanted)
{
    struct buf body = {0};
    message.from = 1;
    message.to = 2;
    begin(&body, PEER_RAFT);
    buf_append_uint(&body, 1, 4);
    struct writer w = writer_of(buf_reserve(&body, 4096), 4096);
    raft_message_encode(&message, &w);
    for (uint32_t i = 0; i < message.entry_count; i++) {
        const struct raft_entry entry = {.term = message.term, .kind = RAFT_ENTRY_NOOP};
        raft_entry_encode_header(&entry, &w);
    }
    buf_added(&body, writer_size(&w));
    return says(&body, wanted);
}

TEST(elections_are_told)
{
    EXPECT(raft_says(
        (struct raft_message){
            .kind = RAFT_MSG_PRE_VOTE, .term = 4, .prev_index = 17, .prev_term = 3},
        "pre-vote term 4 log ends at 17/3"));
    EXPECT(raft_says(
        (struct raft_message){
            .kind = RAFT_MSG_VOTE, .term = 4, .prev_index = 17, .prev_term = 3, .forced = true},
        "vote term 4 log ends at 17/3, told to by the leader"));
    EXPECT(raft_says((struct raft_message){.kind = RAFT_MSG_VOTE_REPLY, .term = 4},
                     "vote reply term 4 yes"));
    EXPECT(
        raft_says((struct raft_message){.kind = RAFT_MSG_PRE_VOTE_REPLY, .term = 4, .reject = true},
                  "pre-vote reply term 4 no"));
    EXPECT(raft_says((struct raft_message){.kind = RAFT_MSG_TIMEOUT_NOW, .term = 4},
                     "hand-over: stand for election now term 4"));
}

TEST(replication_is_told)
{
    EXPECT(raft_says((struct raft_message){.kind = RAFT_MSG_APPEND,
                                           .term = 3,
                                           .prev_index = 17,
                                           .prev_term = 2,
                                           .entry_count = 40,
                                           .commit = 16},
                     "append term 3 prev 17/2 entries 40 commit 16"));
    EXPECT(raft_says((struct raft_message){.kind = RAFT_MSG_APPEND_REPLY, .term = 3, .index = 21},
                     "append reply term 3 has up to 21"));
    EXPECT(raft_says((struct raft_message){.kind = RAFT_MSG_APPEND_REPLY,
                                           .term = 3,
                                           .index = 21,
                                           .reject = true,
                                           .hint_index = 15,
                                           .hint_term = 2},
                     "append reply term 3 refused after 21, try 15/2"));
    EXPECT(raft_says(
        (struct raft_message){
            .kind = RAFT_MSG_HEARTBEAT, .term = 3, .commit = 15, .index = 16, .context = 8},
        "heartbeat term 3 commit 15 (leader's 16) read round 8"));
    EXPECT(
        raft_says((struct raft_message){.kind = RAFT_MSG_HEARTBEAT_REPLY, .term = 3, .context = 8},
                  "heartbeat reply term 3 read round 8"));
}

TEST(forwarded_requests_are_told)
{
    struct buf body = {0};
    begin(&body, PEER_FORWARD);
    buf_append_uint(&body, 7, 8);
    buf_append_uint(&body, 900, 4);
    buf_append_text(&body, "abc");
    EXPECT(says(&body, "forwards request 7 of 3 bytes, 900 ms left"));
    begin(&body, PEER_FORWARD_REPLY);
    buf_append_uint(&body, 7, 8);
    buf_append_uint(&body, FORWARD_RETRY, 1);
    EXPECT(says(&body, "answers request 7: not done, ask elsewhere, 0 bytes"));
    begin(&body, PEER_FORWARD_REPLY);
    buf_append_uint(&body, 7, 8);
    buf_append_uint(&body, 99, 1);
    EXPECT(says(&body, "answers request 7: ?, 0 bytes"));
}

TEST(snapshots_are_told)
{
    struct buf body = {0};
    const struct snapshot_chunk chunk = {
        .group = 1, .term = 5, .id = 2, .index = 120, .index_term = 4, .sequence = 3, .last = true};
    begin(&body, PEER_SNAPSHOT_CHUNK);
    struct writer w = writer_of(buf_reserve(&body, 100), 100);
    snapshot_chunk_write(&w, &chunk);
    buf_added(&body, writer_size(&w));
    buf_append_text(&body, "abcd");
    EXPECT(says(&body, "snapshot 2 part 3, the last, term 5 up to 120/4, 4 bytes"));
    static const char *const REPLIES[] = {"snapshot 2 reply: send part 4",
                                          "snapshot 2 reply: installed",
                                          "snapshot 2 reply: refused"};
    for (int i = 0; i < 3; i++) {
        const struct snapshot_ack ack = {
            .group = 1, .id = 2, .next_sequence = 4, .status = (enum snapshot_status)i};
        begin(&body, PEER_SNAPSHOT_ACK);
        w = writer_of(buf_reserve(&body, 100), 100);
        snapshot_ack_write(&w, &ack);
        buf_added(&body, writer_size(&w));
        EXPECT(says(&body, REPLIES[i]));
    }
}

TEST(malformed_bodies_are_told_as_such)
{
    struct buf body = {0};
    EXPECT(says(&body, "malformed message, 0 bytes"));
    buf_append_text(&body, "bla");
    EXPECT(says(&body, "malformed message, 3 bytes"));
    begin(&body, PEER_RAFT);
    EXPECT(says(&body, "malformed message of Raft"));
    begin(&body, PEER_RAFT);
    buf_append_text(&body, "\1\0\0\0 a raft message this is not");
    EXPECT(says(&body, "malformed message of Raft"));
    begin(&body, PEER_HELLO);
    EXPECT(says(&body, "hello"));
}

TEST_MAIN(CASE(elections_are_told),
          CASE(replication_is_told),
          CASE(forwarded_requests_are_told),
          CASE(snapshots_are_told),
          CASE(malformed_bodies_are_told_as_such))
