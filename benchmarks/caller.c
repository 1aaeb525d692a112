/* The caller of the benchmarks: asks a redirect server where calls shall go.
 *
 * usage: caller PORT CALLS_PER_SECOND SECONDS
 *
 * Sends INVITEs to PORT of 127.0.0.1, to changing numbers, and an ACK for each final answer.
 * With 0 calls a second it places as many as are answered: OPEN_CALLS are under way at any time.
 * Nothing is sent again, so a call without an answer is one that was lost. Prints one JSON object:
 * calls sent and answered, those of them answered with 302, and how long the answers took.
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

#define OPEN_CALLS 64
#define MOST_CALLS (1 << 21)
#define COOKIE "z9hG4bKc411"
#define COOKIE_BYTES (sizeof COOKIE - 1)
static const double grace_seconds = 1.0;

static double sent_at[MOST_CALLS];
static float took[MOST_CALLS];
static unsigned sent, answered, redirected;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void write_request(int fd, const char *method, unsigned call, int port, int local_port,
                          const char *to_line, int to_bytes) {
    char bytes[1024], to[256];
    /* As deciding.py dials: a thousand routes begin with these four digits. */
    unsigned number = 1000 + call * 2654435761u % 1000, rest = call % 10000000;
    if (to_line == NULL) {
        to_bytes = snprintf(to, sizeof to, "To: <sip:+%u%07u@127.0.0.1>\r\n", number, rest);
        to_line = to;
    }
    int length = snprintf(
        bytes, sizeof bytes,
        "%s sip:+%u%07u@127.0.0.1:%d SIP/2.0\r\n"
        "Via: SIP/2.0/UDP 127.0.0.1:%d;branch=" COOKIE "%08x\r\n"
        "Max-Forwards: 70\r\nFrom: <sip:caller@127.0.0.1>;tag=%08x\r\n%.*s"
        "Call-ID: c411%08x\r\nCSeq: 1 %s\r\nContact: <sip:caller@127.0.0.1:%d>\r\n"
        "User-Agent: caller\r\nContent-Length: 0\r\n\r\n",
        method, number, rest, port, local_port, call, call, to_bytes, to_line, call, method,
        local_port);
    send(fd, bytes, (size_t)length, 0);
}

static void take_answers(int fd, int port, int local_port) {
    char bytes[4096];
    ssize_t length;
    while ((length = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
        double moment = now();
        char *branch = memmem(bytes, (size_t)length, COOKIE, COOKIE_BYTES);
        char *to = memmem(bytes, (size_t)length, "\r\nTo: ", 6);
        unsigned call;
        if (length < 12 || bytes[8] == '1' || branch == NULL || to == NULL ||
            branch + COOKIE_BYTES + 8 > bytes + length ||
            sscanf(branch + COOKIE_BYTES, "%8x", &call) != 1 || call >= sent ||
            sent_at[call] == 0)
            continue;
        to += 2;
        char *end = memchr(to, '\n', (size_t)(bytes + length - to));
        if (end == NULL)
            continue;
        took[answered++] = (float)(moment - sent_at[call]);
        sent_at[call] = 0;
        redirected += memcmp(bytes, "SIP/2.0 302 ", 12) == 0;
        write_request(fd, "ACK", call, port, local_port, to, (int)(end + 1 - to));
    }
}

static int by_size(const void *a, const void *b) {
    float one = *(const float *)a, other = *(const float *)b;
    return (one > other) - (one < other);
}

static double quantile(double share) {
    return answered ? took[(unsigned)((double)(answered - 1) * share)] : 0;
}

int main(int count, char **words) {
    if (count != 4) {
        fprintf(stderr, "usage: caller PORT CALLS_PER_SECOND SECONDS\n");
        return 2;
    }
    int port = atoi(words[1]);
    double rate = atof(words[2]), seconds = atof(words[3]);
    int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 16 << 20;
    struct sockaddr_in far = {.sin_family = AF_INET,
                              .sin_port = htons((unsigned short)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof local;
    if (fd < 0 || bind(fd, (struct sockaddr *)&local, sizeof local) < 0 ||
        getsockname(fd, (struct sockaddr *)&local, &length) < 0 ||
        connect(fd, (struct sockaddr *)&far, sizeof far) < 0) {
        perror("caller: cannot bind a UDP port");
        return 1;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    int local_port = ntohs(local.sin_port);
    double start = now(), end = start + seconds, last = start;
    while (now() < end && sent < MOST_CALLS) {
        unsigned due = rate > 0 ? (unsigned)((now() - start) * rate) : answered + OPEN_CALLS;
        /* What was lost must not keep the others waiting. */
        if (rate <= 0 && now() - last > 0.2)
            due = sent + OPEN_CALLS;
        if (due > MOST_CALLS)
            due = MOST_CALLS;
        for (; sent < due; last = now()) {
            sent_at[sent] = now();
            sent++;
            write_request(fd, "INVITE", sent - 1, port, local_port, NULL, 0);
        }
        struct pollfd watched = {.fd = fd, .events = POLLIN};
        struct timespec pause = {.tv_nsec = 200000};
        ppoll(&watched, 1, &pause, NULL);
        take_answers(fd, port, local_port);
    }
    double took_seconds = now() - start, until = now() + grace_seconds;
    unsigned in_time = answered;
    while (answered < sent && now() < until) {
        struct pollfd watched = {.fd = fd, .events = POLLIN};
        poll(&watched, 1, 10);
        take_answers(fd, port, local_port);
    }
    qsort(took, answered, sizeof *took, by_size);
    printf("{\"sent\": %u, \"answered\": %u, \"redirected\": %u, \"calls_per_second\": %.1f, "
           "\"p50_seconds\": %.6f, \"p99_seconds\": %.6f}\n",
           sent, answered, redirected, in_time / took_seconds, quantile(0.5), quantile(0.99));
    return 0;
}
