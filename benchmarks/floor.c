/* The floor: what probing costs when a program does nothing but talk to the kernel.
 *
 * usage: floor PORT TARGETS INTERVAL_SECONDS SECONDS
 *
 * Every 10 ms, the tick that trunkpulse has, the OPTIONS that are due are written and sent with
 * sendmmsg; answers are taken with recvmmsg as they come and matched by their branch. No state is
 * kept of a target but the number of its last attempt. Prints one JSON object.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 64
#define COOKIE "z9hG4bKf100"
#define COOKIE_BYTES (sizeof COOKIE - 1)
static const double tick_seconds = 0.01, grace_seconds = 0.5;

static struct mmsghdr out[BATCH], in[BATCH];
static struct iovec out_data[BATCH], in_data[BATCH];
static struct sockaddr_in destination[BATCH];
static char out_bytes[BATCH][1024], in_bytes[BATCH][4096];

static double seconds_of(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void write_probe(int place, unsigned target, unsigned attempt, int port, int local_port) {
    char host[32];
    /* The same addresses as benchmarks/load.py gives the other probers. */
    snprintf(host, sizeof host, "127.%u.%u.%u", 1 + target / 62500, target / 250 % 250,
             1 + target % 250);
    int length = snprintf(
        out_bytes[place], sizeof out_bytes[place],
        "OPTIONS sip:%s:%d SIP/2.0\r\n"
        "Via: SIP/2.0/UDP 127.0.0.1:%d;rport;branch=" COOKIE "%08x%08x\r\n"
        "Max-Forwards: 70\r\nFrom: <sip:ping@127.0.0.1>;tag=%08x%08x\r\nTo: <sip:%s:%d>\r\n"
        "Call-ID: f100%08x%08x\r\nCSeq: %u OPTIONS\r\nContact: <sip:127.0.0.1:%d>\r\n"
        "Accept: application/sdp\r\nUser-Agent: trunkpulse\r\nContent-Length: 0\r\n\r\n",
        host, port, local_port, target, attempt, target, attempt, host, port, target, attempt,
        attempt, local_port);
    out_data[place].iov_len = (size_t)length;
    destination[place].sin_family = AF_INET;
    destination[place].sin_port = htons((unsigned short)port);
    inet_pton(AF_INET, host, &destination[place].sin_addr);
}

/* How many answers fit an attempt under way; each attempt is answered once. */
static unsigned long take_answers(int fd, unsigned *awaited, unsigned targets) {
    unsigned long answered = 0;
    int count;
    while ((count = recvmmsg(fd, in, BATCH, MSG_DONTWAIT, NULL)) > 0) {
        for (int i = 0; i < count; i++) {
            size_t length = in[i].msg_len;
            if (length < 12 || memcmp(in_bytes[i], "SIP/2.0 200 ", 12) != 0)
                continue;
            char *branch = memmem(in_bytes[i], length, COOKIE, COOKIE_BYTES);
            unsigned target, attempt;
            if (branch == NULL || branch + COOKIE_BYTES + 16 > in_bytes[i] + length ||
                sscanf(branch + COOKIE_BYTES, "%8x%8x", &target, &attempt) != 2 ||
                target >= targets || awaited[target] != attempt)
                continue;
            awaited[target] = 0;
            answered++;
        }
    }
    return answered;
}

static void wait_until(int fd, double moment) {
    double left = moment - seconds_of(CLOCK_MONOTONIC);
    if (left <= 0)
        return;
    struct pollfd watched = {.fd = fd, .events = POLLIN};
    struct timespec timeout = {.tv_sec = (time_t)left,
                               .tv_nsec = (long)((left - (double)(time_t)left) * 1e9)};
    ppoll(&watched, 1, &timeout, NULL);
}

int main(int count, char **words) {
    if (count != 5) {
        fprintf(stderr, "usage: floor PORT TARGETS INTERVAL_SECONDS SECONDS\n");
        return 2;
    }
    int port = atoi(words[1]);
    unsigned targets = (unsigned)atoi(words[2]);
    double rate = targets / atof(words[3]), seconds = atof(words[4]);
    unsigned *awaited = calloc(targets, sizeof *awaited);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), size = 64 << 20;
    struct sockaddr_in local = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof local;
    if (awaited == NULL || fd < 0 || bind(fd, (struct sockaddr *)&local, sizeof local) < 0 ||
        getsockname(fd, (struct sockaddr *)&local, &length) < 0) {
        perror("floor: cannot bind a UDP port");
        return 1;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    for (int i = 0; i < BATCH; i++) {
        out_data[i].iov_base = out_bytes[i];
        out[i].msg_hdr.msg_iov = &out_data[i];
        out[i].msg_hdr.msg_iovlen = 1;
        out[i].msg_hdr.msg_name = &destination[i];
        out[i].msg_hdr.msg_namelen = sizeof destination[i];
        in_data[i].iov_base = in_bytes[i];
        in_data[i].iov_len = sizeof in_bytes[i];
        in[i].msg_hdr.msg_iov = &in_data[i];
        in[i].msg_hdr.msg_iovlen = 1;
    }

    unsigned long sent = 0, answered = 0;
    double start = seconds_of(CLOCK_MONOTONIC), cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    for (unsigned long tick = 1; (double)tick * tick_seconds <= seconds; tick++) {
        unsigned long due = (unsigned long)((double)tick * tick_seconds * rate);
        while (sent < due) {
            int batch = due - sent < BATCH ? (int)(due - sent) : BATCH;
            for (int i = 0; i < batch; i++) {
                unsigned target = (unsigned)((sent + (unsigned long)i) % targets);
                unsigned attempt = (unsigned)((sent + (unsigned long)i) / targets) + 1;
                awaited[target] = attempt;
                write_probe(i, target, attempt, port, ntohs(local.sin_port));
            }
            int gone = 0;
            while (gone < batch) {
                int accepted = sendmmsg(fd, out + gone, (unsigned)(batch - gone), 0);
                if (accepted > 0)
                    gone += accepted;
            }
            sent += (unsigned long)batch;
        }
        double next = start + (double)(tick + 1) * tick_seconds;
        do {
            answered += take_answers(fd, awaited, targets);
            wait_until(fd, next);
        } while (seconds_of(CLOCK_MONOTONIC) < next);
    }
    double end = seconds_of(CLOCK_MONOTONIC) + grace_seconds;
    while (answered < sent && seconds_of(CLOCK_MONOTONIC) < end) {
        wait_until(fd, end);
        answered += take_answers(fd, awaited, targets);
    }
    printf("{\"sent\": %lu, \"answered\": %lu, \"cpu_seconds\": %.6f}\n", sent, answered,
           seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    return 0;
}
