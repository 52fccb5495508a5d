/*
 * The physical floor of a container: what any runtime must at least ask of the kernel.
 *
 *     floor ROOTFS GROUP|- COMMAND [ARG…]
 *
 * One clone3 into five new namespaces, a private mount tree, ROOTFS as the root with the usual
 * file systems in it, exec, wait, and the command's exit code. It does nothing else: no
 * capabilities, no seccomp, no masked paths, no resolution of links in ROOTFS. So it is no
 * runtime and is not safe; it is the ruler that runtimes are held against (LIMITS.md).
 *
 * GROUP is the directory of a cgroup (v2) that the command is born in; "-" leaves it out, and
 * then no cgroup file system is mounted either.
 *
 * Built by: cc -O2 -static -o floor floor.c
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define NEVER (MS_NOSUID | MS_NODEV | MS_NOEXEC)

/* Every failure ends the program: a floor with error recovery would no longer be the floor. */
static void check(long result, const char *what)
{
    if (result < 0) {
        perror(what);
        _exit(125);
    }
}

static void attach(const char *type, const char *target, unsigned long flags, const char *options)
{
    check(mount(type, target, type, flags, options), target);
}

/* /dev: a tmpfs with the six devices and the links that every program takes for granted. */
static void make_dev(void)
{
    static const struct { const char *name; unsigned minor, major; } nodes[] = {
        {"dev/null", 3, 1}, {"dev/zero", 5, 1},   {"dev/full", 7, 1},
        {"dev/tty", 0, 5},  {"dev/random", 8, 1}, {"dev/urandom", 9, 1},
    };
    static const struct { const char *target, *name; } links[] = {
        {"/proc/self/fd", "dev/fd"},         {"/proc/self/fd/0", "dev/stdin"},
        {"/proc/self/fd/1", "dev/stdout"},   {"/proc/self/fd/2", "dev/stderr"},
        {"pts/ptmx", "dev/ptmx"},            {"/proc/kcore", "dev/core"},
    };

    attach("tmpfs", "dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
        check(mknod(nodes[i].name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)), nodes[i].name);
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        check(symlink(links[i].target, links[i].name), links[i].name);

    check(mkdir("dev/pts", 0755), "dev/pts");
    attach("devpts", "dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
    check(mkdir("dev/shm", 01777), "dev/shm");
    attach("tmpfs", "dev/shm", NEVER, "mode=1777,size=65536k");
    check(mkdir("dev/mqueue", 0755), "dev/mqueue");
    attach("mqueue", "dev/mqueue", NEVER, NULL);
}

/* Make the working directory the root and let go of the old one. */
static void enter_root(void)
{
    /* Both arguments ".": the old root lands on top of the new one (pivot_root(2), NOTES), so
       ROOTFS needs no directory to put it in, and unmounting "." takes it off again. */
    check(syscall(SYS_pivot_root, ".", "."), "pivot_root");
    check(umount2(".", MNT_DETACH), "detach the old root");
    check(chdir("/"), "/");
}

/* The child: born as process 1 of its pid namespace. */
static void become(const char *rootfs, int grouped, char **command)
{
    /* Before anything else: from here on no mount reaches the host. */
    check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private mounts");
    check(mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL), rootfs);
    check(chdir(rootfs), rootfs);
    umask(0);

    attach("proc", "proc", NEVER, NULL);
    make_dev();
    attach("sysfs", "sys", NEVER | MS_RDONLY, NULL);
    if (grouped)
        attach("cgroup2", "sys/fs/cgroup", NEVER | MS_RDONLY, NULL);
    check(sethostname("floor", 5), "sethostname");
    enter_root();

    umask(022);
    execv(command[0], command);
    int error = errno;
    perror(command[0]);
    _exit(error == ENOENT ? 127 : 126);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fputs("usage: floor ROOTFS GROUP|- COMMAND [ARG...]\n", stderr);
        return 125;
    }
    int grouped = strcmp(argv[2], "-") != 0;
    int pidfd = -1, group = -1;
    struct clone_args args = {
        .flags = CLONE_PIDFD | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP,
        .pidfd = (uintptr_t)&pidfd,
        .exit_signal = SIGCHLD,
    };
    if (grouped) {
        check(mkdir(argv[2], 0755), argv[2]);
        group = open(argv[2], O_PATH | O_DIRECTORY | O_CLOEXEC);
        check(group, argv[2]);
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)group;
    }

    long child = syscall(SYS_clone3, &args, sizeof args);
    check(child, "clone3");
    if (child == 0)
        become(argv[1], grouped, argv + 3);

    siginfo_t end;
    check(waitid(P_PIDFD, (id_t)pidfd, &end, WEXITED), "waitid");
    if (grouped)
        check(rmdir(argv[2]), argv[2]);
    return end.si_code == CLD_EXITED ? end.si_status : 128 + end.si_status;
}
