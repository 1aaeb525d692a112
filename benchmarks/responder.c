/* The answering side of the benchmarks: 200 to every OPTIONS that comes from loopback.
 *
 * usage: responder
 *
 * Prints the UDP port it listens on, on every address, and answers until it is ended, or until
 * LIFE_SECONDS have gone, should whoever started it have died. A request is answered from the
 * address it was sent to, so that the addresses of 127.0.0.0/8 are as many far sides. The answer
 * is the request with another first line: all that a prober matches by, and no more.
 */
#define _GNU_SOURCE
#define __APPLE_USE_RFC_3542
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LIFE_SECONDS 900

static const char ok[] = "SIP/2.0 200 OK";

int main(void) {
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
#endif
    struct sockaddr_in local = {.sin_family = AF_INET};
    socklen_t length = sizeof local;
    if (bind(fd, (struct sockaddr *)&local, sizeof local) < 0 ||
        getsockname(fd, (struct sockaddr *)&local, &length) < 0) {
        perror("responder: cannot bind a UDP port");
        return 1;
    }
    printf("%d\n", ntohs(local.sin_port));
    fflush(stdout);

    static char request[4096], answer[4096 + sizeof ok];
    static union {
        char bytes[256];
        struct cmsghdr aligned;
    } control;
    for (;;) {
        struct sockaddr_in source;
        struct iovec in = {request, sizeof request};
        struct msghdr message = {.msg_name = &source,
                                 .msg_namelen = sizeof source,
                                 .msg_iov = &in,
                                 .msg_iovlen = 1,
                                 .msg_control = control.bytes,
                                 .msg_controllen = sizeof control.bytes};
        ssize_t received = recvmsg(fd, &message, 0);
        if (received < 8 || ntohl(source.sin_addr.s_addr) >> 24 != 127 ||
            memcmp(request, "OPTIONS ", 8) != 0)
            continue;
        char *line_end = memchr(request, '\r', (size_t)received);
        if (line_end == NULL)
            continue;
        size_t rest = (size_t)received - (size_t)(line_end - request);
        memcpy(answer, ok, sizeof ok - 1);
        memcpy(answer + sizeof ok - 1, line_end, rest);
#ifdef __linux__
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        if (header != NULL && header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo *info = (struct in_pktinfo *)CMSG_DATA(header);
            info->ipi_spec_dst = info->ipi_addr;
            info->ipi_ifindex = 0;
        }
#else
        message.msg_control = NULL;
        message.msg_controllen = 0;
#endif
        struct iovec out = {answer, sizeof ok - 1 + rest};
        message.msg_iov = &out;
        if (sendmsg(fd, &message, 0) < 0 && errno != ECONNREFUSED)
            perror("responder: an answer could not be sent");
    }
}
