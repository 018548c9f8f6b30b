/* sim/crash/cuts: it enumerates what it says. The numbers are computed by hand. */
#include "harness/test.h"
#include "sim/crash/cuts.h"
#include "unit/sim/crash/script.h"

#define DISTINCT_MAX 4096

struct tally {
    uint64_t cuts;
    uint64_t at[64]; /* By point. */
    uint64_t kills;
    uint64_t distinct;
    uint64_t hashes[DISTINCT_MAX];
    uint64_t sum; /* Of everything, in order. */
};

static void add_hash(struct tally *tally, uint64_t hash)
{
    for (uint64_t i = 0; i < tally->distinct; i++) {
        if (tally->hashes[i] == hash) {
            return;
        }
    }
    REQUIRE(tally->distinct < DISTINCT_MAX);
    tally->hashes[tally->distinct++] = hash;
}

/* No later operation on names of a directory is kept when an earlier one is not. */
static bool has_prefixes(const struct tape_cursor *cursor, const struct tape_cut *cut)
{
    for (size_t i = 0; i < cursor->pending_count; i++) {
        const struct tape_op *op = &cursor->tape->ops[cursor->pending[i]];
        for (size_t k = i + 1; k < cursor->pending_count; k++) {
            const struct tape_op *later = &cursor->tape->ops[cursor->pending[k]];
            const bool same = (strchr(op->path, '/') != NULL) == (strchr(later->path, '/') != NULL);
            if (tape_op_is_name(op) && tape_op_is_name(later) && same && !cut->is_kill &&
                cut->fates[i] != FATE_KEPT && cut->fates[k] == FATE_KEPT) {
                return false;
            }
        }
    }
    return true;
}

static void enumerate(const struct tape *tape, bool is_sample, struct tally *out)
{
    struct cuts cuts;
    struct tape_cut cut;
    memset(out, 0, sizeof *out);
    cuts_init(&cuts, tape, 0, tape->op_count, 7);
    if (is_sample) {
        cuts_sample(&cuts);
    }
    while (cuts_next(&cuts, &cut)) {
        REQUIRE(cut.version >= cuts.cursor.flushed && cut.version <= cuts.cursor.version);
        REQUIRE(has_prefixes(&cuts.cursor, &cut));
        struct tape left;
        tape_cut(&cuts.cursor, &cut, &left);
        const uint64_t hash = tape_hash(&left);
        tape_deinit(&left);
        out->cuts++;
        out->at[cuts.cursor.at]++;
        out->kills += cut.is_kill;
        out->sum = out->sum * 31 + hash;
        add_hash(out, hash);
    }
    cuts_deinit(&cuts);
}

TEST(a_short_script_has_all_its_crash_states)
{
    struct tape tape;
    struct tally tally;
    tape_init(&tape);
    script_name(&tape, TAPE_CREATE, "a", 0);
    script_write(&tape, 0, 0, "abcd");
    script_write(&tape, 0, 4, "efgh");
    script_sync(&tape, TAPE_SYNC, 0);
    script_name(&tape, TAPE_SYNC_DIRECTORY, "", 0);
    enumerate(&tape, false, &tally);
    /* At each point a kill. Then: nothing outstanding; the name or not; name x write x size; name x
     * write x write x size; the name or not; nothing. Tears: 3 places, the other write kept or lost
     * (at point 2 there is none, so each comes twice). */
    EXPECT(tally.kills == 6);
    EXPECT(tally.at[0] == 1 + 1);
    EXPECT(tally.at[1] == 1 + 2);
    EXPECT(tally.at[2] == 1 + 8 + 6);
    EXPECT(tally.at[3] == 1 + 16 + 6);
    EXPECT(tally.at[4] == 1 + 2);
    EXPECT(tally.at[5] == 1 + 1);
    EXPECT(tally.cuts == 48);
    /* No file. One that holds "", 0000, abcd, a, ab, abc; 00000000, abcd0000, 0000efgh, abcdefgh,
     * abcde, abcdef, abcdefg, 0000e, 0000ef, 0000efg. Killed at points 1 to 4: at 0 and at 5
     * nothing is outstanding, and a kill leaves what a power failure leaves. */
    EXPECT(tally.distinct == 1 + 6 + 10 + 4);
    tape_deinit(&tape);
}

TEST(of_each_directory_a_prefix_of_names_survives)
{
    struct tape tape;
    struct tally tally;
    tape_init(&tape);
    script_name(&tape, TAPE_MAKE_DIRECTORY, "d", 0);
    script_name(&tape, TAPE_CREATE, "d/x", 1);
    script_name(&tape, TAPE_CREATE, "y", 2);
    enumerate(&tape, false, &tally);
    EXPECT(tally.at[3] == 1 + 3 * 2);
    /* {}, {d}, {d, d/x}, {d, y}, {d, d/x, y}, and three kills. */
    EXPECT(tally.distinct == 5 + 3);
    tape_deinit(&tape);
}

TEST(the_engine_keeps_each_prefix_in_kills_and_power_failures)
{
    struct tape tape;
    struct tally tally;
    tape_init(&tape);
    script_batch(&tape, '1');
    script_batch(&tape, '2');
    script_batch(&tape, '3');
    tape_add(&tape, (struct tape_op){.kind = TAPE_ENGINE_FLUSH});
    enumerate(&tape, false, &tally);
    EXPECT(tally.at[3] == 4 + 4);
    EXPECT(tally.at[4] == 1 + 1);
    EXPECT(tally.kills == 1 + 2 + 3 + 4 + 1);
    EXPECT(tally.distinct == 4);
    tape_deinit(&tape);
}

/* `count` writes of one byte within a file that is there. */
static void many_writes(struct tape *tape, size_t count)
{
    tape_init(tape);
    script_name(tape, TAPE_CREATE, "a", 0);
    script_write(tape, 0, 0, "................");
    script_sync(tape, TAPE_SYNC, 0);
    script_name(tape, TAPE_SYNC_DIRECTORY, "", 0);
    for (size_t i = 0; i < count; i++) {
        const char text[2] = {(char)('a' + i), '\0'};
        script_write(tape, 0, i, text);
    }
}

TEST(twelve_outstanding_operations_are_taken_in_all_combinations)
{
    struct tape tape;
    struct cuts cuts;
    struct tape_cut cut;
    static bool is_taken[2 * 4096];
    many_writes(&tape, 11);
    script_write(&tape, 0, 16, "z"); /* Makes the file longer. */
    cuts_init(&cuts, &tape, tape.op_count, tape.op_count, 7);
    size_t count = 0;
    while (cuts_next(&cuts, &cut)) {
        size_t kept = (size_t)cut.is_sized << 12;
        for (size_t i = 0; i < 12; i++) {
            kept |= (size_t)(cut.fates[i] == FATE_KEPT) << i;
        }
        count += !cut.is_kill && !is_taken[kept];
        is_taken[kept] = is_taken[kept] || !cut.is_kill;
    }
    EXPECT(count == 2 * (size_t)4096);
    cuts_deinit(&cuts);
    tape_deinit(&tape);
}

TEST(of_fourteen_outstanding_operations_corners_and_drawn_combinations_are_taken)
{
    struct tape tape;
    struct cuts cuts;
    struct tape_cut cut;
    many_writes(&tape, 14);
    cuts_init(&cuts, &tape, tape.op_count, tape.op_count, 7);
    uint64_t count = 0;
    uint64_t losses_of_one = 0;
    while (cuts_next(&cuts, &cut)) {
        size_t lost = 0;
        for (size_t i = 0; i < 14; i++) {
            lost += cut.fates[i] == FATE_LOST;
        }
        losses_of_one += lost == 1 && !cut.is_kill;
        count++;
    }
    /* A kill; all, none, each alone kept and lost; drawn ones. A byte cannot be torn. */
    EXPECT(count == 1 + 2 + 28 + CUTS_RANDOM);
    EXPECT(losses_of_one >= 14);
    cuts_deinit(&cuts);
    tape_deinit(&tape);
}

/* How a single outstanding write of so many sectors is torn. */
struct tears {
    bool at[3 * TAPE_SECTOR_SIZE];
    uint64_t count;
    uint64_t sets; /* Bit i: the set of sectors with the bits of i is taken. */
};

static void tear(size_t sectors, struct tears *out)
{
    char text[3 * TAPE_SECTOR_SIZE + 1] = "";
    struct tape tape;
    struct cuts cuts;
    struct tape_cut cut;
    memset(text, 'x', sectors * TAPE_SECTOR_SIZE);
    memset(out, 0, sizeof *out);
    tape_init(&tape);
    script_name(&tape, TAPE_CREATE, "a", 0);
    script_name(&tape, TAPE_SYNC_DIRECTORY, "", 0);
    script_write(&tape, 0, 0, text);
    cuts_init(&cuts, &tape, 3, 3, 7);
    while (cuts_next(&cuts, &cut)) {
        if (!cut.is_kill && cut.fates[0] == FATE_TORN) {
            REQUIRE(cut.tear_size > 0 && cut.tear_size < sectors * TAPE_SECTOR_SIZE);
            out->at[cut.tear_size] = true;
            out->count++;
        }
        if (!cut.is_kill && cut.fates[0] == FATE_SECTORS) {
            out->sets |= UINT64_C(1) << cut.sectors;
        }
    }
    cuts_deinit(&cuts);
    tape_deinit(&tape);
}

TEST(a_sector_is_torn_at_every_byte)
{
    struct tears tears;
    tear(1, &tears);
    for (size_t i = 1; i < TAPE_SECTOR_SIZE; i++) {
        EXPECT(tears.at[i]);
    }
    EXPECT(tears.sets == 0);
}

TEST(several_sectors_are_torn_at_every_boundary_and_any_of_them_may_be_left)
{
    struct tears tears;
    tear(3, &tears);
    EXPECT(tears.at[512] && tears.at[1024]);
    EXPECT(tears.count == 2 * (2 + (uint64_t)CUTS_TEARS));
    EXPECT(tears.sets == 0xff);
}

TEST(a_sample_takes_some_of_every_point)
{
    struct tape tape;
    static struct tally tally;
    static struct tally again;
    many_writes(&tape, 5);
    enumerate(&tape, true, &tally);
    enumerate(&tape, true, &again);
    for (size_t at = 0; at <= tape.op_count; at++) {
        EXPECT(tally.at[at] == 1 + 2 + CUTS_SAMPLE);
    }
    EXPECT(tally.sum == again.sum);
    tape_deinit(&tape);
}

TEST(only_the_points_asked_for_are_taken)
{
    struct tape tape;
    struct cuts cuts;
    struct tape_cut cut;
    many_writes(&tape, 2);
    cuts_init(&cuts, &tape, 3, 5, 7);
    size_t low = SIZE_MAX;
    size_t high = 0;
    while (cuts_next(&cuts, &cut)) {
        low = cuts.cursor.at < low ? cuts.cursor.at : low;
        high = cuts.cursor.at > high ? cuts.cursor.at : high;
    }
    EXPECT(low == 3 && high == 5);
    EXPECT(!cuts_next(&cuts, &cut));
    cuts_deinit(&cuts);
    tape_deinit(&tape);
}

TEST_MAIN(CASE(a_short_script_has_all_its_crash_states),
          CASE(of_each_directory_a_prefix_of_names_survives),
          CASE(the_engine_keeps_each_prefix_in_kills_and_power_failures),
          CASE(twelve_outstanding_operations_are_taken_in_all_combinations),
          CASE(of_fourteen_outstanding_operations_corners_and_drawn_combinations_are_taken),
          CASE(a_sector_is_torn_at_every_byte),
          CASE(several_sectors_are_torn_at_every_boundary_and_any_of_them_may_be_left),
          CASE(a_sample_takes_some_of_every_point),
          CASE(only_the_points_asked_for_are_taken))
