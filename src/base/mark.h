/* Reachability marks: named places of the production code that a campaign must reach.
 *
 * DESIGN
 *
 * A test that never gets to a place proves nothing about it, and nobody sees that it does not: load
 * and faults change, and a checker goes quiet. So rare places have a name here, and
 * `quorate-sim --require-marks` fails when one of them was not reached in any seed.
 *
 * Q_MARK(NAME) sets the mark's byte in one table, if it is not set yet: a load on a path that is
 * rare. It is compiled into every build, so that the simulator judges the very objects that the
 * server is made of. Marks tell the campaign something and the program nothing: no code of the
 * product reads the table. docs/decisions/0012 says why pure rooms may write it.
 *
 * A row is a name and what it means to be there. Each name is used in exactly one place of src/
 * (scripts/tidy.py looks); one that the simulator cannot reach does not belong here.
 */
#ifndef Q_BASE_MARK_H
#define Q_BASE_MARK_H

#include <stdbool.h>
#include <stddef.h>

#define Q_MARK_MAP(X)                                                                              \
    /* core/raft */                                                                                \
    X(RAFT_PRE_VOTE_IGNORED, "a pre-vote is ignored because the leader is alive")                  \
    X(RAFT_VOTE_IGNORED, "a vote of a higher term is ignored because the leader is alive")         \
    X(RAFT_VOTE_FORCED, "a transfer's vote is looked at though the leader is alive")               \
    X(RAFT_PRE_VOTE_STALE_LOG, "a pre-vote is refused for a log shorter than ours")                \
    X(RAFT_VOTE_STALE_LOG, "a vote is refused for a log shorter than ours")                        \
    X(RAFT_VOTE_TAKEN, "a vote is refused because it went to another candidate")                   \
    X(RAFT_VOTE_REPEATED, "a vote is granted once more to the same candidate")                     \
    X(RAFT_VOTE_REPLY_LATE, "a vote arrives when its election is over")                            \
    X(RAFT_VOTE_REPLY_DOUBLED, "a second answer of the same voter is not counted")                 \
    X(RAFT_PRE_VOTE_REPLY_OLD, "a pre-vote arrives that was asked for an earlier term")            \
    X(RAFT_ELECTION_REFUSED, "a candidate gives up because a quorum said no")                      \
    X(RAFT_CAMPAIGN_DISK_STUCK, "no campaign is begun because the log device hangs")               \
    X(RAFT_LEADER_BY_TRANSFER, "a transfer's target becomes leader")                               \
    X(RAFT_LEADER_INHERITS, "a new leader has entries that are not known to be committed")         \
    X(RAFT_CHECK_QUORUM, "a leader that hears no quorum steps down")                               \
    X(RAFT_LEADER_OUTDATED, "a leader hears a higher term")                                        \
    X(RAFT_CANDIDATE_OUTDATED, "a candidate hears a higher term")                                  \
    X(RAFT_CANDIDATE_FOLLOWS, "a candidate meets the leader of its own term")                      \
    X(RAFT_PRE_CANDIDATE_FOLLOWS, "a pre-candidate meets the leader of its term")                  \
    X(RAFT_OLD_LEADER_TOLD, "a leader of an earlier term is told the present one")                 \
    X(RAFT_OLD_PRE_CANDIDATE_TOLD, "a pre-candidate of an earlier term is told the present one")   \
    X(RAFT_OLD_TERM_DROPPED, "a message of an earlier term is dropped without an answer")          \
    X(RAFT_COMMIT_HELD_BACK, "a quorum holds entries of an earlier term and they do not commit")   \
    X(RAFT_COMMIT_OLD_TERMS, "an entry of the leader's term commits those of earlier terms")       \
    X(RAFT_CONFLICT, "a follower cuts a tail that conflicts with its leader's log")                \
    X(RAFT_CONFLICT_SAVING, "a tail is cut while a save of it is in flight")                       \
    X(RAFT_APPEND_BELOW_COMMIT, "an append begins before our commit index")                        \
    X(RAFT_APPEND_HELD, "an append brings nothing that is not held already")                       \
    X(RAFT_APPEND_OVERLAPS, "an append begins with entries that are held already")                 \
    X(RAFT_APPEND_GAP, "an append is refused because entries before it are missing")               \
    X(RAFT_APPEND_MISMATCH, "an append is refused because the entry before it differs")            \
    X(RAFT_HINT_BELOW_LEADER, "a leader skips entries of its own log that the hint rules out")     \
    X(RAFT_PROBE_STALE, "a refusal answers an earlier probe")                                      \
    X(RAFT_REPLICATE_REFUSED, "a follower in REPLICATE refuses an append and is probed")           \
    X(RAFT_REPLICATE_BROKEN, "a follower in REPLICATE loses its connection and is probed")         \
    X(RAFT_ACK_OUTDATED, "an acknowledgement of less than what is known is ignored")               \
    X(RAFT_ACK_RAISED, "an acknowledgement waits for a save and is raised by the next append")     \
    X(RAFT_SNAPSHOT_OVERTAKEN, "a follower that gets a snapshot catches up by itself")             \
    X(RAFT_SNAPSHOT_FROM_PROBE, "a probed follower needs a snapshot")                              \
    X(RAFT_SNAPSHOT_FROM_REPLICATE, "the log is compacted past a follower in REPLICATE")           \
    X(RAFT_SNAPSHOT_NOT_TO_DEAD, "no snapshot is begun for a follower that says nothing")          \
    X(RAFT_SNAPSHOT_DONE, "a follower has installed a snapshot and is probed behind it")           \
    X(RAFT_SNAPSHOT_FAILED, "a snapshot failed and the follower is probed again")                  \
    X(RAFT_WINDOW_FULL, "an append waits because the window is full")                              \
    X(RAFT_WINDOW_REOPENED, "a heartbeat reply opens a full window by one")                        \
    X(RAFT_APPEND_CUT, "an append is cut at its size limit")                                       \
    X(RAFT_COMMIT_AHEAD_OF_DISK, "entries are committed elsewhere before they are durable here")   \
    X(RAFT_SAVES_OVERLAP, "a save is emitted while another one is in flight")                      \
    X(RAFT_READ_RETRIED, "a ReadIndex round is tried again at the next heartbeat")                 \
    X(RAFT_READ_WAITS_FOR_TERM, "a read waits for the first commit of the leader's term")          \
    X(RAFT_READ_VOIDED, "a ReadIndex round ends with its leader's term")                           \
    X(RAFT_READ_SECOND_BEST, "a quorum confirms an older round than the newest")                   \
    X(RAFT_TRANSFER_WAITS, "a transfer waits until its target has caught up")                      \
    X(RAFT_TRANSFER_TIMED_OUT, "nothing came of a transfer in time")                               \
    X(RAFT_TRANSFER_DISK_STUCK, "a leader whose log device hangs hands over")                      \
    X(RAFT_NO_SUCCESSOR, "a leader whose log device hangs finds nobody and steps down")            \
    X(RAFT_PROPOSE_IN_TRANSFER, "a proposal is put off while leadership is handed over")           \
    X(RAFT_RESTORE_RESETS, "an installed snapshot lies outside the log: it begins anew")           \
    /* core/cluster, core/hlc */                                                                   \
    X(BOOT_FORMED, "all listed nodes agree and the map is made here")                              \
    X(BOOT_ADOPTED, "the map of a node that has it is taken over")                                 \
    X(BOOT_NOT_YET_AGREED, "all nonces are known here and not yet known to be known everywhere")   \
    X(BOOT_MAP_UNASKED, "a map is not believed because it answers no question of this process")    \
    X(BOOT_HELLO_BEFORE_MAP, "a hello arrives after the map was stored by a node that has none")   \
    X(BOOT_REMEMBERED, "a node starts with the map it had stored")                                 \
    X(HLC_COUNTS, "the hybrid clock counts on because the wall clock is behind")                   \
    /* node: life, recovery, replica */                                                            \
    X(RESUME_GRACE_ENDS, "a node takes part though not all the others have answered")              \
    X(RESUME_START_FORGOTTEN, "a directory is refused: a later start of it is remembered")         \
    X(RESUME_TERM_FORGOTTEN, "a directory is refused: a later term of it is remembered")           \
    X(RESUME_ENTRIES_FORGOTTEN, "a directory is refused: more entries of it are remembered")       \
    X(NODE_MESSAGE_UNBOOTED, "a message arrives before the cluster has formed here")               \
    X(NODE_PEER_RESTARTED, "a peer is heard from under a new incarnation")                         \
    X(NODE_LOG_NO_SPACE, "a batch of the log meets a full disk")                                   \
    X(NODE_LOG_IO_ERROR, "a batch of the log meets an I/O error")                                  \
    X(NODE_NOBODY_TO_RESIGN_TO, "a leader asked to hand over finds nobody")                        \
    X(IDENTITY_LEFTOVER, "a start removes a half written identity file")                           \
    X(IDENTITY_FIRST, "a start finds no identity file")                                            \
    X(RECOVERY_EMPTY, "a start finds a map and an empty log")                                      \
    X(RECOVERY_TAIL_REPLACED, "the log holds entries that later ones replace")                     \
    X(RECOVERY_RESET, "the log holds the mark after which it began anew")                          \
    X(RECOVERY_BEFORE_START, "the log holds entries from before its start")                        \
    X(RECOVERY_SNAPSHOT_ONLY, "the state is known from a snapshot only")                           \
    X(RECOVERY_LOG_DISCARDED, "the state came from a snapshot that the log does not know yet")     \
    X(RECOVERY_APPLIES, "a start finds entries that the state lacks")                              \
    X(REPLICA_RING_GROWS, "the ring of entries grows")                                             \
    X(REPLICA_ENTRIES_DROPPED, "entries of an append are not kept")                                \
    X(REPLICA_INSTALLING_DEAF, "a message of Raft is ignored while a snapshot is installed")       \
    X(REPLICA_GATE_WAITS, "a message waits for another save than the one just done")               \
    X(REPLICA_COMPACT_BELOW_FOLLOWER, "a leader compacts what a follower has not got")             \
    X(REPLICA_COMPACT_HELD_BY_STREAM, "compaction leaves what follows the snapshot being sent")    \
    X(REPLICA_COMPACT_HELD_BY_FLUSH, "compaction waits for the engine's flush")                    \
    X(REPLICA_NEVER_FRESH, "a local read finds that nothing is known of the data's age")           \
    X(REPLICA_FRESH_BY_APPLYING,                                                                   \
      "the state becomes as fresh as the leader's word of some time ago")                          \
    /* node: requests, forwarding */                                                               \
    X(REQUEST_PARKED, "a request waits because no leader is known")                                \
    X(REQUEST_PARKED_IN_TRANSFER, "a write waits for the end of a transfer")                       \
    X(REQUEST_QUEUE_FULL, "a request is refused because too many wait")                            \
    X(REQUEST_SECOND_TRY, "a write in doubt is tried again by its id")                             \
    X(REQUEST_IN_DOUBT, "a write is answered with OUTCOMEUNKNOWN")                                 \
    X(REQUEST_REFUSED_AFTER_DOUBT, "a refusal after an attempt in doubt is no promise")            \
    X(REQUEST_FORGOTTEN_AFTER_DOUBT, "the second try is too late for its id")                      \
    X(REQUEST_OVERWRITTEN, "another entry commits where a request was proposed")                   \
    X(REQUEST_JUMPED, "a snapshot passes over the entry of a request")                             \
    X(REQUEST_READ_WAITS_FOR_APPLY, "a confirmed read waits for entries to be applied")            \
    X(REQUEST_READ_REROUTED, "a read is sent on its way again because the leader changed")         \
    X(REQUEST_EXPIRED_IN_DOUBT, "a proposed or forwarded write meets its deadline")                \
    X(REQUEST_EXPIRED_WAITING, "a request that waited meets its deadline")                         \
    X(REQUEST_EXPIRED_UNBOOTED, "a request meets its deadline before the cluster has formed")      \
    X(REQUEST_STOPPED_IN_DOUBT, "a node goes down with a write that may take effect")              \
    X(REQUEST_LOCAL_ON_FOLLOWER, "a follower serves a LEVEL local read")                           \
    X(REQUEST_LOCAL_TOO_OLD, "a local read is refused by MAXSTALE")                                \
    X(REQUEST_LOCAL_INSTALLING, "a local read is refused while a snapshot is installed")           \
    X(REQUEST_COUNTED, "DBSIZE has counted all keys")                                              \
    X(FORWARD_NOT_SENT, "a request is not forwarded to a peer that may have restarted")            \
    X(FORWARD_HOP_REFUSED, "a forwarded request is not forwarded again")                           \
    X(FORWARD_RETRIED, "the asked node was not the leader and the request is parked")              \
    X(FORWARD_REFUSED, "the leader's refusal is passed on")                                        \
    X(FORWARD_REPLY_LATE, "a reply arrives for a request that was given up")                       \
    X(FORWARD_COPY, "a copy of a forwarded request is dropped")                                    \
    X(FORWARD_ORIGIN_GONE, "the asking node restarted and gets no reply")                          \
    X(FORWARD_LOST_WRITE, "the connection to the leader breaks under a forwarded write")           \
    X(FORWARD_LOST_READ, "the connection to the leader breaks under a forwarded read")             \
    X(FORWARD_MOVED_READ, "a forwarded read is asked of a new leader")                             \
    X(FORWARD_MOVED_ID, "a forwarded write with an id is asked of a new leader")                   \
    X(FORWARD_MOVED_WRITE, "a forwarded write without an id waits a little for the old leader")    \
    /* node: snapshots */                                                                          \
    X(SNAPSHOT_SEND_BUSY, "a second follower must wait for its snapshot")                          \
    X(SNAPSHOT_SEND_LONG, "a snapshot is longer than the window of chunks")                        \
    X(SNAPSHOT_SEND_RESENT, "chunks are sent again")                                               \
    X(SNAPSHOT_SEND_ASKED_ON, "all chunks are acknowledged and the last one goes out again")       \
    X(SNAPSHOT_SEND_DEPOSED, "a leader is deposed while it sends a snapshot")                      \
    X(SNAPSHOT_SEND_REFUSED, "a follower refuses a stream")                                        \
    X(SNAPSHOT_ACK_STALE, "an acknowledgement is of another stream")                               \
    X(SNAPSHOT_ACK_REPEATED, "an acknowledgement tells nothing new")                               \
    X(SNAPSHOT_CHUNK_OF_OLD_TERM, "a chunk of an earlier term, or to a leader, is refused")        \
    X(SNAPSHOT_CHUNK_INSTALLING, "a chunk arrives while its snapshot is installed")                \
    X(SNAPSHOT_CHUNK_NOT_NEEDED, "a chunk of a snapshot older than the commit index arrives")      \
    X(SNAPSHOT_CHUNK_NO_START, "a chunk arrives whose stream is not known here")                   \
    X(SNAPSHOT_CHUNK_REPEATED, "a chunk arrives again")                                            \
    X(SNAPSHOT_CHUNK_AHEAD, "a chunk arrives before the one it follows")                           \
    X(SNAPSHOT_STREAM_REPLACED, "a new stream replaces one that is not complete")                  \
    X(SNAPSHOT_STAGING_FAILED, "a snapshot cannot be staged because of the disk")                  \
    X(SNAPSHOT_INSTALLED, "a snapshot is installed")                                               \
    X(SNAPSHOT_PERSIST_WAITS, "an installed snapshot waits for the engine's flush")                \
    X(SNAPSHOT_INCOMING_LEFT, "a start removes a snapshot that was not complete")                  \
    X(SNAPSHOT_INSTALLED_AGAIN, "a start installs a staged snapshot")                              \
    X(SNAPSHOT_STAGED_IS_OLD, "a start finds a staged snapshot that is in the state already")      \
    /* node/machine */                                                                             \
    X(ID_ANSWERED, "a request id that is known gets its first answer")                             \
    X(ID_TOO_OLD, "a request id is older than what is kept")                                       \
    X(ID_AHEAD, "a request id is from the future")                                                 \
    X(ID_EVICTED, "an old request id is forgotten")                                                \
    X(MACHINE_COMMIT_BETWEEN, "entries with ids in one batch are committed one by one")            \
    X(MACHINE_WRONG_TYPE, "an operation meets a key of another type")                              \
    X(MACHINE_NOT_A_NUMBER, "an increment meets a string that is no number")                       \
    X(MACHINE_CONDITION_FAILED, "a conditional SET does not write")                                \
    X(MACHINE_LIST_OVERWRITTEN, "a SET replaces a list")                                           \
    X(SCAN_STOPS, "SCAN ends before all keys were visited")                                        \
    /* store */                                                                                    \
    X(WAL_BATCH_LARGE, "a batch holds 64 records or more")                                         \
    X(WAL_ROLLED, "a new segment is begun because the old one is full")                            \
    X(WAL_STATE_CARRIED, "a new segment begins with the latest STATE")                             \
    X(WAL_FIRST_BATCH_FREES_NONE,                                                                  \
      "segments are not needed and the first batch does not free them")                            \
    X(WAL_SEGMENT_RECYCLED, "a segment is made of a spare file")                                   \
    X(WAL_SEGMENT_SPARED, "a segment becomes a spare")                                             \
    X(WAL_SEGMENT_REMOVED, "a segment that cannot become a spare is removed")                      \
    X(WAL_ENTRIES_VOIDED, "a conflict voids entries of earlier segments")                          \
    X(WAL_TORN_BATCH, "a start finds a header without its whole batch")                            \
    X(WAL_TORN_CUT, "a start writes zeros over the remains of a torn batch")                       \
    X(WAL_LAST_EMPTY, "a start finds a last segment without a batch")                              \
    X(WAL_DAMAGE_FOUND, "a start finds a durable batch damaged")                                   \
    X(WAL_SPARE_ADOPTED, "a start finds a spare")                                                  \
    /* front */                                                                                    \
    X(FRONT_PART_OF_COMMAND, "input ends inside a command")                                        \
    X(FRONT_ARGS_GROW, "a command has more arguments than there was room for")                     \
    X(FRONT_SLOTS_GROW, "more commands are in flight than there was room for")                     \
    X(FRONT_HELD, "a command waits for the run of reads or writes before it")                      \
    X(FRONT_HELD_MOVED, "a command that waits moves with its input")                               \
    X(FRONT_REPLY_EARLY, "a reply waits for those before it")                                      \
    X(FRONT_OUTPUT_FULL, "a session takes no command because its output is full")                  \
    X(FRONT_CANCELLED, "a session ends with requests in flight")                                   \
    X(FRONT_UNKNOWN_COMMAND, "a command does not exist")                                           \
    X(FRONT_WRONG_ARITY, "a command has too few arguments")                                        \
    X(FRONT_VALUE_TOO_BIG, "a value is too large")                                                 \
    X(FRONT_KEY_TOO_BIG, "a key is too large")                                                     \
    X(FRONT_LEVEL_REFUSED, "a write asks for LEVEL local")                                         \
    X(FRONT_ID_REFUSED, "a request id is malformed")                                               \
    X(FRONT_PROTOCOL_ERROR, "malformed input ends a session")

enum mark {
#define X(name, text) MARK_##name,
    Q_MARK_MAP(X)
#undef X
        MARK_COUNT
};

/* The code is here. */
#define Q_MARK(name) mark_hit(MARK_##name)
/* The code is here and `condition`, which must have no effects, is true. */
#define Q_MARK_IF(name, condition) ((condition) ? mark_hit(MARK_##name) : (void)0)

/* One byte a mark, not 0 once it was reached. Written by any thread; relaxed, because nothing
 * follows from the order. */
extern unsigned char mark_table[MARK_COUNT];

static inline void mark_hit(enum mark mark)
{
    if (__atomic_load_n(&mark_table[mark], __ATOMIC_RELAXED) == 0) {
        __atomic_store_n(&mark_table[mark], 1, __ATOMIC_RELAXED);
    }
}

/* For campaigns: forgets all marks; copies which were reached since; their names. */
void marks_clear(void);
void marks_read(bool out_reached[MARK_COUNT]);
const char *mark_name(enum mark mark);
const char *mark_text(enum mark mark);

#endif
