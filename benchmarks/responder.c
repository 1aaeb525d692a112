/* The answering side of the benchmarks: 200 to every OPTIONS that comes from loopback.
 *
 * usage: responder
 *
 * Prints the UDP port it listens on, on every address, and answers until SIGTERM, or until
 * LIFE_SECONDS have gone, should whoever started it have died. On SIGTERM it prints its counters
 * as one JSON object, so that a probe that got no answer can be laid at the right door:
 * "overflowed" are requests that the kernel dropped because this side did not take them in time.
 *
 * A request is answered from the address it was sent to, so that the addresses of 127.0.0.0/8 are
 * as many far sides. The answer is the request with another first line: all that a prober matches
 * by, and no more. Where there are recvmmsg and sendmmsg, requests are taken and answered in
 * batches: at 33,000 a second this side must not be the one that is measured.
 */
#define _GNU_SOURCE
#define __APPLE_USE_RFC_3542
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define LIFE_SECONDS 3600
#define REQUEST_BYTES 4096

static const char ok[] = "SIP/2.0 200 OK";
#define OK_BYTES (sizeof ok - 1)

#ifdef __linux__
#define BATCH 64
#else
#define BATCH 1 /* one at a time: macOS has no recvmmsg */
struct mmsghdr {
    struct msghdr msg_hdr;
    unsigned msg_len;
};
#endif

static struct mmsghdr messages[BATCH];
static struct iovec data[BATCH];
static struct sockaddr_in sources[BATCH];
static char requests[BATCH][REQUEST_BYTES], answers[BATCH][REQUEST_BYTES + OK_BYTES];
static union {
    char bytes[256];
    struct cmsghdr aligned;
} control[BATCH];

static unsigned long received, answered, unanswerable;
static uint32_t overflowed;
static volatile sig_atomic_t ended;

static void end(int number) {
    (void)number;
    ended = 1;
}

static int receive(int fd) {
    for (int i = 0; i < BATCH; i++) {
        data[i].iov_base = requests[i];
        data[i].iov_len = sizeof requests[i];
        messages[i].msg_hdr = (struct msghdr){.msg_name = &sources[i],
                                              .msg_namelen = sizeof sources[i],
                                              .msg_iov = &data[i],
                                              .msg_iovlen = 1,
                                              .msg_control = control[i].bytes,
                                              .msg_controllen = sizeof control[i].bytes};
    }
#ifdef __linux__
    return recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
#else
    ssize_t length = recvmsg(fd, &messages[0].msg_hdr, 0);
    messages[0].msg_len = length < 0 ? 0 : (unsigned)length;
    return length < 0 ? -1 : 1;
#endif
}

/* How many of ``count`` messages left; -1 if not even the first did. */
static int send_some(int fd, struct mmsghdr *from, int count) {
#ifdef __linux__
    return sendmmsg(fd, from, (unsigned)count, 0);
#else
    (void)count;
    return sendmsg(fd, &from->msg_hdr, 0) < 0 ? -1 : 1;
#endif
}

/* What the kernel says beside a request: where it was sent to, and how many it has dropped. */
static void read_control(struct msghdr *message) {
#ifdef __linux__
    static struct in_pktinfo info;
    int is_known = 0;
    for (struct cmsghdr *each = CMSG_FIRSTHDR(message); each != NULL;
         each = CMSG_NXTHDR(message, each)) {
        if (each->cmsg_level == IPPROTO_IP && each->cmsg_type == IP_PKTINFO) {
            memcpy(&info, CMSG_DATA(each), sizeof info);
            is_known = 1;
        } else if (each->cmsg_level == SOL_SOCKET && each->cmsg_type == SO_RXQ_OVFL) {
            memcpy(&overflowed, CMSG_DATA(each), sizeof overflowed);
        }
    }
    if (is_known) {
        /* The answer leaves from there, and says nothing else. */
        struct cmsghdr *first = (struct cmsghdr *)message->msg_control;
        first->cmsg_level = IPPROTO_IP;
        first->cmsg_type = IP_PKTINFO;
        first->cmsg_len = CMSG_LEN(sizeof info);
        info.ipi_spec_dst = info.ipi_addr;
        info.ipi_ifindex = 0;
        memcpy(CMSG_DATA(first), &info, sizeof info);
        message->msg_controllen = CMSG_SPACE(sizeof info);
        return;
    }
#endif
    message->msg_control = NULL;
    message->msg_controllen = 0;
}

/* Turn a request into its answer, in place number ``to``; false if it is none of ours. */
static int answer(int from, int to) {
    size_t length = messages[from].msg_len;
    const char *request = requests[from];
    if (length < 8 || ntohl(sources[from].sin_addr.s_addr) >> 24 != 127 ||
        memcmp(request, "OPTIONS ", 8) != 0)
        return 0;
    const char *line_end = memchr(request, '\r', length);
    if (line_end == NULL)
        return 0;
    size_t rest = length - (size_t)(line_end - request);
    memcpy(answers[from], ok, OK_BYTES);
    memcpy(answers[from] + OK_BYTES, line_end, rest);
    read_control(&messages[from].msg_hdr);
    data[from].iov_base = answers[from];
    data[from].iov_len = OK_BYTES + rest;
    if (to != from)
        messages[to] = messages[from]; /* it points to its own bytes still */
    return 1;
}

static void send_all(int fd, int count) {
    int gone = 0;
    while (gone < count) {
        int accepted = send_some(fd, messages + gone, count - gone);
        if (accepted > 0) {
            gone += accepted;
            answered += (unsigned long)accepted;
            continue;
        }
        if (errno == EINTR)
            continue;
        /* ECONNREFUSED: a prober that is gone. It says so of the answer before; try this again. */
        if (errno != ECONNREFUSED) {
            perror("responder: an answer could not be sent");
            unanswerable++;
            gone++;
        }
    }
}

int main(void) {
    struct sigaction on_term = {.sa_handler = end};
    sigaction(SIGTERM, &on_term, NULL);
    alarm(LIFE_SECONDS);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0) {
        perror("responder: cannot open a UDP socket");
        return 1;
    }
    int size = 64 << 20;
#ifdef SO_RCVBUFFORCE
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
#endif
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
#ifdef __linux__
    int on = 1;
    setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
#endif
    /* A SIGTERM that comes just before the call waits for no longer than this. */
    struct timeval second = {.tv_sec = 1};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
    struct sockaddr_in local = {.sin_family = AF_INET};
    socklen_t length = sizeof local;
    if (bind(fd, (struct sockaddr *)&local, sizeof local) < 0 ||
        getsockname(fd, (struct sockaddr *)&local, &length) < 0) {
        perror("responder: cannot bind a UDP port");
        return 1;
    }
    printf("%d\n", ntohs(local.sin_port));
    fflush(stdout);

    while (!ended) {
        int count = receive(fd), ready = 0;
        if (count < 0)
            continue; /* SIGTERM, a second without a request, or a prober that is gone */
        for (int i = 0; i < count; i++) {
            received++;
            ready += answer(i, ready);
        }
        send_all(fd, ready);
    }
    printf("{\"received\": %lu, \"answered\": %lu, \"unanswerable\": %lu, \"overflowed\": %lu}\n",
           received, answered, unanswerable, (unsigned long)overflowed);
    return 0;
}
