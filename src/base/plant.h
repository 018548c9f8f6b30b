/* Planted bugs: real bugs of other systems that our tests must catch.
 *
 * `if (Q_PLANT(B01)) { wrong thing }`. In ordinary builds Q_PLANT is the constant false and nothing
 * of the plant is left in the binary. A build with QUORATE_PLANTS chooses one at run time
 * (`quorate-sim --plant B01`; test programs: QUORATE_PLANT=B01). The list of plants is this one
 * table: name, what catches it, what it is. Bnn is a row of the catalogue of real bugs, others have
 * a word. What catches it is `sim`, or running the same seeds `twice`, or a test program,
 * test_<that name>; scripts/sim_plants.py runs it. docs/internals/sim-plants.md says how long that
 * takes.
 */
#ifndef Q_BASE_PLANT_H
#define Q_BASE_PLANT_H

#include <stdbool.h>

#define Q_PLANT_MAP(X)                                                                             \
    X(NONE, sim, "no plant")                                                                       \
    X(B01, sim, "commit counts replicas of an old-term entry")                                     \
    X(B02, sim, "term and vote are not persisted")                                                 \
    X(B03, sim, "term is persisted before vote, not with it")                                      \
    X(B04, sim, "pre-vote resets the vote of the current term")                                    \
    X(B05, sim, "the vote is set when a leader is discovered")                                     \
    X(B06, sim, "a candidate with the same term does not step down for its leader")                \
    X(B07, sim, "vote and append responses of an earlier term are counted")                        \
    X(B08, sim, "a follower truncates its log on any append, conflict or not")                     \
    X(B09, sim, "entries whose write failed are kept as if they were in the log")                  \
    X(B10, sim, "a deposed leader keeps naming itself as leader")                                  \
    X(B11, sim, "a new leader serves reads before its no-op commits")                              \
    X(B12, sim, "half of an even number of nodes is a quorum")                                     \
    X(B13, sim, "a forwarded proposal is proposed twice")                                          \
    X(B14, sim, "entries behind the log's start are acknowledged with the wrong index")            \
    X(B23, sim, "a stale snapshot truncates the valid tail of the log")                            \
    X(B24, sim, "the term of a compacted entry reads as 0")                                        \
    X(B25, sim, "a second snapshot to send takes the place of the first")                          \
    X(B26, sim, "the log is compacted before the state that replaces it is persistent")            \
    X(B27, sim, "entries are stored and committed while a snapshot is installed")                  \
    X(B28, sim, "no heartbeats while a snapshot is installed")                                     \
    X(B29, sim, "a snapshot whose installation a crash ended is forgotten")                        \
    X(B30, sim, "a truncation that the log records is replayed off by one")                        \
    X(B31, sim, "after a restart the applied index falls back to the log's start")                 \
    X(B32, sim, "a partly received snapshot is installed")                                         \
    X(B33, sim, "a retried ReadIndex reuses its context")                                          \
    X(B34, sim, "a leader answers reads without confirming its leadership")                        \
    X(B36, sim, "a deposed leader answers the reads it had queued")                                \
    X(B37, sim, "no CheckQuorum: a leader without a majority stays leader")                        \
    X(B38, sim, "no PreVote: a rejoining node deposes a healthy leader")                           \
    X(B39, sim, "a pre-vote of a lower term is not answered")                                      \
    X(B39L, sim, "a leader of a lower term is not told of ours")                                   \
    X(B40, sim, "a leader whose disk hangs stays leader")                                          \
    X(B41, sim, "the in-flight byte counter leaks on rejection")                                   \
    X(B42, sim, "what a follower lost is not sent again")                                          \
    X(B43, sim, "all election timeouts are equal")                                                 \
    X(B44, sim, "a retried request id is executed again")                                          \
    X(B44S, sim, "the request id table is not in the snapshot")                                    \
    X(B45, sim, "failed is answered when leadership is lost, though the entry may commit")         \
    X(B46, sim, "a retried request id is told to wait for ever")                                   \
    X(B48, sim, "a torn log record stops recovery with an error")                                  \
    X(B49, sim, "the log is acknowledged without fdatasync")                                       \
    X(B50, sim, "recovery drops records below the durable offset")                                 \
    X(B51, sim, "a full disk while the log is written is ignored")                                 \
    X(B68, unit_node_requests, "uncommitted entries are not limited")                              \
    X(B68T, sim, "the count of uncommitted bytes begins anew at a term's start")                   \
    X(B69, unit_core_raft_paper_replication, "one message takes a follower's whole backlog")       \
    X(B70, unit_front_resp_session, "replies nobody reads pile up")                                \
    X(B72, wire_http, "Content-Length beside Transfer-Encoding is accepted")                       \
    X(B72T, wire_http, "HTTP/1.0 may have a Transfer-Encoding")                                    \
    X(B74, sim, "sizes of values in a snapshot have 16 bits")                                      \
    X(B75, wire_resp, "a parser reads two bytes behind its input")                                 \
    X(ABA, sim, "a storage completion of an earlier term marks a newer tail durable")              \
    X(ACKEARLY, sim, "a follower acknowledges entries before they are durable")                    \
    X(APPENDCOMMIT, unit_core_raft_paper_replication,                                              \
      "a follower commits beyond what the append has compared")                                    \
    X(APPLYEARLY, sim, "entries are applied before they are durable here")                         \
    X(APPLYTWICE, sim, "applied index is not in the same batch as the data")                       \
    X(BOOTTWICE, unit_core_cluster_boot,                                                           \
      "a map is formed when all nonces are known, agreed or not")                                  \
    X(CLUSTERID, sim, "messages of another cluster are taken")                                     \
    X(COMPACTVOTE, sim, "compaction writes the term without the vote")                             \
    X(EMPTYDISK, sim, "an empty disk resumes the identity of the lost one")                        \
    X(FAILTIMEOUT, sim, "failed is answered at the deadline of a write that is in the log")        \
    X(FORWARDLOOP, unit_node_forwarding, "a forwarded request is forwarded again")                 \
    X(FRAMESUM, sim, "the checksum of a frame is not looked at")                                   \
    X(FSYNCRETRY, sim, "a failed fdatasync is tried again")                                        \
    X(GATE, sim, "vote responses leave before the vote is durable")                                \
    X(GATEALL, sim, "one completed save releases the messages that wait for later ones")           \
    X(HBCOMMIT, sim, "a heartbeat tells the commit index beyond what the follower holds")          \
    X(HLC, sim, "entries are stamped by the wall clock alone")                                     \
    X(IDBATCH, sim, "request ids are forgotten where a batch ends, and batches differ")            \
    X(IDSYNC, sim, "the identity file is renamed before it is synced")                             \
    X(INCARNATION, sim, "a restarted process keeps its incarnation")                               \
    X(INSTALLWAIT, sim, "the log is reset before an installed snapshot is persistent")             \
    X(LOYAL, sim, "a node votes for others while it hears its leader")                             \
    X(MATCHKEPT, unit_core_raft_paper_replication,                                                 \
      "match indices of an earlier leadership are kept")                                           \
    X(NODIRSYNC, sim, "the name of a new segment is not synced")                                   \
    X(NOREWRITE, sim, "after a start the last batch is not written again before it counts")        \
    X(OTHERDISK, sim, "another node's disk is accepted")                                           \
    X(PIPELINE, unit_front_resp_session,                                                           \
      "a read does not wait for the writes before it in the pipeline")                             \
    X(READAPPLY, sim, "a read is served before the state has reached its index")                   \
    X(RECYCLED, sim, "a batch does not know its place: those of a recycled segment come back")     \
    X(RESP, sim, "a reply goes to the wrong one of two pipelined requests")                        \
    X(SELFMATCH, sim, "a leader counts its own entries before they are durable")                   \
    X(SNAPSYNC, sim, "a staged snapshot is renamed before it is synced")                           \
    X(STATEHEAD, sim, "a new segment begins without term and vote")                                \
    X(STALE, sim, "an old copy of a data directory is not noticed")                                \
    X(TAILACK, unit_core_raft_paper_leader,                                                        \
      "after a snapshot the log behind it is acknowledged unseen")                                 \
    X(NONDET, twice, "an election timeout follows an address")                                     \
    X(NONDETCLOCK, twice, "the node reads the machine's clock past env")                           \
    X(VOTELOG, sim, "a vote is granted to a candidate with a shorter log")

enum plant {
#define X(name, tool, text) PLANT_##name,
    Q_PLANT_MAP(X)
#undef X
        PLANT_COUNT
};

#if defined(QUORATE_PLANTS)
extern enum plant plant_active; /* Defined in plant.c; set once before anything runs. */
#define Q_PLANT(name) (plant_active == PLANT_##name)
/* For NONDETCLOCK: a clock that no simulator knows of. Lives in base/os/clock.c. */
unsigned long long plant_clock_ns(void);
#else
#define Q_PLANT(name)    false
#define plant_clock_ns() 0ULL
#endif

#endif
