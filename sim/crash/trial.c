#include "sim/crash/trial.h"

#include "base/check.h"
#include "base/err.h"
#include "base/os/heap.h"

#include <inttypes.h>

#define FLUSH_EVERY 3 /* Batches; as in the workloads. */
#define LEADER      ((node_id)2)
#define HLC_STEP    (UINT64_C(1) << HLC_COUNTER_BITS)

/* ---- judging a start ---- */

static void judge_state(struct trial *trial, raft_index persisted)
{
    const struct trial_crash *crash = &trial->crash;
    const struct raft *raft = rig_raft(&trial->rig);
    if (raft == NULL) {
        return;
    }
    const struct crash_chain *history = crash->history;
    trial->applied = raft->applied_index;
    ledger_check_applied(crash->ledger, trial->applied, crash->at, &trial->violation);
    if (trial->applied > crash_chain_last(history) || trial->applied < history->before) {
        violation_report(&trial->violation, "state",
                         "applied %" PRIu64 " at start, but only (%" PRIu64 ", %" PRIu64
                         "] can have been committed",
                         trial->applied, history->before, crash_chain_last(history));
        return;
    }
    const uint64_t hash = node_state_hash(trial->rig.node);
    if (hash != crash_chain_state_hash(history, trial->applied)) {
        violation_report(&trial->violation, "state",
                         "after entry %" PRIu64 " the state is %016" PRIx64 ", not %016" PRIx64,
                         trial->applied, hash, crash_chain_state_hash(history, trial->applied));
    }
    const struct tape *tape = crash_machine_tape(trial->machine);
    struct tape_names names = tape->image.names;
    if (trial->applied != persisted && tape_names_find(&names, "snapshots/install") == NULL &&
        trial->first == 0) {
        violation_report(&trial->violation, "state",
                         "applied %" PRIu64 " at start, but %" PRIu64 " was persisted",
                         trial->applied, persisted);
    }
}

/* The applied index that the engine holds before the node starts. */
static raft_index read_persisted(struct crash_machine *machine)
{
    struct machine state;
    const int err = machine_init(&state, crash_machine_engine(machine), CRASH_GROUP);
    Q_CHECK(err == Q_OK);
    const raft_index applied = state.meta.applied_index;
    machine_deinit(&state);
    return applied;
}

static void take_violation(struct trial *trial)
{
    if (trial->rig.violation.found && !trial->violation.found) {
        trial->violation = trial->rig.violation;
    }
}

void trial_init(struct trial *trial,
                struct tape *tape,
                const struct trial_crash *crash,
                const struct rig_options *options,
                uint64_t starts)
{
    *trial = (struct trial){.crash = *crash, .first = tape->op_count};
    trial->machine = crash_machine_new(tape, FLUSH_EVERY);
    struct rig *rig = &trial->rig;
    rig_init(rig, options, trial->machine);
    rig->starts = starts;
    rig->now_ms = 100000;
    const uint32_t with_map = ledger_mark_at(crash->ledger, crash->at)->peers_with_map;
    for (node_id id = 2; id <= options->node_count; id++) {
        if ((with_map >> id & 1) != 0) {
            rig_peer_knows(rig, id, crash->map);
        }
    }
    const raft_index persisted = read_persisted(trial->machine);
    if (!rig_start(rig)) {
        take_violation(trial);
        return;
    }
    const struct raft *raft = rig_raft(rig);
    trial->found = ledger_find(crash->ledger, raft, crash->at, &trial->violation);
    ledger_check_identity(crash->ledger, &rig->identity, crash->at, &trial->violation);
    judge_state(trial, persisted);
    if (trial->violation.found) {
        return;
    }
    ledger_deinit(&rig->ledger);
    ledger_init_after(&rig->ledger, crash->ledger, crash->at, trial->found, crash->was_killed);
    ledger_confirmed(&rig->ledger, rig_at(rig));
    rig_settle(rig);
    take_violation(trial);
    trial->end = rig_at(rig);
}

void trial_deinit(struct trial *trial)
{
    rig_deinit(&trial->rig);
    crash_machine_free(trial->machine);
}

/* ---- working on ---- */

static void append_noop(struct crash_chain *chain, raft_term term)
{
    const struct raft_entry entry = {
        .term = term, .hlc = chain->machine.meta.shard_time + HLC_STEP, .kind = RAFT_ENTRY_NOOP};
    crash_chain_append(chain, &entry);
}

static void append_set(struct crash_chain *chain, raft_term term, const char *value)
{
    const struct bytes args[] = {bytes_of_text("after"), bytes_of_text(value)};
    const struct request request = {.op = OP_SET, .args = args, .arg_count = 2};
    uint8_t payload[64];
    struct writer w = writer_of(payload, sizeof payload);
    request_encode(&request, &w);
    Q_CHECK(!w.failed);
    const struct raft_entry entry = {.term = term,
                                     .hlc = chain->machine.meta.shard_time + HLC_STEP,
                                     .kind = RAFT_ENTRY_COMMAND,
                                     .payload = bytes_of(payload, writer_size(&w))};
    crash_chain_append(chain, &entry);
}

/* A new leader, elected by the others, holds what is committed and commits something new. */
static void follow(struct trial *trial, struct crash_chain *chain)
{
    const struct trial_crash *crash = &trial->crash;
    struct rig *rig = &trial->rig;
    const struct raft *raft = rig_raft(rig);
    const raft_index committed = ledger_mark_at(crash->ledger, crash->at)->committed;
    const raft_index first = crash_chain_last(chain) + 1;
    for (raft_index i = first; i <= committed; i++) {
        crash_chain_append(chain, &crash_chain_at(crash->history, i)->entry);
    }
    const raft_term term = raft->hard.term + 1;
    append_noop(chain, term);
    append_set(chain, term, "the crash");
    append_set(chain, term, "all");
    const raft_index last = crash_chain_last(chain);
    struct raft_entry *entries = heap_alloc((chain->count + 1) * sizeof *entries);
    for (raft_index i = first; i <= last; i++) {
        entries[i - first] = crash_chain_at(chain, i)->entry;
    }
    const struct raft_message message = {.kind = RAFT_MSG_APPEND,
                                         .from = LEADER,
                                         .to = RIG_SELF,
                                         .term = term,
                                         .prev_index = first - 1,
                                         .prev_term = crash_chain_term(chain, first - 1),
                                         .commit = last,
                                         .entry_count = (uint32_t)(last - first + 1)};
    rig_say(rig, &message, entries);
    heap_free(entries);
    rig_settle(rig);
    if (raft->applied_index != last || raft->log.last_index != last || rig->acked != last) {
        violation_report(&rig->violation, "goes_on",
                         "a leader's log ends at %" PRIu64 ", the node's at %" PRIu64
                         ", applied %" PRIu64 ", acknowledged %" PRIu64,
                         last, raft->log.last_index, raft->applied_index, rig->acked);
    }
}

/* The only node of its cluster elects itself and answers clients. */
static void serve(struct trial *trial, struct crash_chain *chain)
{
    const struct trial_crash *crash = &trial->crash;
    struct rig *rig = &trial->rig;
    rig_elect(rig);
    if (rig->violation.found) {
        return;
    }
    rig_submit_set(rig, "after", bytes_of_text("the crash"));
    rig_submit_set(rig, "after", bytes_of_text("all"));
    rig_settle(rig);
    for (size_t i = 0; i < rig->request_count; i++) {
        if (!rig->requests[i].is_done || rig->requests[i].is_error) {
            violation_report(&rig->violation, "goes_on", "a write is not done");
        }
    }
    const raft_index committed = ledger_mark_at(crash->ledger, crash->at)->committed;
    for (raft_index i = chain->before + 1; i <= committed; i++) {
        if (ledger_entry_hash(&crash_chain_at(chain, i)->entry) !=
            ledger_entry_hash(&crash_chain_at(crash->history, i)->entry)) {
            violation_report(&rig->violation, "goes_on",
                             "entry %" PRIu64 " was committed and is another one now", i);
        }
    }
}

/* After the second crash: everything is there, and is applied once it is known to be committed. */
static void catch_up(struct trial *again, struct crash_chain *chain, raft_term term)
{
    struct rig *rig = &again->rig;
    rig->chain = chain;
    const raft_index last = crash_chain_last(chain);
    if (rig->options.node_count == 1) {
        rig_elect(rig);
    } else {
        const struct raft_message message = {.kind = RAFT_MSG_HEARTBEAT,
                                             .from = LEADER,
                                             .to = RIG_SELF,
                                             .term = term,
                                             .commit = last,
                                             .index = last};
        rig_say(rig, &message, NULL);
        rig_settle(rig);
    }
    if (!rig->violation.found && rig_raft(rig)->applied_index < last) {
        violation_report(&rig->violation, "goes_on",
                         "applied only %" PRIu64 " of %" PRIu64 " entries after the second crash",
                         rig_raft(rig)->applied_index, last);
    }
    take_violation(again);
}

/* The machine after a crash at the end of the tape that takes all it can. */
static void cut_at_end(const struct crash_machine *machine, bool is_kill, struct tape *out_tape)
{
    const struct tape *tape = crash_machine_tape(machine);
    struct tape_cursor cursor;
    tape_cursor_init(&cursor, tape);
    while (cursor.at < tape->op_count) {
        tape_cursor_advance(&cursor);
    }
    const struct tape_cut cut = {.is_kill = is_kill, .version = cursor.flushed};
    tape_cut(&cursor, &cut, out_tape);
    tape_cursor_deinit(&cursor);
}

static void crash_again(struct trial *trial, bool is_kill, struct crash_chain *chain)
{
    struct rig *rig = &trial->rig;
    const raft_term term = rig_raft(rig)->hard.term;
    const struct trial_crash crash = {.ledger = &rig->ledger,
                                      .at = rig_at(rig),
                                      .was_killed = is_kill,
                                      .history = chain,
                                      .map = rig_map(rig)};
    rig_stop(rig);
    struct tape tape;
    cut_at_end(trial->machine, is_kill, &tape);
    struct trial again;
    trial_init(&again, &tape, &crash, &rig->options, rig->starts + 1);
    if (!again.violation.found) {
        catch_up(&again, chain, term);
    }
    if (again.violation.found) {
        trial->violation = again.violation;
    }
    trial_deinit(&again);
}

void trial_go_on(struct trial *trial, bool is_kill)
{
    Q_CHECK(!trial->violation.found);
    struct rig *rig = &trial->rig;
    rig_boot(rig);
    take_violation(trial);
    if (trial->violation.found) {
        return;
    }
    struct crash_chain chain;
    crash_chain_init_after(&chain, trial->crash.history, trial->applied);
    rig->chain = &chain;
    if (rig->options.node_count == 1) {
        serve(trial, &chain);
    } else {
        follow(trial, &chain);
    }
    take_violation(trial);
    if (!trial->violation.found) {
        crash_again(trial, is_kill, &chain);
    }
    rig->chain = NULL;
    crash_chain_deinit(&chain);
}
