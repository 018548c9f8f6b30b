/* base/os/heap: allocation that cannot fail, and the check that stops the process. */
#include "base/check.h"
#include "base/os/heap.h"
#include "harness/test.h"

#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs `act` in a child with stderr in `text`; true when the child aborted. */
static bool aborts(void (*act)(void), char *text, size_t size)
{
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        (void)dup2(ends[1], STDERR_FILENO);
        act();
        _exit(0);
    }
    (void)close(ends[1]);
    const ssize_t got = read(ends[0], text, size - 1);
    text[got > 0 ? got : 0] = '\0';
    (void)close(ends[0]);
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void break_a_check(void)
{
    const int zero = 0;
    Q_CHECK(zero == 1);
}

static void keep_a_check(void)
{
    Q_CHECK(true);
}

TEST(memory_is_zero_filled_and_never_null)
{
    unsigned char *memory = heap_alloc(4096);
    for (size_t i = 0; i < 4096; i++) {
        EXPECT(memory[i] == 0);
    }
    memory = heap_realloc(memory, 8192);
    EXPECT(memory != NULL && memory[4095] == 0);
    heap_free(memory);
    void *nothing = heap_alloc(0);
    EXPECT(nothing != NULL);
    heap_free(nothing);
    heap_free(NULL);
}

TEST(a_broken_check_names_itself_and_aborts)
{
    char text[512];
    EXPECT(aborts(break_a_check, text, sizeof text));
    EXPECT(strstr(text, "heap_test.c:") != NULL);
    EXPECT(strstr(text, "zero == 1") != NULL);
    EXPECT(!aborts(keep_a_check, text, sizeof text));
}

TEST_MAIN(CASE(memory_is_zero_filled_and_never_null), CASE(a_broken_check_names_itself_and_aborts))
