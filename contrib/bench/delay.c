// delay NAMESPACE NAMESPACE MILLISECONDS whole|cut: joins two network namespaces by a pair of TUN devices named `far0`, and
// holds each packet back for that long on its way; for kernels without netem. What TCP sends passes `whole`, as the kernel
// hands it out before it is cut (IFF_VNET_HDR) and as it would pass netem on a veth, or `cut` into packets, as it passes a
// wire. Runs until it is killed.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 256 << 20, LARGEST = 10 + 65536 };

struct way {
    int from, to;
    int64_t delay;
};

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

static int device(const char *name_space, int whole) {
    char path[256];
    snprintf(path, sizeof path, "/run/netns/%s", name_space);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET) != 0) fail(path);
    close(fd);
    int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    struct ifreq request = {.ifr_name = "far0", .ifr_flags = IFF_TUN | IFF_NO_PI | (whole ? IFF_VNET_HDR : 0)};
    if (tun < 0 || ioctl(tun, TUNSETIFF, &request) != 0) fail("TUNSETIFF");
    if (whole && ioctl(tun, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) != 0) fail("TUNSETOFFLOAD");
    return tun;
}

// A ring of packets, each behind its length and the moment when it goes on.
static _Noreturn void *carry(void *argument) {
    struct way *way = argument;
    struct entry { int64_t due; size_t length; };
    char *ring = malloc(ROOM);
    size_t head = 0, tail = 0, used = 0, wrapped = 0;
    for (;;) {
        struct entry next;
        int64_t wait = -1;
        if (used) {
            if (tail == wrapped && wrapped) tail = wrapped = 0;
            memcpy(&next, ring + tail, sizeof next);
            wait = next.due - now();
            if (wait <= 0) {
                if (write(way->to, ring + tail + sizeof next, next.length) < 0) perror("lost");
                tail += sizeof next + next.length;
                used -= sizeof next + next.length;
                continue;
            }
        }
        struct pollfd readable = {.fd = way->from, .events = POLLIN};
        struct timespec timeout = {.tv_nsec = wait};
        if (ppoll(&readable, 1, used ? &timeout : NULL, NULL) != 1) continue;
        if (head + sizeof next + LARGEST > ROOM) {
            wrapped = head;
            head = 0;
        }
        if (used + 2 * LARGEST > ROOM / 2) fail("the way is full");
        ssize_t length = read(way->from, ring + head + sizeof next, LARGEST);
        if (length <= 0) continue;
        next = (struct entry){.due = now() + way->delay, .length = length};
        memcpy(ring + head, &next, sizeof next);
        head += sizeof next + length;
        used += sizeof next + length;
    }
}

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    int whole = strcmp(argv[4], "whole") == 0;
    int one = device(argv[1], whole), other = device(argv[2], whole);
    int64_t delay = atof(argv[3]) * 1e6;
    struct way out = {one, other, delay}, back = {other, one, delay};
    pthread_t thread;
    pthread_create(&thread, NULL, carry, &out);
    puts("ready");
    fflush(stdout);
    carry(&back);
}
