// The floor under starting a container: only the system calls that one cannot do without.
//
// usage: floor [--net] [--one-id] LOWER COMMAND [ARGUMENT…]
//
// User, mount, pid, uts, ipc and cgroup namespaces (a net namespace with --net) by one clone3; the full map
// of /etc/subuid and /etc/subgid by newuidmap and newgidmap, run side by side (--one-id writes a map of one);
// an overlay above LOWER, /proc, a tmpfs as /dev with six nodes of the host; pivot_root; exec. The parent
// waits and removes the upper directory. No seccomp, no capabilities, no terminal, no config: a runner that
// does all that cannot be faster. Exits with COMMAND's status.
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/sched.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static char base[] = "/tmp/floor.XXXXXX";

struct range { char first[16], length[16]; };

// The caller's first range in /etc/subuid or /etc/subgid, by name or number (subuid(5)).
static struct range subordinate(const char *file) {
    char line[256], number[16];
    struct range range;
    const struct passwd *user = getpwuid(getuid());
    snprintf(number, sizeof number, "%u", getuid());
    FILE *in = fopen(file, "re");
    if (!in) err(1, "%s", file);
    while (fgets(line, sizeof line, in)) {
        char *owner = strtok(line, ":"), *first = strtok(NULL, ":"), *length = strtok(NULL, ":\n");
        if (!length || (strcmp(owner, number) != 0 && (!user || strcmp(owner, user->pw_name) != 0))) continue;
        snprintf(range.first, sizeof range.first, "%s", first);
        snprintf(range.length, sizeof range.length, "%s", length);
        fclose(in);
        return range;
    }
    errx(1, "%s has no range for uid %s", file, number);
}

static pid_t start_helper(char *helper, char *pid, char *own, struct range *range) {
    char *argv[] = {helper, pid, "0", own, "1", "1", range->first, range->length, NULL};
    pid_t child;
    int failed = posix_spawnp(&child, helper, NULL, NULL, argv, environ);
    if (failed) errx(1, "%s: %s", helper, strerror(failed));
    return child;
}

static void end_helper(pid_t helper) {
    int status;
    if (waitpid(helper, &status, 0) < 0 || status != 0) errx(1, "a map helper failed");
}

static void write_file(pid_t pid, const char *name, const char *text) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0 || write(file, text, strlen(text)) < 0) err(1, "%s", path);
    close(file);
}

static void map_ids(pid_t pid, int one_id) {
    char uid[16], gid[16], target[16], text[64];
    snprintf(uid, sizeof uid, "%u", getuid());
    snprintf(gid, sizeof gid, "%u", getgid());
    if (one_id) {
        write_file(pid, "setgroups", "deny");
        snprintf(text, sizeof text, "0 %s 1", uid);
        write_file(pid, "uid_map", text);
        snprintf(text, sizeof text, "0 %s 1", gid);
        write_file(pid, "gid_map", text);
        return;
    }
    struct range users = subordinate("/etc/subuid"), groups = subordinate("/etc/subgid");
    snprintf(target, sizeof target, "%d", pid);
    pid_t first = start_helper("newuidmap", target, uid, &users);
    pid_t second = start_helper("newgidmap", target, gid, &groups);
    end_helper(first);
    end_helper(second);
}

static void mount_or_die(const char *source, const char *target, const char *type, unsigned long flags, const char *data) {
    if (mount(source, target, type, flags, data) < 0) err(1, "mount %s", target);
}

static void enter_root(const char *lower) {
    static const char *const nodes[] = {"null", "zero", "full", "random", "urandom", "tty"};
    char options[4096], from[64], to[64];
    mount_or_die(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s/upper,workdir=%s/work,volatile,userxattr", lower, base, base);
    snprintf(to, sizeof to, "%s/root", base);
    mount_or_die("overlay", to, "overlay", 0, options);
    if (chdir(to) < 0) err(1, "%s", to);
    mount_or_die("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    mount_or_die("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=64k");
    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
        snprintf(from, sizeof from, "/dev/%s", nodes[i]);
        snprintf(to, sizeof to, "dev/%s", nodes[i]);
        int file = open(to, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
        if (file < 0) err(1, "%s", to);
        close(file);
        mount_or_die(from, to, NULL, MS_BIND, NULL);
    }
    if (syscall(SYS_pivot_root, ".", ".") < 0) err(1, "pivot_root");
    if (umount2(".", MNT_DETACH) < 0) err(1, "umount2");
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at) {
    (void)info, (void)at;
    return kind == FTW_DP || kind == FTW_DNR ? rmdir(path) : unlink(path);
}

static void remove_base(void) {
    // What overlay makes in the work directory, with mode 0; `incompat/volatile` because of that option.
    static const char *const closed[] = {"work/work", "work/work/incompat", "work/work/incompat/volatile"};
    for (size_t i = 0; i < sizeof closed / sizeof *closed; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s/%s", base, closed[i]);
        if (chmod(path, 0700) < 0) err(1, "%s", path);
    }
    if (nftw(base, remove_one, 8, FTW_DEPTH | FTW_PHYS) < 0) err(1, "%s", base);
}

int main(int argc, char **argv) {
    uint64_t net = 0;
    int one_id = 0;
    for (argv++, argc--; argc > 0 && argv[0][0] == '-'; argv++, argc--) {
        if (strcmp(argv[0], "--net") == 0) net = CLONE_NEWNET;
        else if (strcmp(argv[0], "--one-id") == 0) one_id = 1;
        else errx(2, "unknown option %s", argv[0]);
    }
    if (argc < 2) errx(2, "usage: floor [--net] [--one-id] LOWER COMMAND [ARGUMENT...]");

    if (!mkdtemp(base)) err(1, "%s", base);
    static const char *const parts[] = {"upper", "work", "root"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s/%s", base, parts[i]);
        if (mkdir(path, 0755) < 0) err(1, "%s", path);
    }

    int mapped[2];
    char byte = 0;
    if (pipe2(mapped, O_CLOEXEC) < 0) err(1, "pipe2");
    struct clone_args args = {
        .flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP | net,
        .exit_signal = SIGCHLD,
    };
    pid_t child = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    if (child < 0) err(1, "clone3");
    if (child == 0) {
        close(mapped[1]);
        if (read(mapped[0], &byte, 1) != 1) errx(1, "the parent went away");
        enter_root(argv[0]);
        execvp(argv[1], argv + 1);
        err(127, "%s", argv[1]);
    }
    map_ids(child, one_id);
    if (write(mapped[1], &byte, 1) != 1) err(1, "write");
    int status;
    if (waitpid(child, &status, 0) < 0) err(1, "waitpid");
    remove_base();
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
