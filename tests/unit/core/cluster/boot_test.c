/* core/cluster/boot: equal lists on empty disks become one cluster, whatever happens meanwhile. */
#include "base/err.h"
#include "base/prng.h"
#include "core/cluster/boot.h"
#include "harness/test.h"

#include <stdio.h>

#define FLIGHTS_MAX 512

struct flight {
    uint64_t at_ms;
    size_t from;
    size_t to;
    size_t size;
    uint8_t body[BOOT_HELLO_SIZE_MAX];
};

struct host {
    bool runs;
    bool agreed; /* This disk once said that it knows all nonces: a map may exist with its own. */
    uint64_t start_at_ms;
    uint64_t nonce;         /* On disk, as is the map. */
    struct cluster_map map; /* version 0 = none. */
    struct boot boot;
};

/* A few nodes and a network that delays, loses, doubles and reorders. */
struct world {
    struct prng prng;
    uint64_t now_ms;
    size_t count;
    uint64_t loss_percent;
    bool crash_before_storing; /* Now and then. */
    struct cluster_list list;
    struct host hosts[NODES_MAX];
    struct flight flights[FLIGHTS_MAX];
    size_t flight_count;
    uint64_t cluster_id; /* Of the first map anybody wrote. */
    bool split;          /* Two maps: the one thing that must never happen. */
};

static void world_init(struct world *world, uint64_t seed, size_t count)
{
    memset(world, 0, sizeof *world);
    prng_init(&world->prng, seed);
    world->count = count;
    world->list.count = count;
    for (size_t i = 0; i < count; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "127.0.0.1:%u", 7482 + 10 * (unsigned)i);
        REQUIRE(cluster_address_set(&world->list.addresses[i], bytes_of_text(text)) == Q_OK);
        world->hosts[i].nonce = prng_next(&world->prng) | 1;
    }
    REQUIRE(cluster_list_sort(&world->list) == Q_OK);
}

static void host_start(struct world *world, size_t i)
{
    struct host *host = &world->hosts[i];
    struct boot_config config = {.self = world->list.addresses[i],
                                 .list = world->list,
                                 .run = prng_next(&world->prng),
                                 .nonce = host->nonce,
                                 .map = host->map};
    char error[256];
    REQUIRE(boot_init(&host->boot, &config, world->now_ms, error, sizeof error) == Q_OK);
    host->runs = true;
}

static void host_stop(struct world *world, size_t i, uint64_t down_ms)
{
    world->hosts[i].runs = false;
    world->hosts[i].start_at_ms = world->now_ms + down_ms;
}

static void fly(struct world *world, size_t from, size_t to, bool asks)
{
    const size_t copies = prng_chance(&world->prng, 1, 10) ? 2 : 1;
    for (size_t copy = 0; copy < copies; copy++) {
        if (world->flight_count == FLIGHTS_MAX ||
            prng_below(&world->prng, 100) < world->loss_percent) {
            continue;
        }
        struct flight *flight = &world->flights[world->flight_count++];
        struct writer w = writer_of(flight->body, sizeof flight->body);
        boot_write_hello(&world->hosts[from].boot, asks, &w);
        REQUIRE(!w.failed);
        flight->size = writer_size(&w);
        flight->from = from;
        flight->to = to;
        flight->at_ms = world->now_ms + prng_between(&world->prng, 1, 300);
    }
}

static bool boot_knows_all(const struct boot *boot)
{
    for (size_t i = 0; i < boot->config.list.count; i++) {
        if (boot->known[i] == 0) {
            return false;
        }
    }
    return true;
}

static void carry_out(struct world *world,
                      size_t i,
                      const struct boot_effects *effects,
                      size_t from)
{
    struct host *host = &world->hosts[i];
    host->agreed = host->agreed || boot_knows_all(&host->boot);
    for (size_t k = 0; k < effects->send_count; k++) {
        fly(world, i, effects->send[k] - 1, true);
    }
    if (effects->reply) {
        fly(world, i, from, false);
    }
    if (!effects->store_map) {
        return;
    }
    if (world->crash_before_storing && prng_chance(&world->prng, 1, 3)) {
        host_stop(world, i, prng_below(&world->prng, 500));
        return;
    }
    host->map = host->boot.map;
    if (world->cluster_id == 0) {
        world->cluster_id = host->map.cluster_id;
    }
    world->split = world->split || world->cluster_id != host->map.cluster_id;
    boot_map_stored(&host->boot);
}

static void world_step(struct world *world)
{
    struct boot_effects effects;
    world->now_ms++;
    for (size_t i = 0; i < world->count; i++) {
        struct host *host = &world->hosts[i];
        if (!host->runs && host->start_at_ms <= world->now_ms) {
            host_start(world, i);
        }
        if (host->runs && boot_next_deadline(&host->boot) <= world->now_ms) {
            boot_tick(&host->boot, world->now_ms, &effects);
            carry_out(world, i, &effects, i);
        }
    }
    for (size_t k = 0; k < world->flight_count;) {
        if (world->flights[k].at_ms > world->now_ms) {
            k++;
            continue;
        }
        const struct flight flight = world->flights[k];
        world->flights[k] = world->flights[--world->flight_count];
        struct host *host = &world->hosts[flight.to];
        if (host->runs) {
            REQUIRE(boot_receive(&host->boot, world->now_ms, bytes_of(flight.body, flight.size),
                                 &effects) == Q_OK);
            carry_out(world, flight.to, &effects, flight.from);
        }
    }
}

static void world_run_for(struct world *world, uint64_t ms)
{
    for (const uint64_t end = world->now_ms + ms; world->now_ms < end;) {
        world_step(world);
    }
}

static bool all_done(const struct world *world)
{
    for (size_t i = 0; i < world->count; i++) {
        if (!world->hosts[i].runs || !boot_is_done(&world->hosts[i].boot)) {
            return false;
        }
    }
    return true;
}

static bool world_run_until_done(struct world *world, uint64_t limit_ms)
{
    for (const uint64_t end = world->now_ms + limit_ms; world->now_ms < end;) {
        world_step(world);
        if (all_done(world)) {
            return true;
        }
    }
    return false;
}

static struct world world;

static const char *text_of_host(size_t i)
{
    static char text[BOOT_TEXT_SIZE_MAX];
    (void)boot_text(&world.hosts[i].boot, world.now_ms, text, sizeof text);
    return text;
}

TEST(a_list_of_one_forms_its_cluster_at_the_first_tick)
{
    world_init(&world, 1, 1);
    EXPECT(world_run_until_done(&world, 1));
    EXPECT(world.cluster_id == cluster_map_id(&world.hosts[0].map));
}

TEST(three_nodes_form_one_cluster_soon_after_the_last_start)
{
    world_init(&world, 2, 3);
    world.hosts[2].start_at_ms = 20000;
    world_run_for(&world, 20000);
    EXPECT(world.cluster_id == 0);
    EXPECT(world_run_until_done(&world, 1500));
    EXPECT(!world.split);
    for (size_t i = 0; i < 3; i++) {
        EXPECT(world.hosts[i].boot.self == i + 1);
        EXPECT(text_of_host(i)[0] == '\0');
    }
}

TEST(a_waiting_node_says_every_five_seconds_who_is_missing)
{
    world_init(&world, 3, 3);
    world.hosts[1].start_at_ms = UINT64_MAX;
    world_run_for(&world, 2000);
    EXPECT(strcmp(text_of_host(0), "waiting for 127.0.0.1:7492: not heard from yet") == 0);
    unsigned logs = 0;
    struct boot_effects effects;
    for (int i = 0; i < 200; i++) {
        world.now_ms += 100;
        boot_tick(&world.hosts[0].boot, world.now_ms, &effects);
        logs += effects.log;
        EXPECT(effects.send_count == 2 && !effects.store_map);
    }
    EXPECT(logs == 4);
    char cut[12];
    EXPECT(boot_text(&world.hosts[0].boot, world.now_ms, cut, sizeof cut) == 11);
    EXPECT(strcmp(cut, "waiting for") == 0);
}

/* Random sizes, starts, loss, doubling, reordering, restarts, and disks lost before the start. */
static void random_boot(uint64_t seed)
{
    struct prng prng;
    prng_init(&prng, seed);
    world_init(&world, seed, prng_between(&prng, 1, NODES_MAX));
    world.loss_percent = prng_below(&prng, 60);
    world.crash_before_storing = prng_chance(&prng, 1, 2);
    for (size_t i = 0; i < world.count; i++) {
        world.hosts[i].start_at_ms = prng_below(&prng, 2000);
    }
    for (uint64_t faults = prng_below(&prng, 12); faults > 0; faults--) {
        world_run_for(&world, prng_below(&prng, 300));
        const size_t victim = prng_below(&prng, world.count);
        host_stop(&world, victim, prng_below(&prng, 400));
        if (!world.hosts[victim].agreed && prng_chance(&prng, 1, 2)) {
            world.hosts[victim].nonce = prng_next(&prng) | 1;
        }
    }
    const bool done = world_run_until_done(&world, 30000);
    if (!done || world.split) {
        print_message("seed %llu: %s\n", (unsigned long long)seed, world.split ? "split" : "stuck");
    }
    REQUIRE(done && !world.split);
}

TEST(two_thousand_random_boots_all_form_one_cluster)
{
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        random_boot(seed);
    }
    EXPECT(world.cluster_id != 0);
}

/* Disks of hosts 0 and 1 are lost at any time, also while some have the map and others do not; host
 * 2 keeps its own. Whoever lost its disk too late cannot join; but nobody ever has another map than
 * host 2 while both have one, and a map once written reaches everybody whom it lists. */
static void lose_disks(uint64_t seed)
{
    struct prng prng;
    prng_init(&prng, seed);
    world_init(&world, seed, 3);
    world.loss_percent = prng_below(&prng, 40);
    for (int faults = 0; faults < 3; faults++) {
        world_run_for(&world, prng_below(&prng, 400));
        const size_t victim = prng_below(&prng, 2);
        host_stop(&world, victim, prng_below(&prng, 100));
        world.hosts[victim].nonce = prng_next(&prng) | 1;
        world.hosts[victim].map.version = 0;
    }
    world_run_for(&world, 8000);
}

/* True when host i lost its disk too late to join, and says so. */
static bool is_left_out(size_t i)
{
    const struct host *host = &world.hosts[i];
    const struct host *keeper = &world.hosts[2];
    if (boot_is_done(&host->boot)) {
        REQUIRE(keeper->map.cluster_id == host->map.cluster_id);
        return false;
    }
    if (keeper->map.version == 0) {
        return false;
    }
    REQUIRE(strstr(text_of_host(i), "disk was lost or replaced") != NULL);
    return true;
}

TEST(disks_lost_around_the_start_never_make_two_clusters)
{
    unsigned late = 0;
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        lose_disks(seed);
        late += is_left_out(0);
        late += is_left_out(1);
    }
    EXPECT(late > 20);
}

static struct boot_effects hear(struct boot *to, const struct boot *from, uint64_t now_ms)
{
    uint8_t body[BOOT_HELLO_SIZE_MAX];
    struct writer w = writer_of(body, sizeof body);
    boot_write_hello(from, true, &w);
    struct boot_effects effects;
    REQUIRE(!w.failed);
    REQUIRE(boot_receive(to, now_ms, bytes_of(body, writer_size(&w)), &effects) == Q_OK);
    return effects;
}

static struct boot boot_of(const char *self,
                           const char *const *addresses,
                           size_t count,
                           uint64_t nonce)
{
    struct boot_config config = {.list = {.count = count}, .nonce = nonce};
    for (size_t i = 0; i < count; i++) {
        REQUIRE(cluster_address_set(&config.list.addresses[i], bytes_of_text(addresses[i])) ==
                Q_OK);
    }
    REQUIRE(cluster_address_set(&config.self, bytes_of_text(self)) == Q_OK);
    REQUIRE(cluster_list_sort(&config.list) == Q_OK);
    struct boot boot;
    char error[256];
    REQUIRE(boot_init(&boot, &config, 0, error, sizeof error) == Q_OK);
    return boot;
}

/* Says hello to and fro until both have stored the map. */
static void pair_up(struct boot *a, struct boot *b)
{
    for (int round = 0; round < 4; round++) {
        if (hear(a, b, 0).store_map) {
            boot_map_stored(a);
        }
        if (hear(b, a, 0).store_map) {
            boot_map_stored(b);
        }
    }
    REQUIRE(boot_is_done(a) && boot_is_done(b));
}

static bool complains(const struct boot *boot, uint64_t now_ms, const char *part)
{
    char text[BOOT_TEXT_SIZE_MAX];
    (void)boot_text(boot, now_ms, text, sizeof text);
    return strstr(text, part) != NULL;
}

static const char *const ab[] = {"a:1", "b:1"};
static const char *const ac[] = {"a:1", "c:1"};

TEST(different_lists_are_an_error_that_names_both)
{
    struct boot a = boot_of("a:1", ab, 2, 11);
    const struct boot other = boot_of("a:1", ac, 2, 11);
    struct boot c = boot_of("c:1", ac, 2, 13);
    const struct boot_effects effects = hear(&c, &a, 100);
    EXPECT(effects.log && effects.reply && !effects.store_map);
    EXPECT(complains(&c, 100,
                     "this node (c:1) was started with the list a:1,c:1, but a:1 with a:1,b:1"));
    EXPECT(!hear(&c, &a, 200).log); /* The same again is not news. */
    EXPECT(hear(&a, &c, 100).log);
    EXPECT(complains(&a, 100, "a:1,b:1, but c:1 with a:1,c:1"));
    EXPECT(!complains(&c, 200 + BOOT_COMPLAINT_KEEP_MS, "was started with"));
    (void)hear(&c, &other, 300); /* Its operator has corrected the list. */
    EXPECT(hear(&c, &other, 300).send_count == 0);
}

/* A node on an empty disk had two lines every 100 ms in its log: each member complained in its own
 * words, and each text was news after the other one. */
TEST(peers_that_complain_by_turns_do_not_fill_the_log)
{
    const char *const ad[] = {"a:1", "d:1"};
    struct boot c = boot_of("c:1", ac, 2, 13);
    struct boot a = boot_of("a:1", ab, 2, 11);
    struct boot d = boot_of("d:1", ad, 2, 14);
    size_t lines = 0;
    for (uint64_t now_ms = 100; now_ms < 100 + 2 * BOOT_LOG_EVERY_MS; now_ms += 100) {
        lines += hear(&c, &a, now_ms).log;
        lines += hear(&c, &d, now_ms).log;
        EXPECT(complains(&c, now_ms, "but d:1 with a:1,d:1"));
        struct boot_effects effects;
        boot_tick(&c, now_ms, &effects);
        lines += effects.log;
    }
    EXPECT(lines == 2);
}

TEST(different_clusters_are_an_error_that_names_both)
{
    struct boot a = boot_of("a:1", ab, 2, 11);
    struct boot b = boot_of("b:1", ab, 2, 12);
    pair_up(&a, &b);
    struct boot a2 = boot_of("a:1", ab, 2, 21);
    struct boot b2 = boot_of("b:1", ab, 2, 22);
    pair_up(&a2, &b2);
    EXPECT(a.map.cluster_id != a2.map.cluster_id);
    const struct boot_effects effects = hear(&a, &b2, 100);
    EXPECT(effects.log);
    char expected[128];
    (void)snprintf(expected, sizeof expected,
                   "belongs to cluster %016llx, but b:1 to cluster %016llx",
                   (unsigned long long)a.map.cluster_id, (unsigned long long)a2.map.cluster_id);
    EXPECT(complains(&a, 100, expected));
}

TEST(a_lost_disk_is_told_by_both_sides_and_never_adopts_the_map)
{
    struct boot a = boot_of("a:1", ab, 2, 11);
    struct boot b = boot_of("b:1", ab, 2, 12);
    pair_up(&a, &b);
    struct boot empty = boot_of("b:1", ab, 2, 99);
    EXPECT(hear(&empty, &a, 100).log);
    EXPECT(complains(&empty, 100, "this node's disk was lost or replaced: a:1 of cluster"));
    EXPECT(empty.state == BOOT_WAITING);
    EXPECT(hear(&a, &empty, 100).reply);
    EXPECT(complains(&a, 100, "b:1 came back with an empty data directory"));
    EXPECT(boot_is_done(&a));
}

/* A has heard all nonces and written map 1; B's disk was lost before B had it. */
TEST(a_disk_lost_between_agreeing_and_storing_is_the_same_error)
{
    struct boot a = boot_of("a:1", ab, 2, 11);
    struct boot b = boot_of("b:1", ab, 2, 12);
    (void)hear(&b, &a, 0);
    (void)hear(&a, &b, 0);
    (void)hear(&b, &a, 0);
    EXPECT(hear(&a, &b, 0).store_map);
    boot_map_stored(&a);
    struct boot empty = boot_of("b:1", ab, 2, 99);
    EXPECT(!hear(&empty, &a, 100).store_map);
    EXPECT(complains(&empty, 100, "disk was lost or replaced"));
}

TEST(a_node_that_the_map_does_not_list_is_an_error_on_both_sides)
{
    struct boot a = boot_of("a:1", ab, 2, 11);
    struct boot b = boot_of("b:1", ab, 2, 12);
    pair_up(&a, &b);
    struct boot c = boot_of("c:1", ac, 2, 13);
    EXPECT(!hear(&c, &a, 100).store_map);
    EXPECT(complains(&c, 100, "this node (c:1) is not a member of cluster"));
    EXPECT(complains(&c, 100, "lists a:1,b:1"));
    (void)hear(&a, &c, 100);
    EXPECT(complains(&a, 100, "c:1 wants to boot with this node (a:1) but is not a member"));
}

TEST(two_nodes_with_one_address_are_an_error)
{
    struct boot a = boot_of("a:1", ab, 2, 11);
    const struct boot twin = boot_of("a:1", ab, 2, 77);
    EXPECT(hear(&a, &twin, 100).log);
    EXPECT(complains(&a, 100, "another node also calls itself a:1"));
}

TEST(a_nonce_that_changes_before_the_start_restarts_the_count)
{
    struct boot a = boot_of("a:1", ab, 2, 11);
    const struct boot first = boot_of("b:1", ab, 2, 12);
    struct boot second = boot_of("b:1", ab, 2, 99);
    EXPECT(!hear(&a, &first, 0).store_map); /* First does not know A's nonce yet. */
    EXPECT(a.known[1] == 12);
    const struct boot_effects effects = hear(&a, &second, 10);
    EXPECT(!effects.store_map && effects.send_count == 1);
    EXPECT(a.known[1] == 99);
    pair_up(&a, &second);
    EXPECT(a.map.nonces[1] == 99);
}

TEST(an_agreement_of_an_earlier_round_does_not_count)
{
    struct boot a = boot_of("a:1", ab, 2, 11);
    struct boot b = boot_of("b:1", ab, 2, 12);
    (void)hear(&b, &a, 0); /* B knows both nonces, but heard A's first round only. */
    const struct boot early = b;
    EXPECT(!hear(&a, &early, 0).store_map);
    EXPECT(!hear(&a, &early, 0).store_map);
    (void)hear(&b, &a, 0); /* A's round in which it knows both. */
    EXPECT(hear(&a, &b, 0).store_map);
}

TEST(a_map_that_is_not_stored_yet_is_not_told_to_others)
{
    struct boot a = boot_of("a:1", ab, 2, 11);
    struct boot b = boot_of("b:1", ab, 2, 12);
    (void)hear(&b, &a, 0);
    (void)hear(&a, &b, 0);
    (void)hear(&b, &a, 0);
    EXPECT(hear(&a, &b, 0).store_map);
    EXPECT(!boot_is_done(&a));
    /* Storing A answers another that asks, but as one that has no map. */
    struct boot empty = boot_of("b:1", ab, 2, 99);
    EXPECT(hear(&a, &empty, 0).reply);
    (void)hear(&empty, &a, 0);
    EXPECT(!complains(&empty, 0, "lost"));
    boot_map_stored(&a);
    (void)hear(&empty, &a, 0);
    EXPECT(complains(&empty, 0, "lost"));
}

TEST(a_map_is_adopted_only_in_answer_to_the_own_round)
{
    struct boot a = boot_of("a:1", ab, 2, 11);
    struct boot b = boot_of("b:1", ab, 2, 12);
    pair_up(&a, &b);
    struct boot again = boot_of("b:1", ab, 2, 12); /* Stopped before it had stored the map. */
    again.round = 1000;
    EXPECT(!hear(&again, &a, 0).store_map);
    (void)hear(&a, &again, 0);
    EXPECT(hear(&again, &a, 0).store_map && again.map.cluster_id == a.map.cluster_id);
}

TEST(a_disk_with_a_map_wins_over_the_list)
{
    struct boot a = boot_of("a:1", ab, 2, 11);
    struct boot b = boot_of("b:1", ab, 2, 12);
    pair_up(&a, &b);
    struct boot_config config = a.config;
    config.map = a.map;
    config.list.count = 1;
    REQUIRE(cluster_address_set(&config.list.addresses[0], bytes_of_text("z:1")) == Q_OK);
    struct boot again;
    char error[256];
    EXPECT(boot_init(&again, &config, 0, error, sizeof error) == Q_OK);
    EXPECT(boot_is_done(&again) && again.config.list.count == 2 && again.self == 1);
}

TEST(a_wrong_own_address_is_refused_at_once)
{
    struct boot a = boot_of("a:1", ab, 2, 11);
    struct boot b = boot_of("b:1", ab, 2, 12);
    pair_up(&a, &b);
    char error[256];
    struct boot other;
    struct boot_config config = a.config;
    REQUIRE(cluster_address_set(&config.self, bytes_of_text("z:1")) == Q_OK);
    EXPECT(boot_init(&other, &config, 0, error, sizeof error) == Q_EINVAL);
    EXPECT(strstr(error, "own address z:1 is not in its list a:1,b:1") != NULL);
    config.map = a.map; /* The directory of a:1 started as b:1. */
    REQUIRE(cluster_address_set(&config.self, bytes_of_text("b:1")) == Q_OK);
    EXPECT(boot_init(&other, &config, 0, error, sizeof error) == Q_EINVAL);
    EXPECT(strstr(error, "belongs to another member") != NULL);
}

TEST(malformed_hellos_are_refused_and_change_nothing)
{
    struct boot a = boot_of("a:1", ab, 2, 11);
    struct boot b = boot_of("b:1", ab, 2, 12);
    uint8_t body[BOOT_HELLO_SIZE_MAX];
    struct boot_effects effects;
    for (int with_map = 0; with_map < 2; with_map++) {
        struct writer w = writer_of(body, sizeof body);
        boot_write_hello(&b, true, &w);
        const size_t size = writer_size(&w);
        const struct boot before = a;
        for (size_t cut = 0; cut < size; cut++) {
            EXPECT(boot_receive(&a, 0, bytes_of(body, cut), &effects) == Q_EPROTO);
        }
        body[size] = 0;
        EXPECT(boot_receive(&a, 0, bytes_of(body, size + 1), &effects) == Q_EPROTO);
        body[0] |= 4; /* An unknown flag. */
        EXPECT(boot_receive(&a, 0, bytes_of(body, size), &effects) == Q_EPROTO);
        EXPECT(a.state == before.state && a.round == before.round);
        EXPECT(a.known[1] == before.known[1] && a.complaint[0] == before.complaint[0]);
        if (with_map == 0) {
            pair_up(&a, &b);
        }
    }
}

TEST(random_bytes_never_crash_the_decoder)
{
    struct prng prng;
    prng_init(&prng, 5);
    struct boot a = boot_of("a:1", ab, 2, 11);
    const struct boot b = boot_of("b:1", ab, 2, 12);
    uint8_t body[BOOT_HELLO_SIZE_MAX];
    struct boot_effects effects;
    for (int i = 0; i < 20000; i++) {
        struct writer w = writer_of(body, sizeof body);
        boot_write_hello(&b, true, &w);
        for (uint64_t changes = prng_between(&prng, 1, 4); changes > 0; changes--) {
            body[prng_below(&prng, writer_size(&w))] = (uint8_t)prng_next(&prng);
        }
        const int result = boot_receive(&a, 0, bytes_of(body, writer_size(&w)), &effects);
        EXPECT(result == Q_OK || result == Q_EPROTO);
        EXPECT(!effects.store_map || a.state == BOOT_STORING);
    }
}

TEST_MAIN(CASE(a_list_of_one_forms_its_cluster_at_the_first_tick),
          CASE(three_nodes_form_one_cluster_soon_after_the_last_start),
          CASE(a_waiting_node_says_every_five_seconds_who_is_missing),
          CASE(two_thousand_random_boots_all_form_one_cluster),
          CASE(disks_lost_around_the_start_never_make_two_clusters),
          CASE(different_lists_are_an_error_that_names_both),
          CASE(peers_that_complain_by_turns_do_not_fill_the_log),
          CASE(different_clusters_are_an_error_that_names_both),
          CASE(a_lost_disk_is_told_by_both_sides_and_never_adopts_the_map),
          CASE(a_disk_lost_between_agreeing_and_storing_is_the_same_error),
          CASE(a_node_that_the_map_does_not_list_is_an_error_on_both_sides),
          CASE(two_nodes_with_one_address_are_an_error),
          CASE(a_nonce_that_changes_before_the_start_restarts_the_count),
          CASE(an_agreement_of_an_earlier_round_does_not_count),
          CASE(a_map_that_is_not_stored_yet_is_not_told_to_others),
          CASE(a_map_is_adopted_only_in_answer_to_the_own_round),
          CASE(a_disk_with_a_map_wins_over_the_list),
          CASE(a_wrong_own_address_is_refused_at_once),
          CASE(malformed_hellos_are_refused_and_change_nothing),
          CASE(random_bytes_never_crash_the_decoder))
