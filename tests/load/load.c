/*
 * What runs under minit while it is tested and measured: a small static program with a verb for each kind of load.
 *
 *     load pause                  says "ready" and sleeps
 *     load rest                   sleeps
 *     load first COMMAND…         COMMAND as process 1 of a new pid namespace with a /proc of its own; its exit code
 *     load orphans N              says "ready", waits for a byte, leaves N zombies to the reaper, says "done", sleeps
 *     load stream N               N times a line and an orphan that ends, twenty milliseconds apart
 *     load tree N                 N processes, each in a session of its own and most without their parent; says
 *                                 "ready" once all run, and sleeps
 *     load lines N [TAG]          N numbered lines of 100 bytes on standard output
 *     load both N                 N numbered lines on each of standard output and error, at once
 *     load line N                 one line of N bytes and a newline
 *     load zeros N                N bytes of zero
 *     load hold MS                ends at once, and says when; a child of it holds the pipe for MS milliseconds
 *     load answer                 a byte on standard output for each SIGUSR1, and one at first
 *     load faults COMMAND…        how many page faults COMMAND has, with all that it waited for
 *     load ping ROUNDS COMMAND…   COMMAND runs `load answer`: nanoseconds from a signal to its answer, p50 and p99
 *
 * Every failure ends it: what is not there would be measured as fast.
 *
 * Built by: cc -O2 -static -o load load.c
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LINE 100

static void check(long result, const char *what)
{
    if (result < 0) {
        perror(what);
        _exit(125);
    }
}

static void put(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, bytes, length);
        check(written, "write");
        bytes += written;
        length -= (size_t)written;
    }
}

static void say(const char *text)
{
    put(STDOUT_FILENO, text, strlen(text));
}

static void rest(void)
{
    for (;;)
        pause();
}

static pid_t begin(void)
{
    pid_t child = fork();
    check(child, "fork");
    return child;
}

static void finish(pid_t child)
{
    check(waitpid(child, NULL, 0), "waitpid");
}

static int first(char **command)
{
    int status;
    /* Descriptors as a container has them, where that is allowed: who measures looks at what came of it. */
    struct rlimit files;
    check(getrlimit(RLIMIT_NOFILE, &files), "getrlimit");
    files.rlim_max = files.rlim_max < 1 << 17 ? 1 << 17 : files.rlim_max;
    (void)!setrlimit(RLIMIT_NOFILE, &files);
    /* A test that is aborted must leave nothing: this ends with it, and process 1 with this. */
    check(prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl");
    check(unshare(CLONE_NEWPID | CLONE_NEWNS), "unshare");
    pid_t child = begin();
    if (child == 0) {
        check(prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl");
        check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private mounts");
        check(mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "/proc");
        execvp(command[0], command);
        check(-1, command[0]);
    }
    check(waitpid(child, &status, 0), "waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void faults(char **command)
{
    struct rusage used;
    pid_t child = vfork();
    check(child, "vfork");
    if (child == 0) {
        execv(command[0], command);
        _exit(127);
    }
    check(wait4(child, NULL, 0, &used), "wait4");
    printf("%ld\n", used.ru_minflt + used.ru_majflt);
}

/* The children of a process that ends are the reaper's, dead or alive: so many at a time. */
static void leave_orphans(int count)
{
    enum { BATCH = 500 };
    while (count > 0) {
        int now = count < BATCH ? count : BATCH;
        pid_t parent = begin();
        if (parent == 0) {
            for (int i = 0; i < now; i++)
                if (begin() == 0)
                    _exit(0);
            _exit(0);
        }
        finish(parent);
        count -= now;
    }
}

static void orphans(int count)
{
    char go;
    say("ready\n");
    check(read(STDIN_FILENO, &go, 1), "read");
    leave_orphans(count);
    say("done\n");
    rest();
}

static void stream(int count)
{
    struct timespec pace = { 0, 20000000 };
    for (int i = 0; i < count; i++) {
        say("a line\n");
        leave_orphans(1);
        nanosleep(&pace, NULL);
    }
}

/* Every tenth is a child of the one before it; the others lose their parents at once. */
static void tree(int count)
{
    int all[2];
    char byte = '.';
    check(pipe(all), "pipe");
    for (int i = 0; i < count; i++) {
        pid_t between = begin();
        if (between == 0) {
            if (i % 10 == 0 || begin() == 0) {
                check(setsid(), "setsid");
                put(all[1], &byte, 1);
                rest();
            }
            _exit(0);
        }
        if (i % 10 != 0)
            finish(between);
    }
    for (int i = 0; i < count; i++)
        check(read(all[0], &byte, 1), "read");
    say("ready\n");
    rest();
}

static void lines(int fd, long count, char filling)
{
    char *bytes = malloc(LINE * 1000);
    size_t length = 0;
    for (long i = 0; i < count; i++) {
        char *line = bytes + length;
        memset(line, filling, LINE);
        line[sprintf(line, "%08ld", i)] = ' ';
        line[LINE - 1] = '\n';
        length += LINE;
        if (length == LINE * 1000 || i + 1 == count) {
            put(fd, bytes, length);
            length = 0;
        }
    }
}

static void both(long count)
{
    pid_t errors = begin();
    lines(errors == 0 ? STDERR_FILENO : STDOUT_FILENO, count, errors == 0 ? 'e' : 'o');
    if (errors == 0)
        _exit(0);
    finish(errors);
}

static void fill(long count, char byte)
{
    static char bytes[1 << 16];
    memset(bytes, byte, sizeof bytes);
    while (count > 0) {
        size_t now = (size_t)count < sizeof bytes ? (size_t)count : sizeof bytes;
        put(STDOUT_FILENO, bytes, now);
        count -= (long)now;
    }
}

static long long now(clockid_t clock)
{
    struct timespec time;
    check(clock_gettime(clock, &time), "clock_gettime");
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void hold(int milliseconds)
{
    char text[32];
    if (begin() == 0) {
        usleep((useconds_t)milliseconds * 1000);
        _exit(0);
    }
    sprintf(text, "%lld\n", now(CLOCK_REALTIME));
    say(text);
    _exit(0);
}

static void answer(void)
{
    sigset_t wanted;
    int got;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGUSR1);
    check(sigprocmask(SIG_BLOCK, &wanted, NULL), "sigprocmask");
    for (;;) {
        say(".");
        check(-sigwait(&wanted, &got), "sigwait");
    }
}

static int by_size(const void *one, const void *other)
{
    long long left = *(const long long *)one, right = *(const long long *)other;
    return left < right ? -1 : left > right;
}

static void ping(int rounds, char **command)
{
    int out[2];
    char byte;
    long long *times = malloc(sizeof *times * (size_t)rounds);
    check(pipe(out), "pipe");
    pid_t init = begin();
    if (init == 0) {
        check(dup2(out[1], STDOUT_FILENO), "dup2");
        close(out[0]);
        close(out[1]);
        execv(command[0], command);
        check(-1, command[0]);
    }
    close(out[1]);
    check(read(out[0], &byte, 1) - 1, "the first answer");
    for (int i = 0; i < rounds; i++) {
        long long sent = now(CLOCK_MONOTONIC);
        check(kill(init, SIGUSR1), "kill");
        check(read(out[0], &byte, 1) - 1, "an answer");
        times[i] = now(CLOCK_MONOTONIC) - sent;
    }
    check(kill(init, SIGTERM), "kill");
    finish(init);
    qsort(times, (size_t)rounds, sizeof *times, by_size);
    printf("%lld %lld\n", times[rounds / 2], times[rounds - 1 - rounds / 100]);
}

int main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    long number = argc > 2 ? atol(argv[2]) : 0;
    if (strcmp(verb, "first") == 0 && argc > 2)
        return first(argv + 2);
    else if (strcmp(verb, "faults") == 0 && argc > 2)
        faults(argv + 2);
    else if (strcmp(verb, "ping") == 0 && argc > 3)
        ping((int)number, argv + 3);
    else if (strcmp(verb, "orphans") == 0)
        orphans((int)number);
    else if (strcmp(verb, "tree") == 0)
        tree((int)number);
    else if (strcmp(verb, "lines") == 0)
        lines(STDOUT_FILENO, number, argc > 3 ? argv[3][0] : '.');
    else if (strcmp(verb, "both") == 0)
        both(number);
    else if (strcmp(verb, "zeros") == 0)
        fill(number, 0);
    else if (strcmp(verb, "line") == 0) {
        fill(number, 'x');
        say("\n");
    } else if (strcmp(verb, "hold") == 0)
        hold((int)number);
    else if (strcmp(verb, "stream") == 0)
        stream((int)number);
    else if (strcmp(verb, "answer") == 0)
        answer();
    else if (strcmp(verb, "pause") == 0) {
        say("ready\n");
        rest();
    } else if (strcmp(verb, "rest") == 0)
        rest();
    else {
        fprintf(stderr, "load: %s: no such verb\n", verb);
        return 125;
    }
    return 0;
}
