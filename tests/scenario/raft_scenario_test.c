/* Golden scenarios of Raft: text files in tests/scenario/raft, one case each.
 *
 * A line is a command; what it prints stands behind it in lines that begin with '='. A run with
 * SCENARIO_UPDATE=1 rewrites the files, and the difference is reviewed like code. Commands:
 *
 *   cluster N [BYTES]       N replicas, all started; appends carry BYTES (400) or one entry
 *   elect N                 an election timeout passes; N alone notices; all settles
 *   campaign N              the same, but no message moves
 *   advance MS              time passes for all; who is due acts
 *   run MS                  time passes and everything flows
 *   settle                  everything flows until nothing moves; time stands still
 *   propose N TEXT          prints the index, or the error
 *   read N                  prints the context, or the error; served reads print when they are
 *   transfer A->B           leader A hands over to B
 *   deliver|drop|duplicate A->B   all packets waiting there, in order; * stands for any
 *   save N [COUNT]          completes saves of N
 *   hang N / unhang N       its disk stops / goes on
 *   crash N / restart N     loses all that no save has completed / comes back
 *   cut A-B / heal A-B      one link, both directions
 *   isolate N / rejoin N    all links of a replica
 *   compact N INDEX         drops the log of N up to INDEX
 *   stream A->B ok|fail     ends a snapshot stream
 *   status, packets, streams, log N, applied N     print
 *   invariants              prints ok (the oracle has looked after each step anyway)
 */
#include "base/err.h"
#include "harness/raft_cluster.h"
#include "harness/test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX  ((size_t)256 * 1024)
#define FILES_MAX 64
#define WORDS_MAX 4

static struct cluster cluster_memory;

struct text {
    char bytes[TEXT_MAX];
    size_t size;
};

static struct text script;
static struct text output;

__attribute__((format(printf, 1, 2))) static void print(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const size_t room = TEXT_MAX - output.size;
    const int size = vsnprintf(output.bytes + output.size, room, format, arguments);
    va_end(arguments);
    REQUIRE(size >= 0 && (size_t)size < room);
    output.size += (size_t)size;
}

static const char *kind_name(enum raft_message_kind kind)
{
    switch (kind) {
    case RAFT_MSG_PRE_VOTE: return "pre-vote";
    case RAFT_MSG_PRE_VOTE_REPLY: return "pre-vote-reply";
    case RAFT_MSG_VOTE: return "vote";
    case RAFT_MSG_VOTE_REPLY: return "vote-reply";
    case RAFT_MSG_APPEND: return "append";
    case RAFT_MSG_APPEND_REPLY: return "append-reply";
    case RAFT_MSG_HEARTBEAT: return "heartbeat";
    case RAFT_MSG_HEARTBEAT_REPLY: return "heartbeat-reply";
    case RAFT_MSG_TIMEOUT_NOW: return "timeout-now";
    }
    return "?";
}

/* ---- printing ---- */

static void print_status(struct cluster *cluster)
{
    for (size_t i = 1; i <= cluster->node_count; i++) {
        const struct cluster_node *node = &cluster->nodes[i];
        if (!node->alive) {
            print("= %zu down\n", i);
            continue;
        }
        const struct raft *raft = &node->raft;
        print("= %zu %s term %llu leader %u log %llu..%llu stable %llu commit %llu applied %llu\n",
              i, raft_role_name(raft->role), (unsigned long long)raft->hard.term, raft->leader,
              (unsigned long long)raft->log.start_index + 1,
              (unsigned long long)raft->log.last_index, (unsigned long long)raft->stable_index,
              (unsigned long long)raft->commit_index, (unsigned long long)raft->applied_index);
    }
}

static void print_entry(const struct raft_entry *entry)
{
    if (entry->kind == RAFT_ENTRY_NOOP) {
        print(" %llu:-", (unsigned long long)entry->term);
    } else {
        print(" %llu:%.*s", (unsigned long long)entry->term, (int)entry->payload.size,
              (const char *)entry->payload.data);
    }
}

static void print_log(struct cluster *cluster, node_id id, bool applied)
{
    const struct raft *raft = cluster_raft(cluster, id);
    const raft_index last = applied ? raft->applied_index : raft->log.last_index;
    print("=");
    for (raft_index i = applied ? 1 : raft->log.start_index + 1; i <= last; i++) {
        print_entry(applied ? &cluster->committed[i] : raft_log_at(&raft->log, i));
    }
    print("\n");
}

static void print_packets(const struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->packet_count; i++) {
        const struct cluster_packet *packet = &cluster->packets[i];
        const struct raft_message *m = &packet->message;
        print("= %u->%u %s term %llu", m->from, m->to, kind_name(m->kind),
              (unsigned long long)m->term);
        if (m->kind == RAFT_MSG_APPEND) {
            print(" after %llu/%llu commit %llu", (unsigned long long)m->prev_index,
                  (unsigned long long)m->prev_term, (unsigned long long)m->commit);
            for (size_t e = 0; e < m->entry_count; e++) {
                print_entry(&packet->entries[e]);
            }
        } else if (m->kind == RAFT_MSG_APPEND_REPLY) {
            print(" index %llu", (unsigned long long)m->index);
        } else if (m->kind == RAFT_MSG_HEARTBEAT || m->kind == RAFT_MSG_HEARTBEAT_REPLY) {
            print(" context %llu", (unsigned long long)m->context);
        }
        if (m->reject && m->kind == RAFT_MSG_APPEND_REPLY) {
            print(" reject, hint %llu/%llu", (unsigned long long)m->hint_index,
                  (unsigned long long)m->hint_term);
        } else if (m->reject) {
            print(" reject");
        }
        print("%s\n", m->forced ? " forced" : "");
    }
}

static void print_streams(const struct cluster *cluster)
{
    for (size_t from = 1; from <= cluster->node_count; from++) {
        for (size_t to = 1; to <= cluster->node_count; to++) {
            const struct cluster_stream *stream = &cluster->nodes[from].streams[to];
            if (stream->active) {
                print("= %zu->%zu snapshot %llu/%llu\n", from, to,
                      (unsigned long long)stream->index, (unsigned long long)stream->term);
            }
        }
    }
}

static void trace_reads(struct cluster *cluster, node_id node, const struct raft_effect *effect)
{
    (void)cluster;
    if (effect->kind == RAFT_EFFECT_READ) {
        print("= %u serves reads up to context %llu at index %llu\n", node,
              (unsigned long long)effect->context, (unsigned long long)effect->index);
    }
}

/* ---- commands ---- */

struct command {
    char words[WORDS_MAX][64];
    size_t count;
    node_id a; /* From "A->B" or "A-B" or "A"; 0 for "*". */
    node_id b;
};

static uint64_t number_of(const char *word)
{
    int64_t value = 0;
    REQUIRE(bytes_to_int64(bytes_of_text(word), &value) && value >= 0);
    return (uint64_t)value;
}

static node_id node_word(const char *word, size_t size)
{
    int64_t value = 0;
    if (size == 1 && word[0] == '*') {
        return 0;
    }
    return bytes_to_int64(bytes_of(word, size), &value) ? (node_id)value : 0;
}

static bool is(const struct command *command, const char *name)
{
    return strcmp(command->words[0], name) == 0;
}

static struct command parse(const char *line)
{
    struct command command = {.count = 0};
    while (*line != '\0') {
        const size_t size = strcspn(line, " ");
        REQUIRE(size > 0 && size < sizeof command.words[0] && command.count < WORDS_MAX);
        memcpy(command.words[command.count++], line, size);
        line += size;
        line += strspn(line, " ");
    }
    if (command.count > 1) {
        const char *word = command.words[1];
        const size_t first = strcspn(word, "-");
        command.a = node_word(word, first);
        const char *rest = word + first + strspn(word + first, "->");
        command.b = node_word(rest, strlen(rest));
    }
    return command;
}

/* Packets that are there now; those they cause wait for the next command. */
static void move_packets(struct cluster *cluster, const struct command *command)
{
    size_t at = 0;
    for (size_t left = cluster->packet_count; left > 0; left--) {
        const struct raft_message *message = &cluster->packets[at].message;
        const node_id to = message->to;
        if ((command->a != 0 && message->from != command->a) ||
            (command->b != 0 && to != command->b)) {
            at++;
            continue;
        }
        if (is(command, "duplicate")) {
            cluster_duplicate(cluster, at++);
        } else if (is(command, "drop")) {
            cluster_drop(cluster, at);
        } else {
            cluster_deliver(cluster, at);
            cluster_collect(cluster, to);
        }
    }
}

static void campaign(struct cluster *cluster, node_id id)
{
    struct raft *raft = cluster_raft(cluster, id);
    cluster->now_ms += cluster->config.election_max_ms;
    raft->election_deadline_ms = cluster->now_ms;
    raft_tick(raft, cluster->now_ms);
    cluster_collect(cluster, id);
}

static bool do_client(struct cluster *cluster, const struct command *command, const char *line)
{
    if (is(command, "propose")) {
        raft_index index = 0;
        const char *text = strchr(line, ' ');
        text = text == NULL ? NULL : strchr(text + 1, ' ');
        REQUIRE(text != NULL);
        const int err = cluster_propose_bytes(cluster, command->a, bytes_of_text(text + 1), &index);
        if (err != Q_OK) {
            print("= %s\n", err_text(err));
        } else {
            print("= index %llu\n", (unsigned long long)index);
        }
    } else if (is(command, "read")) {
        struct cluster_node *node = cluster_node_of(cluster, command->a);
        const int err = cluster_read(cluster, command->a);
        if (err != Q_OK) {
            print("= %s\n", err_text(err));
        } else {
            print("= context %llu\n",
                  (unsigned long long)node->reads[node->read_count - 1].context);
        }
    } else if (is(command, "transfer")) {
        const int err =
            raft_transfer(cluster_raft(cluster, command->a), cluster->now_ms, command->b);
        print("= %s\n", err == Q_OK ? "ok" : err_text(err));
    } else {
        return false;
    }
    cluster_collect(cluster, command->a);
    return true;
}

static bool do_print(struct cluster *cluster, const struct command *command)
{
    if (is(command, "status")) {
        print_status(cluster);
    } else if (is(command, "packets")) {
        print_packets(cluster);
    } else if (is(command, "streams")) {
        print_streams(cluster);
    } else if (is(command, "log")) {
        print_log(cluster, command->a, false);
    } else if (is(command, "applied")) {
        print_log(cluster, command->a, true);
    } else if (is(command, "invariants")) {
        cluster_check_logs(cluster);
        print("= ok\n");
    } else {
        return false;
    }
    return true;
}

static bool do_fault(struct cluster *cluster, const struct command *command)
{
    if (is(command, "crash")) {
        cluster_crash(cluster, command->a);
    } else if (is(command, "restart")) {
        cluster_restart(cluster, command->a);
    } else if (is(command, "hang") || is(command, "unhang")) {
        cluster_node_of(cluster, command->a)->disk_hangs = is(command, "hang");
    } else if (is(command, "cut") || is(command, "heal")) {
        cluster_link(cluster, command->a, command->b, is(command, "heal"));
    } else if (is(command, "isolate") || is(command, "rejoin")) {
        cluster_isolate(cluster, command->a, is(command, "isolate"));
    } else if (is(command, "save")) {
        uint64_t count = command->count > 2 ? number_of(command->words[2]) : UINT64_MAX;
        while (count-- > 0 && cluster_complete_save(cluster, command->a)) {
        }
        cluster_collect(cluster, command->a);
    } else if (is(command, "compact")) {
        struct cluster_node *node = cluster_node_of(cluster, command->a);
        node->disk.applied = node->raft.applied_index;
        cluster_compact(cluster, command->a, number_of(command->words[2]));
    } else if (is(command, "stream")) {
        cluster_finish_stream(cluster, command->a, command->b,
                              strcmp(command->words[2], "ok") == 0);
        cluster_collect_all(cluster);
    } else {
        return false;
    }
    return true;
}

static bool do_flow(struct cluster *cluster, const struct command *command)
{
    if (is(command, "cluster")) {
        struct raft_config config = cluster_config((size_t)number_of(command->words[1]));
        if (command->count > 2) {
            config.append_bytes_max = (size_t)number_of(command->words[2]);
        }
        cluster_init_config(cluster, config, 1);
        cluster->trace = trace_reads;
    } else if (is(command, "elect")) {
        campaign(cluster, command->a);
        cluster_settle(cluster);
    } else if (is(command, "campaign")) {
        campaign(cluster, command->a);
    } else if (is(command, "advance")) {
        cluster_advance(cluster, number_of(command->words[1]));
        cluster_collect_all(cluster);
    } else if (is(command, "run")) {
        cluster_run(cluster, number_of(command->words[1]));
    } else if (is(command, "settle")) {
        cluster_settle(cluster);
    } else if (is(command, "deliver") || is(command, "drop") || is(command, "duplicate")) {
        move_packets(cluster, command);
    } else {
        return false;
    }
    return true;
}

static void execute(struct cluster *cluster, const char *line)
{
    const struct command command = parse(line);
    const bool known = do_flow(cluster, &command) || do_fault(cluster, &command) ||
                       do_print(cluster, &command) || do_client(cluster, &command, line);
    if (!known) {
        (void)fprintf(stderr, "# unknown command: %s\n", line);
    }
    REQUIRE(known);
}

/* ---- files ---- */

static void load(const char *path)
{
    FILE *file = fopen(path, "rb");
    REQUIRE(file != NULL);
    script.size = fread(script.bytes, 1, TEXT_MAX - 1, file);
    REQUIRE(fclose(file) == 0);
    script.bytes[script.size] = '\0';
}

static void store(const char *path)
{
    FILE *file = fopen(path, "wb");
    REQUIRE(file != NULL);
    REQUIRE(fwrite(output.bytes, 1, output.size, file) == output.size);
    REQUIRE(fclose(file) == 0);
}

/* Copies commands and comments, with what the commands print now instead of what they did. Commands
 * point into the script's memory, so their payloads live until the next file. */
static void play(struct cluster *cluster)
{
    output.size = 0;
    char *line = script.bytes;
    while (*line != '\0') {
        char *end = strchr(line, '\n');
        REQUIRE(end != NULL);
        *end = '\0';
        if (line[0] != '=') {
            print("%s\n", line);
        }
        if (line[0] != '=' && line[0] != '#' && line[0] != '\0') {
            execute(cluster, line);
        }
        line = end + 1;
    }
}

static void show_difference(const char *path)
{
    size_t line = 1;
    size_t at = 0;
    size_t start = 0;
    while (at < script.size && at < output.size && script.bytes[at] == output.bytes[at]) {
        if (output.bytes[at] == '\n') {
            line++;
            start = at + 1;
        }
        at++;
    }
    (void)fprintf(stderr, "# %s:%zu: expected: %.*s\n# got: %.*s\n", path, line,
                  (int)strcspn(script.bytes + start, "\n"), script.bytes + start,
                  (int)strcspn(output.bytes + start, "\n"), output.bytes + start);
}

static void scenario(void **state_)
{
    const char *path = *state_;
    load(path);
    play(&cluster_memory);
    cluster_deinit(&cluster_memory);
    output.bytes[output.size] = '\0';
    if (getenv("SCENARIO_UPDATE") != NULL) {
        store(path);
        return;
    }
    load(path); /* Playing cut it into lines. */
    if (script.size != output.size || memcmp(script.bytes, output.bytes, output.size) != 0) {
        show_difference(path);
        _fail(path, 0);
    }
}

static int is_scenario(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot != NULL && strcmp(dot, ".txt") == 0;
}

int main(void)
{
    static char paths[FILES_MAX][512];
    static char names[FILES_MAX][64];
    struct CMUnitTest tests[FILES_MAX];
    struct dirent **entries = NULL;
    const char *directory = TEST_SOURCE_DIR "/scenario/raft";
    const int count = scandir(directory, &entries, is_scenario, alphasort);
    if (count <= 0 || count > FILES_MAX) {
        (void)fprintf(stderr, "# no scenarios, or too many, in %s\n", directory);
        return 1;
    }
    for (int i = 0; i < count; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "%s/%s", directory, entries[i]->d_name);
        (void)snprintf(names[i], sizeof names[i], "%.*s", (int)strcspn(entries[i]->d_name, "."),
                       entries[i]->d_name);
        tests[i] =
            (struct CMUnitTest){.name = names[i], .test_func = scenario, .initial_state = paths[i]};
        free(entries[i]);
    }
    free(entries);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return _cmocka_run_group_tests("raft scenarios", tests, (size_t)count, NULL, NULL);
}
