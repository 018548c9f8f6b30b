/* Planted bugs: real bugs of other systems that our tests must catch.
 *
 * `if (Q_PLANT(B01)) { wrong thing }`. In ordinary builds Q_PLANT is the constant false and nothing
 * of the plant is left in the binary. A build with QUORATE_PLANTS chooses one at run time
 * (`quorate-sim --plant B01`). The list of plants and what each stands for is this one table.
 */
#ifndef Q_BASE_PLANT_H
#define Q_BASE_PLANT_H

#include <stdbool.h>

#define Q_PLANT_MAP(X)                                                                             \
    X(NONE, "no plant")                                                                            \
    X(B01, "commit counts replicas of an old-term entry")                                          \
    X(B02, "term and vote are not persisted")                                                      \
    X(B03, "term is persisted before vote, not with it")                                           \
    X(B04, "pre-vote resets the vote of the current term")                                         \
    X(B05, "the vote is set when a leader is discovered")                                          \
    X(B06, "a candidate with the same term does not step down for its leader")                     \
    X(B07, "vote and append responses of an earlier term are counted")                             \
    X(B08, "a follower truncates its log on any append, conflict or not")                          \
    X(B09, "a follower acknowledges entries before they are durable")                              \
    X(B10, "a deposed leader keeps naming itself as leader")                                       \
    X(B11, "a new leader serves reads before its no-op commits")                                   \
    X(B13, "a forwarded proposal is proposed twice")                                               \
    X(B14, "entries behind the log's start are acknowledged with the wrong index")                 \
    X(B23, "a stale snapshot truncates the valid tail of the log")                                 \
    X(B24, "the term of a compacted entry reads as 0")                                             \
    X(B28, "no heartbeats while a snapshot is installed")                                          \
    X(B32, "a partly received snapshot is installed")                                              \
    X(B33, "a retried ReadIndex reuses its context")                                               \
    X(B34, "a leader answers reads without confirming its leadership")                             \
    X(B36, "a deposed leader answers the reads it had queued")                                     \
    X(B37, "no CheckQuorum: a leader without a majority stays leader")                             \
    X(B38, "no PreVote: a rejoining node deposes a healthy leader")                                \
    X(B40, "a leader whose disk hangs stays leader")                                               \
    X(B41, "the in-flight byte counter leaks on rejection")                                        \
    X(B43, "all election timeouts are equal")                                                      \
    X(B44, "a retried request id is executed again")                                               \
    X(B44S, "the request id table is not in the snapshot")                                         \
    X(B45, "failed is answered when leadership is lost, though the entry may commit")              \
    X(B48, "a torn log record stops recovery with an error")                                       \
    X(B49, "the log is acknowledged without fdatasync")                                            \
    X(B50, "recovery drops records below the durable offset")                                      \
    X(RESP, "a reply goes to the wrong one of two pipelined requests")                             \
    X(GATE, "vote responses leave before the vote is durable")                                     \
    X(ABA, "a storage completion of an earlier term marks a newer tail durable")                   \
    X(APPLYTWICE, "applied index is not in the same batch as the data")                            \
    X(STALE, "a restored old copy of a data directory is not noticed")                             \
    X(IDENT, "another node's data directory is accepted")                                          \
    X(WIPED, "an empty data directory resumes the old identity")                                   \
    X(MISDIRECT, "the checksum of a log batch does not cover its position")

enum plant {
#define X(name, text) PLANT_##name,
    Q_PLANT_MAP(X)
#undef X
        PLANT_COUNT
};

#if defined(QUORATE_PLANTS)
extern enum plant plant_active; /* Defined in plant.c; set once before anything runs. */
#define Q_PLANT(name) (plant_active == PLANT_##name)
#else
#define Q_PLANT(name) false
#endif

#endif
