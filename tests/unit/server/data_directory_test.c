/* server/data_directory: one process at a time, our own format only. */
#include "base/err.h"
#include "harness/test.h"
#include "server/data_directory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct place {
    char root[64];
    char path[128];
    char error[400];
};

static void make(struct place *place)
{
    (void)snprintf(place->root, sizeof place->root, "/tmp/quorate-data-XXXXXX");
    REQUIRE(mkdtemp(place->root) != NULL);
    (void)snprintf(place->path, sizeof place->path, "%s/a/b", place->root);
}

static void clean(const struct place *place)
{
    char command[160];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", place->root);
    REQUIRE(system(command) == 0); /* NOLINT: a test's own temporary directory. */
}

static void put(const struct place *place, const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", place->path, name);
    FILE *file = fopen(path, "we");
    REQUIRE(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

TEST(a_new_directory_is_made_with_its_parents_and_closed_to_others)
{
    struct place place;
    struct data_directory directory;
    make(&place);
    EXPECT(data_directory_open(place.path, &directory, place.error, sizeof place.error) == Q_OK);
    struct stat status;
    EXPECT(stat(place.path, &status) == 0 && (status.st_mode & 0777) == 0700);
    data_directory_close(&directory);
    EXPECT(data_directory_open(place.path, &directory, place.error, sizeof place.error) == Q_OK);
    data_directory_close(&directory);
    clean(&place);
}

TEST(a_directory_that_is_open_to_others_is_closed_to_them)
{
    struct place place;
    struct data_directory directory;
    make(&place);
    EXPECT(chmod(place.root, 0755) == 0);
    EXPECT(data_directory_open(place.root, &directory, place.error, sizeof place.error) == Q_OK);
    struct stat status;
    EXPECT(stat(place.root, &status) == 0 && (status.st_mode & 0777) == 0700);
    data_directory_close(&directory);
    clean(&place);
}

TEST(a_second_process_fails_at_once_and_names_the_first)
{
    struct place place;
    struct data_directory directory;
    make(&place);
    EXPECT(data_directory_open(place.path, &directory, place.error, sizeof place.error) == Q_OK);
    struct data_directory second;
    EXPECT(data_directory_open(place.path, &second, place.error, sizeof place.error) == Q_ELOCKED);
    char holder[32];
    (void)snprintf(holder, sizeof holder, "process %ld", (long)getpid());
    EXPECT(strstr(place.error, holder) != NULL && strstr(place.error, place.path) != NULL);
    data_directory_close(&directory);
    EXPECT(data_directory_open(place.path, &second, place.error, sizeof place.error) == Q_OK);
    data_directory_close(&second);
    clean(&place);
}

TEST(another_format_is_refused_and_left_as_it_is)
{
    struct place place;
    struct data_directory directory;
    make(&place);
    EXPECT(data_directory_open(place.path, &directory, place.error, sizeof place.error) == Q_OK);
    data_directory_close(&directory);
    put(&place, "VERSION", "quorate-data 2\n");
    EXPECT(data_directory_open(place.path, &directory, place.error, sizeof place.error) ==
           Q_EINVAL);
    EXPECT(strstr(place.error, "quorate-data 2") != NULL);
    EXPECT(data_directory_open(place.path, &directory, place.error, sizeof place.error) ==
           Q_EINVAL);
    clean(&place);
}

TEST(no_flipped_bit_in_the_version_is_overlooked)
{
    struct place place;
    struct data_directory directory;
    char version[32] = "";
    make(&place);
    EXPECT(data_directory_open(place.path, &directory, place.error, sizeof place.error) == Q_OK);
    data_directory_close(&directory);
    const int size = snprintf(version, sizeof version, "quorate-data 1\n");
    for (int bit = 0; bit < size * 8; bit++) {
        version[bit / 8] = (char)(version[bit / 8] ^ (1 << bit % 8));
        put(&place, "VERSION", version);
        EXPECT(data_directory_open(place.path, &directory, place.error, sizeof place.error) ==
               Q_EINVAL);
        EXPECT(strstr(place.error, "has format version") != NULL);
        version[bit / 8] = (char)(version[bit / 8] ^ (1 << bit % 8));
    }
    put(&place, "VERSION", version);
    EXPECT(data_directory_open(place.path, &directory, place.error, sizeof place.error) == Q_OK);
    data_directory_close(&directory);
    clean(&place);
}

TEST(files_without_a_version_are_not_taken_for_an_empty_directory)
{
    struct place place;
    struct data_directory directory;
    make(&place);
    (void)snprintf(place.path, sizeof place.path, "%s", place.root);
    put(&place, "photo.jpg", "not ours");
    EXPECT(data_directory_open(place.path, &directory, place.error, sizeof place.error) ==
           Q_EINVAL);
    EXPECT(strstr(place.error, "VERSION") != NULL);
    clean(&place);
}

TEST(a_file_in_its_place_and_a_parent_that_is_none_are_clear_errors)
{
    struct place place;
    struct data_directory directory;
    make(&place);
    (void)snprintf(place.path, sizeof place.path, "%s", place.root);
    put(&place, "file", "");
    (void)snprintf(place.path, sizeof place.path, "%s/file", place.root);
    EXPECT(data_directory_open(place.path, &directory, place.error, sizeof place.error) ==
           Q_EINVAL);
    EXPECT(strstr(place.error, "not a directory") != NULL);
    (void)snprintf(place.path, sizeof place.path, "%s/file/data", place.root);
    EXPECT(data_directory_open(place.path, &directory, place.error, sizeof place.error) == Q_EIO);
    EXPECT(strstr(place.error, place.path) != NULL);
    clean(&place);
}

/* Root may write anywhere, so the test steps down to nobody in a child. */
TEST(a_directory_we_may_not_write_is_a_clear_error)
{
    struct place place;
    make(&place);
    EXPECT(chmod(place.root, 0555) == 0);
    const pid_t pid = fork();
    if (pid == 0) {
        struct data_directory directory;
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) {
            _exit(9);
        }
        const int result =
            data_directory_open(place.path, &directory, place.error, sizeof place.error);
        _exit(result == Q_EIO && strstr(place.error, "Permission denied") != NULL ? 0 : 1);
    }
    int status = -1;
    EXPECT(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    EXPECT(chmod(place.root, 0755) == 0);
    clean(&place);
}

TEST(a_full_disk_is_told_from_one_with_space_and_from_none_at_all)
{
    EXPECT(data_directory_has_space("/tmp"));
    EXPECT(!data_directory_has_space("/proc")); /* Has no blocks to give. */
    EXPECT(data_directory_has_space("/tmp/quorate-is-not-there"));
}

TEST_MAIN(CASE(a_new_directory_is_made_with_its_parents_and_closed_to_others),
          CASE(a_directory_that_is_open_to_others_is_closed_to_them),
          CASE(a_second_process_fails_at_once_and_names_the_first),
          CASE(another_format_is_refused_and_left_as_it_is),
          CASE(no_flipped_bit_in_the_version_is_overlooked),
          CASE(files_without_a_version_are_not_taken_for_an_empty_directory),
          CASE(a_file_in_its_place_and_a_parent_that_is_none_are_clear_errors),
          CASE(a_full_disk_is_told_from_one_with_space_and_from_none_at_all),
          CASE(a_directory_we_may_not_write_is_a_clear_error))
