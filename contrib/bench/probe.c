// probe connect|round ADDRESS PORT COUNT: microseconds a connection, or a byte there and back; the median.
// probe serve PORT: the server for it, which sends each byte back.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int later(const void *a, const void *b) {
    return (*(double *)a > *(double *)b) - (*(double *)a < *(double *)b);
}

static int dial(struct sockaddr_in *to) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (struct sockaddr *)to, sizeof *to) != 0) {
        perror("connect");
        exit(1);
    }
    return fd;
}

static int serve(int port) {
    struct pollfd all[256] = {{.fd = socket(AF_INET, SOCK_STREAM, 0), .events = POLLIN}};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int count = 1, one = 1;
    if (bind(all[0].fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(all[0].fd, 4096) != 0) return 1;
    while (poll(all, count, -1) > 0) {
        for (int i = count - 1; i > 0; i--) {
            char byte;
            if (!all[i].revents) continue;
            if (read(all[i].fd, &byte, 1) == 1 && write(all[i].fd, &byte, 1) == 1) continue;
            close(all[i].fd);
            all[i] = all[--count];
        }
        if (all[0].revents && count < 256) {
            int fd = accept(all[0].fd, NULL, NULL);
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            if (fd >= 0) all[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
        }
    }
    return 1;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "serve") == 0) return serve(atoi(argv[2]));
    if (argc != 5) return 2;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[3]))};
    inet_pton(AF_INET, argv[2], &to.sin_addr);
    int count = atoi(argv[4]), rounds = strcmp(argv[1], "round") == 0;
    double *times = calloc(count, sizeof *times);
    int fd = rounds ? dial(&to) : -1;
    for (int i = 0; i < count; i++) {
        double start = now();
        char byte = 'x';
        if (rounds) {
            if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1) return 1;
        } else {
            close(dial(&to));
        }
        times[i] = now() - start;
    }
    qsort(times, count, sizeof *times, later);
    printf("%.1f\n", times[count / 2]);
    return 0;
}
