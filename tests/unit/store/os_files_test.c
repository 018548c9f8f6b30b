/* store/file on the real file system: what each call does and which error it gives. */
#include "base/err.h"
#include "harness/temporary_directory.h"
#include "harness/test.h"
#include "store/file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct place {
    struct temporary_directory directory;
    struct files *files;
};

static void place_open(struct place *place)
{
    temporary_directory_make(&place->directory);
    place->files = os_files_new(place->directory.path);
    REQUIRE(place->files != NULL);
}

static void place_close(struct place *place)
{
    os_files_free(place->files);
    temporary_directory_remove(&place->directory);
}

static struct file *make_file(const struct place *place, const char *path, const char *text)
{
    struct file *file = NULL;
    REQUIRE(place->files->open(place->files->context, path, true, &file) == Q_OK);
    REQUIRE(place->files->write(place->files->context, file, 0, bytes_of_text(text)) == Q_OK);
    return file;
}

static unsigned mode_of(const struct place *place, const char *path)
{
    char full[128];
    struct stat status;
    (void)snprintf(full, sizeof full, "%s/%s", place->directory.path, path);
    REQUIRE(lstat(full, &status) == 0);
    return status.st_mode & 07777;
}

TEST(bytes_are_read_back_where_they_were_written_and_short_only_at_the_end)
{
    struct place place;
    place_open(&place);
    const struct files *f = place.files;
    struct file *file = make_file(&place, "a", "hello");
    EXPECT(f->write(f->context, file, 8, bytes_of_text("world")) == Q_OK);
    uint64_t size = 0;
    EXPECT(f->size(f->context, file, &size) == Q_OK && size == 13);
    char out[32];
    size_t got = 0;
    EXPECT(f->read(f->context, file, 0, out, 13, &got) == Q_OK && got == 13);
    EXPECT(memcmp(out, "hello\0\0\0world", 13) == 0);
    EXPECT(f->read(f->context, file, 10, out, sizeof out, &got) == Q_OK && got == 3);
    EXPECT(f->read(f->context, file, 13, out, 1, &got) == Q_OK && got == 0);
    EXPECT(f->write(f->context, file, 0, bytes_of("", 0)) == Q_OK);
    EXPECT(f->truncate(f->context, file, 4) == Q_OK);
    EXPECT(f->size(f->context, file, &size) == Q_OK && size == 4);
    EXPECT(f->sync(f->context, file) == Q_OK);
    f->close(f->context, file);
    f->close(f->context, NULL);
    place_close(&place);
}

TEST(missing_and_existing_files_have_their_own_errors)
{
    struct place place;
    place_open(&place);
    const struct files *f = place.files;
    struct file *file = make_file(&place, "a", "x");
    f->close(f->context, file);
    struct file *other = NULL;
    EXPECT(f->open(f->context, "a", true, &other) == Q_EEXIST && other == NULL);
    EXPECT(f->open(f->context, "b", false, &other) == Q_ENOTFOUND && other == NULL);
    EXPECT(f->open(f->context, "no/b", true, &other) == Q_ENOTFOUND);
    EXPECT(f->rename(f->context, "b", "c") == Q_ENOTFOUND);
    EXPECT(f->remove(f->context, "b") == Q_ENOTFOUND);
    EXPECT(f->sync_directory(f->context, "no") == Q_ENOTFOUND);
    EXPECT(f->list(f->context, "no", NULL, NULL) == Q_ENOTFOUND);
    EXPECT(f->make_directory(f->context, "a") == Q_EIO);
    EXPECT(f->make_directory(f->context, "no/b") == Q_ENOTFOUND);
    EXPECT(f->rename(f->context, "a", "c") == Q_OK);
    EXPECT(f->open(f->context, "a", false, &other) == Q_ENOTFOUND);
    EXPECT(f->open(f->context, "c", false, &other) == Q_OK);
    f->close(f->context, other);
    EXPECT(f->remove(f->context, "c") == Q_OK);
    EXPECT(f->remove(f->context, "c") == Q_ENOTFOUND);
    EXPECT(f->sync_directory(f->context, "") == Q_OK);
    place_close(&place);
    EXPECT(os_files_new("/nowhere/at/all") == NULL);
    os_files_free(NULL);
}

TEST(files_are_for_their_owner_only_and_links_are_not_followed)
{
    struct place place;
    place_open(&place);
    const struct files *f = place.files;
    for (int i = 0; i < 2; i++) {
        EXPECT(f->make_directory(f->context, "d") == Q_OK);
    }
    struct file *file = make_file(&place, "d/a", "x");
    f->close(f->context, file);
    EXPECT(mode_of(&place, "d/a") == 0600 && mode_of(&place, "d") == 0700);
    char link[128];
    (void)snprintf(link, sizeof link, "%s/link", place.directory.path);
    EXPECT(symlink("/etc/passwd", link) == 0);
    EXPECT(f->open(f->context, "link", false, &file) == Q_EIO);
    EXPECT(f->sync_directory(f->context, "d") == Q_OK);
    place_close(&place);
}

#define TEXT_SIZE 128

static void collect(void *context, const char *name)
{
    char *text = context;
    const size_t used = strlen(text);
    (void)snprintf(text + used, TEXT_SIZE - used, "%s ", name);
}

TEST(a_listing_names_regular_files_in_order)
{
    struct place place;
    place_open(&place);
    const struct files *f = place.files;
    const char *names[] = {"b", "a", "c", "B", ".hidden"};
    for (size_t i = 0; i < 5; i++) {
        f->close(f->context, make_file(&place, names[i], ""));
    }
    EXPECT(f->make_directory(f->context, "directory") == Q_OK);
    char text[TEXT_SIZE] = "";
    EXPECT(f->list(f->context, "", collect, text) == Q_OK);
    EXPECT(strcmp(text, ".hidden B a b c ") == 0);
    text[0] = '\0';
    EXPECT(f->list(f->context, "directory", collect, text) == Q_OK && text[0] == '\0');
    place_close(&place);
}

TEST(descriptors_do_not_reach_programs_started_later)
{
    struct place place;
    place_open(&place);
    struct file *file = make_file(&place, "a", "x");
    for (int fd = 3; fd < 64; fd++) {
        char link[32];
        char target[256];
        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        const ssize_t size = readlink(link, target, sizeof target - 1);
        if (size > 0) {
            target[size] = '\0';
            const bool is_ours =
                strncmp(target, place.directory.path, strlen(place.directory.path)) == 0;
            EXPECT(!is_ours || (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
        }
    }
    place.files->close(place.files->context, file);
    place_close(&place);
}

/* A child gets a file size limit, so that writes fail as on a broken disk. */
TEST(a_write_the_system_refuses_is_an_error_even_when_part_of_it_went_through)
{
    struct place place;
    place_open(&place);
    const pid_t child = fork();
    if (child == 0) {
        const struct rlimit limit = {.rlim_cur = 4096, .rlim_max = 4096};
        (void)signal(SIGXFSZ, SIG_IGN);
        (void)setrlimit(RLIMIT_FSIZE, &limit);
        static const uint8_t block[8192];
        const struct files *f = place.files;
        struct file *file = NULL;
        int result = f->open(f->context, "a", true, &file);
        result = result == Q_OK ? f->write(f->context, file, 0, bytes_of(block, 4096)) : 1;
        result = result == Q_OK ? f->write(f->context, file, 1, bytes_of(block, 8192)) : 1;
        _exit(result == Q_EIO ? 0 : 1);
    }
    int status = -1;
    EXPECT(child > 0 && waitpid(child, &status, 0) == child);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    place_close(&place);
}

/* /dev/full is the cheapest full disk there is. */
TEST(a_full_disk_is_told_apart_from_a_broken_one)
{
    struct files *f = os_files_new("/dev");
    struct file *file = NULL;
    if (f == NULL || f->open(f->context, "full", false, &file) != Q_OK) {
        os_files_free(f);
        skip();
        return;
    }
    EXPECT(f->write(f->context, file, 0, bytes_of_text("x")) == Q_ENOSPC);
    f->close(f->context, file);
    os_files_free(f);
}

TEST_MAIN(CASE(bytes_are_read_back_where_they_were_written_and_short_only_at_the_end),
          CASE(missing_and_existing_files_have_their_own_errors),
          CASE(files_are_for_their_owner_only_and_links_are_not_followed),
          CASE(a_listing_names_regular_files_in_order),
          CASE(descriptors_do_not_reach_programs_started_later),
          CASE(a_write_the_system_refuses_is_an_error_even_when_part_of_it_went_through),
          CASE(a_full_disk_is_told_apart_from_a_broken_one))
