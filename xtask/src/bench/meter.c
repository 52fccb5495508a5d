/*
 * Runs one command and prints what it cost:
 *
 *     meter [-1 | -f FILE] COMMAND [ARG…]   ->   wall_ns cpu_us peak_kb faults status
 *
 * With -1 the clock stops at the command's first byte on standard output, which is waited for. With -f it stops at the
 * time that FILE says: 20 digits, nanoseconds of CLOCK_MONOTONIC. FILE is removed before, and waited for.
 *
 * A static C program of its own, because what stands between the clock and the command is
 * measured with it: a process keeps the peak memory of the one it was forked from (getrusage(2):
 * ru_maxrss survives execve), so the parent has to be smaller than what it measures, and vfork
 * copies no page tables. CPU time, peak and page faults are those of the command and of every
 * descendant that was waited for.
 *
 * Built by: cc -O2 -static -o meter meter.c
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long microseconds(struct timeval time)
{
    return time.tv_sec * 1000000LL + time.tv_usec;
}

/* The time in a file that may not be there yet; 0 if it does not come within 20 seconds. */
static long long stamp(const char *path)
{
    for (int attempt = 0; attempt < 20000; attempt++) {
        char digits[21] = "";
        int file = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t length = file < 0 ? 0 : read(file, digits, 20);
        if (file >= 0)
            close(file);
        if (length == 20)
            return strtoll(digits, NULL, 10);
        usleep(1000);
    }
    return 0;
}

int main(int argc, char **argv)
{
    int until_byte = argc > 1 && strcmp(argv[1], "-1") == 0;
    const char *file = argc > 2 && strcmp(argv[1], "-f") == 0 ? argv[2] : NULL;
    int options = file ? 2 : until_byte;
    /* The child of vfork shares the stack; volatile tells the compiler so. */
    char **volatile command = argv + 1 + options;
    if (argc < 2 + options) {
        fputs("usage: meter [-1 | -f FILE] COMMAND [ARG...]\n", stderr);
        return 125;
    }
    if (file)
        unlink(file);
    /* The command's output must not mix with the figures. */
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int out[2] = { -1, nowhere };
    if (nowhere < 0 || (until_byte && pipe2(out, O_CLOEXEC) < 0)) {
        perror("/dev/null, or a pipe");
        return 125;
    }

    struct timespec began, ended;
    struct rusage used;
    int status;

    clock_gettime(CLOCK_MONOTONIC, &began);
    pid_t child = vfork();
    if (child == 0) {
        dup2(out[1], STDOUT_FILENO);
        execv(command[0], command);
        perror(command[0]);
        _exit(127);
    }
    char byte;
    if (until_byte && (close(out[1]) < 0 || read(out[0], &byte, 1) != 1)) {
        fputs("meter: no byte came\n", stderr);
        return 125;
    }
    clock_gettime(CLOCK_MONOTONIC, &ended);
    if (child < 0 || wait4(child, &status, 0, &used) < 0) {
        perror("meter");
        return 125;
    }
    if (!until_byte)
        clock_gettime(CLOCK_MONOTONIC, &ended);
    if (file) {
        long long time = stamp(file);
        if (time == 0) {
            fprintf(stderr, "meter: no time came in %s\n", file);
            return 125;
        }
        ended.tv_sec = time / 1000000000LL;
        ended.tv_nsec = time % 1000000000LL;
    }

    long long wall = (ended.tv_sec - began.tv_sec) * 1000000000LL + (ended.tv_nsec - began.tv_nsec);
    printf("%lld %lld %ld %ld %d\n", wall, microseconds(used.ru_utime) + microseconds(used.ru_stime),
           used.ru_maxrss, used.ru_minflt + used.ru_majflt,
           WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return 0;
}
