/* Every byte of a node's directory is flipped in turn: the node must refuse to start and say which
 * file is damaged, or the byte must have meant nothing. What it serves is never wrong.
 */
#include "base/err.h"
#include "base/hash.h"
#include "base/os/heap.h"
#include "harness/fault_run.h"
#include "harness/fault_world.h"
#include "node/node_private.h"
#include "store/wal_format.h"

#include <inttypes.h>
#include <string.h>

/* Of the bytes of a directory a run takes one in so many. */
#define STRIDE             5
#define STRIDE_AMONG_THREE 401

/* What a byte is, by docs/formats/wal.md. */
enum place {
    PLACE_IDENTITY,
    PLACE_HEADER,  /* Of a batch... */
    PLACE_BODY,    /* ...its records... */
    PLACE_PADDING, /* ...and the zeros behind them. */
    PLACE_LAST,    /* Anything of the very last batch. */
    PLACE_REST,    /* Behind the last batch of a segment. */
    PLACE_SPARE,   /* A recycled segment. */
    PLACE_STAGED,  /* snapshots/install. */
    PLACES
};

static const char *const place_names[PLACES] = {
    [PLACE_IDENTITY] = "identity",    [PLACE_HEADER] = "batch headers",
    [PLACE_BODY] = "batch bodies",    [PLACE_PADDING] = "batch padding",
    [PLACE_LAST] = "the last batch",  [PLACE_REST] = "behind the last batch",
    [PLACE_SPARE] = "spare segments", [PLACE_STAGED] = "staged snapshot",
};

enum outcome {
    OUTCOME_REFUSED,
    OUTCOME_SAME,  /* The state is that of the undamaged directory. */
    OUTCOME_TORN,  /* It lacks the last batch and nothing else. */
    OUTCOME_WRONG, /* Anything else. */
    OUTCOMES
};

struct count {
    size_t bytes;
    size_t outcomes[OUTCOMES];
};

/* A directory at rest, with the engine that belongs to it. */
struct directory {
    struct fault_world f;             /* Its victim's disk and engine are meant. */
    uint8_t *places[FAULT_NAMES_MAX]; /* Owned. By name of the disk: an enum place per byte. */
    uint64_t whole;                   /* Digest of what a node makes of it... */
    uint64_t torn;                    /* ...and without the last batch. */
    struct count counts[PLACES];
};

/* ---- what a directory says ---- */

static struct fault_files *disk_of(struct directory *directory)
{
    return &directory->f.disks[directory->f.victim];
}

static const struct fault_name *name_at(struct directory *directory, size_t i)
{
    return &disk_of(directory)->cache.names[i];
}

static struct bytes contents_at(struct directory *directory, size_t i)
{
    return buf_bytes(&name_at(directory, i)->inode->cache);
}

static bool is_segment(const char *path)
{
    return strstr(path, ".seg") != NULL;
}

static uint64_t number_of_segment(const char *path)
{
    uint64_t number = 0;
    REQUIRE(sscanf(path, "wal/%16" SCNx64 ".seg", &number) == 1);
    return number;
}

/* Marks the batches of a segment; returns where the last one begins. */
static uint64_t mark_segment(struct bytes bytes, uint64_t number, uint8_t *places)
{
    struct wal_position at = {.segment = number};
    struct wal_batch batch;
    uint64_t last = 0;
    memset(places, PLACE_REST, bytes.size);
    while (at.offset < bytes.size &&
           wal_batch_decode(bytes_of(bytes.data + at.offset, bytes.size - (size_t)at.offset), at,
                            &batch)) {
        uint8_t *place = places + at.offset;
        const size_t size = (size_t)wal_batch_size(batch.body_size);
        memset(place, PLACE_PADDING, size);
        memset(place, PLACE_HEADER, WAL_BATCH_HEADER_SIZE);
        memset(place + WAL_BATCH_HEADER_SIZE, PLACE_BODY, batch.body_size);
        last = at.offset;
        at.offset += size;
    }
    return last;
}

static void mark_all(struct directory *directory)
{
    size_t newest = SIZE_MAX;
    uint64_t newest_last = 0;
    for (size_t i = 0; i < disk_of(directory)->cache.count; i++) {
        const char *path = name_at(directory, i)->path;
        const struct bytes bytes = contents_at(directory, i);
        uint8_t *places = heap_alloc_raw(bytes.size + 1);
        directory->places[i] = places;
        memset(places, strcmp(path, "identity") == 0 ? PLACE_IDENTITY : PLACE_SPARE, bytes.size);
        if (strcmp(path, "snapshots/install") == 0) {
            memset(places, PLACE_STAGED, bytes.size);
        } else if (is_segment(path)) {
            const uint64_t last = mark_segment(bytes, number_of_segment(path), places);
            if (newest == SIZE_MAX || strcmp(path, name_at(directory, newest)->path) > 0) {
                newest = i;
                newest_last = last;
            }
        }
    }
    REQUIRE(newest != SIZE_MAX);
    uint8_t *places = directory->places[newest];
    for (size_t i = (size_t)newest_last; i < contents_at(directory, newest).size; i++) {
        places[i] = places[i] == PLACE_REST ? PLACE_REST : PLACE_LAST;
    }
}

/* Everything a node knows after its start. */
static uint64_t digest_of(struct node *node)
{
    const struct raft *raft = node_raft(node);
    const struct raft_log *log = &raft->log;
    const uint64_t numbers[] = {
        raft->hard.term,       raft->hard.vote,
        log->start_index,      log->start_term,
        log->last_index,       raft->applied_index,
        node_cluster_id(node), node->self,
        node->identity.nonce,  incarnation_count(node->identity.incarnation),
        node_state_hash(node)};
    uint64_t digest = hash_bytes(bytes_of(numbers, sizeof numbers));
    for (raft_index i = log->start_index + 1; i <= log->last_index; i++) {
        const struct raft_entry *entry = raft_log_at(log, i);
        const uint64_t head[] = {entry->term, entry->hlc, entry->kind};
        digest = hash_bytes_seeded(bytes_of(head, sizeof head), digest);
        digest = hash_bytes_seeded(entry->payload, digest);
    }
    return digest;
}

/* Starts the victim on `disk` and stops it at once, leaving the engine as it was. */
static int try_directory(struct directory *directory,
                         struct fault_files *disk,
                         uint64_t *out_digest)
{
    struct fault_world *f = &directory->f;
    struct world_place *place = &f->world.places[f->victim];
    place->node_files = &disk->files;
    f->engines[f->victim].flush_stalls = true; /* So that a crash takes back what it did. */
    f->error[0] = '\0';
    const int err = world_try_start(&f->world, f->victim, f->error, sizeof f->error);
    if (err == Q_OK) {
        *out_digest = digest_of(place->node);
        world_crash(&f->world, f->victim, 0);
    } else {
        memory_engine_crash(place->engine, 0);
    }
    REQUIRE(disk->open_count == 0);
    return err;
}

/* ---- directories to damage ---- */

static void options_of(struct node_options *options)
{
    options->wal_segment_size = (uint64_t)12 * 1024;
    options->log_keep_bytes = (uint64_t)32 * 1024;
}

/* The victim's machine lost its power; the digests are what a start must come to. */
static void take_digests(struct directory *directory)
{
    struct fault_files copy;
    fault_clone(&copy, disk_of(directory));
    REQUIRE(try_directory(directory, &copy, &directory->whole) == Q_OK);
    fault_files_deinit(&copy);
    fault_clone(&copy, disk_of(directory));
    for (size_t i = 0; i < copy.cache.count; i++) {
        for (size_t at = 0; at < contents_at(directory, i).size; at++) {
            if (directory->places[i][at] == PLACE_LAST) {
                fault_damage(&copy, copy.cache.names[i].path, at, UINT8_MAX);
            }
        }
    }
    REQUIRE(try_directory(directory, &copy, &directory->torn) == Q_OK);
    fault_files_deinit(&copy);
}

/* A single node with a few segments, a spare or two, and a restart behind it. */
static void make_directory(struct directory *directory)
{
    struct fault_world *f = &directory->f;
    fault_world_prepare(f, 1);
    options_of(&f->world.options);
    f->victim = 1;
    fault_world_start(f, 1);
    fault_world_settle(f);
    for (size_t i = 0; i < 90; i++) {
        pledge_make(f, (enum pledge_kind)(i % PLEDGE_KINDS), 100 + i * 20);
        if (i == 60) {
            fault_world_run(f, 300);
            fault_world_kill(f, 1, 0);
            fault_world_start(f, 1);
            fault_world_settle(f);
        }
    }
    pledge_make_many(f, 24, 900);
    fault_world_run(f, 300);
    /* What is retired now stays a spare. */
    f->world.places[1].node->options.log_keep_bytes /= 2;
    fault_world_run(f, 300);
    pledge_make_many(f, 2, 100);
    fault_world_power_cut(f);
    memset(directory->counts, 0, sizeof directory->counts);
    mark_all(directory);
    take_digests(directory);
}

static void free_marks(struct directory *directory)
{
    for (size_t i = 0; i < FAULT_NAMES_MAX; i++) {
        heap_free(directory->places[i]);
        directory->places[i] = NULL;
    }
}

static void free_directory(struct directory *directory)
{
    free_marks(directory);
    fault_world_close(&directory->f);
}

/* ---- one flip ---- */

static void show(const struct directory *directory, const char *path, size_t at, const char *what)
{
    print_message("# %s, byte %zu: %s: %s\n", path, at, what, directory->f.error);
}

/* The text names the file and says what to do. */
static void expect_a_clear_error(const struct directory *directory, const char *path, size_t at)
{
    const char *error = directory->f.error;
    const bool names_it = strstr(error, path) != NULL || strstr(error, "wal/ goes on") != NULL;
    const bool is_clear = names_it && strstr(error, "leave this node stopped") != NULL;
    if (!is_clear) {
        show(directory, path, at, "not clear");
    }
    REQUIRE(is_clear);
}

static enum outcome flip(struct directory *directory, size_t i, size_t at, uint8_t mask)
{
    const char *path = name_at(directory, i)->path;
    struct fault_files copy;
    uint64_t digest = 0;
    fault_clone(&copy, disk_of(directory));
    fault_damage(&copy, path, at, mask);
    const int err = try_directory(directory, &copy, &digest);
    fault_files_deinit(&copy);
    if (err != Q_OK) {
        if (err != Q_ECORRUPT) {
            show(directory, path, at, err_text(err));
        }
        REQUIRE(err == Q_ECORRUPT);
        expect_a_clear_error(directory, path, at);
        return OUTCOME_REFUSED;
    }
    if (digest == directory->whole) {
        return OUTCOME_SAME;
    }
    return digest == directory->torn ? OUTCOME_TORN : OUTCOME_WRONG;
}

/* What docs/formats say of a flip there. Damage to the last batch looks like a torn one, unless
 * what was done after its sync gives it away. */
static bool is_owed(enum place place, enum outcome outcome)
{
    switch (place) {
    case PLACE_IDENTITY:
    case PLACE_HEADER:
    case PLACE_BODY:
    case PLACE_PADDING:
    case PLACE_STAGED: return outcome == OUTCOME_REFUSED;
    case PLACE_LAST: return outcome != OUTCOME_WRONG;
    case PLACE_REST:
    case PLACE_SPARE: return outcome == OUTCOME_SAME;
    case PLACES: break;
    }
    return false;
}

static void flip_byte(struct directory *directory, size_t i, size_t at, struct prng *prng)
{
    const enum place place = (enum place)directory->places[i][at];
    const bool all_bits = place == PLACE_IDENTITY || place == PLACE_HEADER;
    const unsigned chosen = (unsigned)prng_below(prng, 8);
    struct count *count = &directory->counts[place];
    count->bytes++;
    for (unsigned bit = 0; bit < 8; bit++) {
        if (!all_bits && bit != chosen) {
            continue;
        }
        const enum outcome outcome = flip(directory, i, at, (uint8_t)(1U << bit));
        const bool is_right = is_owed(place, outcome);
        count->outcomes[outcome]++;
        if (!is_right) {
            print_message("# %s, byte %zu of a place of kind %d: outcome %d\n",
                          name_at(directory, i)->path, at, (int)place, (int)outcome);
        }
        REQUIRE(is_right);
    }
}

static void flip_all(struct directory *directory, uint64_t stride)
{
    struct prng prng;
    prng_init(&prng, fault_run_turn());
    uint64_t number = 0;
    for (size_t i = 0; i < disk_of(directory)->cache.count; i++) {
        for (size_t at = 0; at < contents_at(directory, i).size; at++) {
            const bool is_identity = directory->places[i][at] == PLACE_IDENTITY;
            if (fault_run_takes(number++, is_identity ? 1 : stride)) {
                flip_byte(directory, i, at, &prng);
            }
        }
    }
    print_message("# turn %llu: a directory of %llu bytes\n", (unsigned long long)fault_run_turn(),
                  (unsigned long long)number);
    for (enum place place = 0; place < PLACES; place++) {
        const struct count *count = &directory->counts[place];
        if (count->bytes > 0) {
            print_message("# %s: %zu bytes, %zu flips refused, %zu same, %zu torn, %zu wrong\n",
                          place_names[place], count->bytes, count->outcomes[OUTCOME_REFUSED],
                          count->outcomes[OUTCOME_SAME], count->outcomes[OUTCOME_TORN],
                          count->outcomes[OUTCOME_WRONG]);
        }
    }
}

/* ---- cases ---- */

TEST(a_flipped_bit_in_the_log_or_the_identity_is_refused_or_harmless)
{
    static struct directory directory;
    make_directory(&directory);
    flip_all(&directory, STRIDE);
    /* The workload must have made all that a directory can hold. */
    for (enum place place = 0; place < PLACE_STAGED; place++) {
        EXPECT(directory.counts[place].bytes > 0);
    }
    EXPECT(directory.whole != directory.torn);
    EXPECT(directory.counts[PLACE_LAST].outcomes[OUTCOME_SAME] == 0);
    EXPECT(directory.counts[PLACE_BODY].outcomes[OUTCOME_REFUSED] > 10000 / STRIDE);
    EXPECT(directory.counts[PLACE_HEADER].outcomes[OUTCOME_REFUSED] > 8000 / STRIDE);
    free_directory(&directory);
}

TEST(a_flipped_bit_in_a_staged_snapshot_is_refused)
{
    static struct directory directory;
    struct fault_world *f = &directory.f;
    fault_world_prepare(f, 3);
    fault_world_small_log(&f->world.options);
    fault_world_stage(f);
    struct prng prng;
    prng_init(&prng, 1);
    fault_crash(disk_of(&directory), FAULT_LOSE_ALL, &prng);
    memset(directory.counts, 0, sizeof directory.counts);
    mark_all(&directory);
    take_digests(&directory);
    flip_all(&directory, STRIDE);
    EXPECT(directory.counts[PLACE_STAGED].outcomes[OUTCOME_REFUSED] > 4000 / STRIDE);
    free_directory(&directory);
}

/* ---- among three ---- */

/* The victim has lost its last batch without noticing, and with it entries that the leader knows it
 * to have had: it may not get further, nor stay up, but it disturbs nobody. Its disk is given up.
 */
static void stay_behind(struct fault_world *f)
{
    const node_id leader = world_leader(&f->world);
    fault_world_run(f, 2000);
    REQUIRE(world_leader(&f->world) == leader);
    if (f->state == VICTIM_WELL) {
        fault_world_kill(f, f->victim, 0);
    }
    f->state = VICTIM_WELL;
}

/* A start on a damaged copy of the victim's disk. True when the node came up; the copy, on which it
 * has gone on, then is its disk. */
static bool start_damaged(struct directory *directory, size_t i, size_t at, uint8_t mask)
{
    struct fault_world *f = &directory->f;
    char path[FAULT_PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s", name_at(directory, i)->path);
    struct fault_files copy;
    fault_clone(&copy, disk_of(directory));
    fault_damage(&copy, path, at, mask);
    f->world.places[f->victim].node_files = &copy.files;
    const int err = world_try_start(&f->world, f->victim, f->error, sizeof f->error);
    if (err != Q_OK) {
        REQUIRE(err == Q_ECORRUPT);
        expect_a_clear_error(directory, path, at);
        fault_files_deinit(&copy);
        return false;
    }
    if (directory->places[i][at] == PLACE_LAST) {
        stay_behind(f);
        fault_files_deinit(&copy);
        return true;
    }
    fault_world_level(f);
    fault_world_expect_equal(f);
    fault_world_kill(f, f->victim, 0);
    struct prng prng;
    prng_init(&prng, at);
    fault_crash(&copy, FAULT_LOSE_ALL, &prng);
    fault_files_deinit(disk_of(directory));
    fault_clone(disk_of(directory), &copy);
    fault_files_deinit(&copy);
    free_marks(directory);
    mark_all(directory);
    return true;
}

static void damage_one_of_three(struct directory *directory, node_id victim)
{
    struct fault_world *f = &directory->f;
    fault_world_prepare(f, 3);
    options_of(&f->world.options);
    fault_world_start_all(f);
    fault_world_settle(f);
    pledge_make_all_kinds(f, 5);
    pledge_make_many(f, 40, 900);
    fault_world_run(f, 300);
    f->victim = victim;
    fault_world_kill(f, victim, 0);
    struct prng prng;
    prng_init(&prng, fault_run_turn() + victim);
    fault_crash(disk_of(directory), FAULT_LOSE_ALL, &prng);
    mark_all(directory);
    size_t refused = 0;
    size_t came_up = 0;
    uint64_t number = prng_below(&prng, STRIDE_AMONG_THREE);
    for (size_t i = 0; i < disk_of(directory)->cache.count; i++) {
        for (size_t at = 0; at < contents_at(directory, i).size; at++) {
            if (++number % STRIDE_AMONG_THREE != 0) {
                continue;
            }
            const enum place place = (enum place)directory->places[i][at];
            const bool is_up =
                start_damaged(directory, i, at, (uint8_t)(1U << prng_below(&prng, 8)));
            REQUIRE(place == PLACE_LAST || is_up == !is_owed(place, OUTCOME_REFUSED));
            refused += !is_up;
            came_up += is_up;
            fault_world_settle(f);
            pledge_make(f, PLEDGE_PUSH, 16);
            REQUIRE(f->pledges[f->pledge_count - 1].state == PLEDGE_ACKED);
        }
    }
    f->world.places[victim].node_files = &disk_of(directory)->files;
    fault_world_start(f, victim);
    fault_world_level(f);
    fault_world_expect_equal(f);
    pledges_check(f);
    print_message("# node %u: %zu starts refused, %zu came up\n", victim, refused, came_up);
    REQUIRE(refused > 20);
    free_marks(directory);
    fault_world_close(f);
}

TEST(two_nodes_go_on_beside_one_with_a_damaged_disk)
{
    static struct directory directory;
    for (node_id victim = 1; victim <= 3; victim++) {
        damage_one_of_three(&directory, victim);
    }
    EXPECT(directory.f.state == VICTIM_WELL);
}

TEST_MAIN(CASE(a_flipped_bit_in_the_log_or_the_identity_is_refused_or_harmless),
          CASE(a_flipped_bit_in_a_staged_snapshot_is_refused),
          CASE(two_nodes_go_on_beside_one_with_a_damaged_disk))
