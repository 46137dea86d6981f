/* kit.c: see kit.h. _GNU_SOURCE for unshare() and the names of Linux. */
#define _GNU_SOURCE
#include "lab/kit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <linux/tcp.h>

#include "err.h"
#include "lab/sysctl.h"
#include "shared.h"
#include "system.h"
#include "tcpinfo.h"

/* Bytes of one write of lab_fill(), and of one read. */
#define PIECE_BYTES 16384

void
lab_pause(void)
{
    struct timespec quarter = {.tv_nsec = 250000};
    nanosleep(&quarter, NULL);
}

void
lab_set(struct lab_case *lab, int fd, int level, int option, int value)
{
    if (setsockopt(fd, level, option, &value, sizeof value) != 0)
        lab_give_up(lab, "option %d of level %d took no %d: %s", option, level, value, lab_errno(errno));
}

int
lab_get(struct lab_case *lab, int fd, int level, int option)
{
    int value = 0;
    socklen_t len = sizeof value;
    if (getsockopt(fd, level, option, &value, &len) != 0)
        lab_give_up(lab, "option %d of level %d cannot be read: %s", option, level, lab_errno(errno));
    return value;
}

void
lab_linger(struct lab_case *lab, int fd, int seconds)
{
    struct linger value = {.l_onoff = 1, .l_linger = seconds};

    if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &value, sizeof value) != 0)
        lab_give_up_system(lab, errno, "SO_LINGER was refused");
}

int
lab_socket(struct lab_case *lab, int family, int type)
{
    int fd = socket(family, type, 0);
    if (fd < 0)
        lab_give_up_system(lab, errno, "no socket could be made");
    return fd;
}

struct endpoint
lab_loopback(struct lab_case *lab, int family, uint16_t port)
{
    struct endpoint at;
    memset(&at, 0, sizeof at);
    if (family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)&at.address;
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        at.len = sizeof *in;
    } else if (family == AF_INET6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&at.address;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        in6->sin6_addr = in6addr_loopback;
        at.len = sizeof *in6;
    } else if (net_resolve(NULL, 0, family, &at) != 0)
        lab_give_up(lab, "%s", err_text());
    return at;
}

uint16_t
lab_port(const struct endpoint *at)
{
    if (at->address.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)&at->address)->sin_port);
    if (at->address.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)&at->address)->sin6_port);
    return 0;
}

struct endpoint
lab_name_of(struct lab_case *lab, int fd)
{
    struct endpoint at;
    memset(&at, 0, sizeof at);
    if (net_local(fd, &at) != 0)
        lab_give_up(lab, "%s", err_text());
    return at;
}

int
lab_connect_to(int fd, const struct endpoint *at)
{
    return connect(fd, (const struct sockaddr *)&at->address, at->len) == 0 ? 0 : errno;
}

int
lab_bind_at(int fd, const struct endpoint *at)
{
    return bind(fd, (const struct sockaddr *)&at->address, at->len) == 0 ? 0 : errno;
}

static void
bind_to(struct lab_case *lab, int fd, const struct endpoint *at)
{
    int code = lab_bind_at(fd, at);
    if (code != 0)
        lab_give_up_system(lab, code, "bind() to loopback failed");
}

int
lab_listen(struct lab_case *lab, int family, int backlog, struct endpoint *bound)
{
    struct endpoint at = lab_loopback(lab, family, 0);
    int fd = lab_socket(lab, family, SOCK_STREAM);

    bind_to(lab, fd, &at);
    if (listen(fd, backlog) != 0)
        lab_give_up_system(lab, errno, "listen() failed");
    *bound = lab_name_of(lab, fd);
    return fd;
}

/* Datagram sockets: both bound, the first connected to the second. */
static void
connect_datagrams(struct lab_case *lab, const struct lab_link *link, int family, int ends[2])
{
    struct endpoint at = lab_loopback(lab, family, 0);

    for (int i = 0; i < 2; i++) {
        ends[i] = lab_socket(lab, family, link->type);
        bind_to(lab, ends[i], &at);
    }
    if (link->sndbuf != 0)
        lab_set(lab, ends[0], SOL_SOCKET, SO_SNDBUF, link->sndbuf);
    if (link->rcvbuf != 0)
        lab_set(lab, ends[1], SOL_SOCKET, SO_RCVBUF, link->rcvbuf);
    struct endpoint to = lab_name_of(lab, ends[1]);
    if (connect(ends[0], (const struct sockaddr *)&to.address, to.len) != 0)
        lab_give_up_system(lab, errno, "a datagram socket could not be connected");
}

/* The first connection's congestion control and MSS stand beside the verdict. */
static void
note_connection(struct lab_case *lab, const struct lab_link *link, int fd)
{
    struct lab_record *record = lab->record;
    char name[sizeof record->congestion] = "";
    socklen_t len = sizeof name - 1;

    if (record->congestion[0] != '\0' || getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len) != 0)
        return;
    snprintf(record->congestion, sizeof record->congestion, "%s", name);
    record->mss = link->mss != 0 ? lab_info(fd, "snd_mss") : MISSING;
}

void
lab_connect(struct lab_case *lab, const struct lab_link *link, int ends[2])
{
    int family = link->family != 0 ? link->family : AF_INET;

    if (link->type != 0 && link->type != SOCK_STREAM) {
        connect_datagrams(lab, link, family, ends);
        return;
    }
    struct endpoint at = lab_loopback(lab, family, 0);
    int listener = lab_socket(lab, family, SOCK_STREAM);
    ends[0] = lab_socket(lab, family, SOCK_STREAM);
    if (link->sndbuf != 0)
        lab_set(lab, ends[0], SOL_SOCKET, SO_SNDBUF, link->sndbuf);
    if (link->rcvbuf != 0)
        lab_set(lab, listener, SOL_SOCKET, SO_RCVBUF, link->rcvbuf);
    if (family != AF_UNIX) {
        const int both[2] = {listener, ends[0]};
        for (int i = 0; i < 2; i++) {
            if (link->mss != 0)
                lab_set(lab, both[i], IPPROTO_TCP, TCP_MAXSEG, link->mss);
            if (!link->congested && setsockopt(both[i], IPPROTO_TCP, TCP_CONGESTION, "reno", 4) != 0)
                lab_give_up_system(lab, errno, "TCP_CONGESTION reno was refused");
        }
    }
    bind_to(lab, listener, &at);
    if (listen(listener, 1) != 0)
        lab_give_up_system(lab, errno, "listen() failed");
    at = lab_name_of(lab, listener);
    if (connect(ends[0], (const struct sockaddr *)&at.address, at.len) != 0)
        lab_give_up_system(lab, errno, "connect() to loopback failed");
    ends[1] = accept(listener, NULL, NULL);
    if (ends[1] < 0)
        lab_give_up_system(lab, errno, "accept() failed");
    close(listener);
    if (family != AF_UNIX)
        note_connection(lab, link, ends[0]);
}

void
lab_send(struct lab_case *lab, int fd, size_t count, int flags)
{
    static const char letters[PIECE_BYTES];

    while (count > 0) {
        size_t piece = count < sizeof letters ? count : sizeof letters;
        ssize_t sent = send(fd, letters, piece, flags | MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent <= 0)
            lab_give_up_system(lab, errno, "the kernel did not take what was to be sent");
        count -= (size_t)sent;
    }
}

void
lab_receive(struct lab_case *lab, int fd, size_t count)
{
    static char letters[PIECE_BYTES];

    while (count > 0) {
        if (lab_ready(lab, fd, POLLIN, LAB_SOON_NS) == 0)
            lab_give_up(lab, "%zu bytes that were sent did not arrive", count);
        ssize_t got = recv(fd, letters, count < sizeof letters ? count : sizeof letters, MSG_DONTWAIT);
        if (got < 0)
            lab_give_up_system(lab, errno, "reading what was sent failed");
        if (got == 0)
            lab_give_up(lab, "the stream ended %zu bytes early", count);
        count -= (size_t)got;
    }
}

size_t
lab_fill(struct lab_case *lab, int fd)
{
    static const char letters[PIECE_BYTES];
    size_t total = 0;

    for (bool waited = false;;) {
        ssize_t sent = send(fd, letters, sizeof letters, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            total += (size_t)sent;
            waited = false;
            continue;
        }
        if (sent < 0 && errno != EAGAIN)
            lab_give_up_system(lab, errno, "filling the connection failed");
        if (waited)
            return total;
        /* Full. poll() reports room only when a good part is free, send() takes what fits: it has the last word. */
        waited = lab_ready(lab, fd, POLLOUT, 100 * NS_PER_MS) == 0;
    }
}

size_t
lab_drain(struct lab_case *lab, int fd, int *code)
{
    static char letters[PIECE_BYTES];
    size_t total = 0;

    for (;;) {
        if (lab_ready(lab, fd, POLLIN, LAB_SOON_NS) == 0)
            lab_give_up(lab, "after %zu bytes nothing more came, neither data nor an end", total);
        ssize_t got = recv(fd, letters, sizeof letters, MSG_DONTWAIT);
        *code = got < 0 ? errno : 0;
        if (got <= 0)
            return total;
        total += (size_t)got;
    }
}

static int
queue(struct lab_case *lab, int fd, unsigned long request, const char *name)
{
    int bytes = 0;
    if (ioctl(fd, request, &bytes) != 0)
        lab_give_up_system(lab, errno, name);
    return bytes;
}

int
lab_unsent(struct lab_case *lab, int fd)
{
    return queue(lab, fd, SIOCOUTQNSD, "SIOCOUTQNSD failed");
}

int
lab_unacknowledged(struct lab_case *lab, int fd)
{
    return queue(lab, fd, SIOCOUTQ, "SIOCOUTQ failed");
}

int
lab_unread(struct lab_case *lab, int fd)
{
    return queue(lab, fd, SIOCINQ, "SIOCINQ failed");
}

uint64_t
lab_info(int fd, const char *field)
{
    struct tcpinfo info;
    tcpinfo_read(fd, &info);
    return tcpinfo_get(&info, field);
}

uint64_t
lab_segments(int fd)
{
    struct tcpinfo info;
    tcpinfo_read(fd, &info);
    uint64_t sent = tcpinfo_get(&info, "data_segs_out");
    uint64_t again = tcpinfo_get(&info, "total_retrans");
    return sent == MISSING || again == MISSING ? MISSING : sent - again;
}

int
lab_ready(struct lab_case *lab, int fd, short events, uint64_t limit_ns)
{
    struct pollfd wait = {.fd = fd, .events = events};
    uint64_t deadline_ns = clock_deadline_ns(limit_ns);

    for (;;) {
        int ready = poll(&wait, 1, clock_poll_ms(deadline_ns));
        if (ready > 0)
            return wait.revents;
        if (ready < 0 && errno != EINTR)
            lab_give_up_system(lab, errno, "poll() failed");
        if (clock_now_ns() >= deadline_ns)
            return 0;
    }
}

/* Attaches a filter that drops everything. Returns an errno value. */
static int
attach_filter(int fd)
{
    struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = {.len = 1, .filter = &drop};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0 ? 0 : errno;
}

void
lab_deafen(struct lab_case *lab, int fd)
{
    int code = attach_filter(fd);
    if (code != 0)
        lab_give_up_system(lab, code, "SO_ATTACH_FILTER was refused");
}

bool
lab_may_deafen(struct lab_case *lab)
{
    int fd = lab_socket(lab, AF_INET, SOCK_STREAM);
    bool may = attach_filter(fd) == 0;
    close(fd);
    return may;
}

void
lab_hear(struct lab_case *lab, int fd)
{
    int unused = 0;
    if (setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused) != 0)
        lab_give_up_system(lab, errno, "SO_DETACH_FILTER was refused");
}

void
lab_acknowledge(struct lab_case *lab, int sender, int reader)
{
    lab_hear(lab, sender);
    lab_send(lab, reader, 1, 0);
}

uint64_t
lab_acknowledged_ns(struct lab_case *lab, int option)
{
    int ends[2];

    lab_connect(lab, &(struct lab_link){.mss = LAB_MSS}, ends);
    /* show nodelay-ends-delayed-acks */
    lab_set(lab, ends[1], IPPROTO_TCP, TCP_QUICKACK, 0); /* what an interactive connection comes to by itself */
    if (option != 0)
        lab_set(lab, ends[1], IPPROTO_TCP, option, 1);
    uint64_t since_ns = clock_now_ns();
    lab_send(lab, ends[0], 100, 0);
    LAB_WAIT(lab_unacknowledged(lab, ends[0]) == 0, LAB_SOON_NS);
    uint64_t took_ns = clock_now_ns() - since_ns;
    /* shown */
    close(ends[0]);
    close(ends[1]);
    return took_ns;
}

/* The shorter of two: other work may stretch one. */
uint64_t
lab_delayed_ns(struct lab_case *lab)
{
    uint64_t first_ns = lab_acknowledged_ns(lab, 0), second_ns = lab_acknowledged_ns(lab, 0);
    uint64_t half_ns = (first_ns < second_ns ? first_ns : second_ns) / 2;

    if (half_ns < 5 * NS_PER_MS) { /* too near to what is not delayed */
        lab_advise(lab, "let the kernel delay acknowledgements: net.ipv4.tcp_rto_min_us 200000, no rto_min of a route");
        lab_give_up(lab, "this kernel delays an acknowledgement by %llu us only",
                    (unsigned long long)(2 * half_ns / NS_PER_US));
    }
    return half_ns < 20 * NS_PER_MS ? half_ns : 20 * NS_PER_MS;
}

void
lab_need_proc(struct lab_case *lab)
{
    if (lab_process_state(getpid()) != 0)
        return;
    lab_advise(lab, "mount it: `mount -t proc proc /proc`");
    lab_give_up(lab, "/proc is missing, where the state of a process is read");
}

pid_t
lab_fork(struct lab_case *lab)
{
    lab_need_proc(lab);
    pid_t pid = fork();
    if (pid < 0)
        lab_give_up_system(lab, errno, "fork() failed");
    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

void *
lab_shared(struct lab_case *lab, size_t bytes)
{
    void *memory = shared_new(bytes);
    if (memory == NULL)
        lab_give_up(lab, "%s", err_text());
    return memory;
}

char
lab_process_state(pid_t pid)
{
    char path[32], text[512];

    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    if (system_read_text(path, text, sizeof text) != 0)
        return 0;
    const char *end = strrchr(text, ')');
    if (end == NULL || strlen(end) < 3)
        return 0;
    return end[2];
}

bool
lab_sleeps(pid_t pid, uint64_t limit_ns)
{
    char state = 0;
    LAB_WAIT((state = lab_process_state(pid)) == 'S' || state == 0 || state == 'Z', limit_ns);
    return state == 'S';
}

int
lab_confined_socket(struct lab_case *lab, int family, int type)
{
    int fd = lab_socket(lab, family, type);
    if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", sizeof "lo") == 0)
        return fd;
    close(fd);
    lab_namespace(lab);
    return lab_socket(lab, family, type);
}

void
lab_drop_privilege(struct lab_case *lab)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

    if (geteuid() == 0 && setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* changing the user has cleared it */
    /* What decides is not the user but what he may do: in a user namespace any of them may have it. */
    if (syscall(SYS_capset, &header, none) != 0) {
        lab_advise(lab, "run it as an ordinary user, who has no privilege to give up");
        lab_give_up_system(lab, errno, "the privileges could not be given up");
    }
}

static void __attribute__((noreturn)) no_namespace(struct lab_case *lab, int code)
{
    lab_advise(lab, "run it as root, or allow user namespaces: user.max_user_namespaces above 0, and where they are "
                    "there kernel.unprivileged_userns_clone 1 or kernel.apparmor_restrict_unprivileged_userns 0");
    lab_give_up_system(lab, code, "no network namespace could be made");
}

/* Lets the user be the same one inside a namespace of users, so that files can be made there. Where it cannot be done,
 * what needs it says so. */
static void
keep_user(uid_t user, gid_t group)
{
    static const char *const paths[] = {"/proc/self/setgroups", "/proc/self/uid_map", "/proc/self/gid_map"};
    char lines[3][48] = {"deny"};

    snprintf(lines[1], sizeof lines[1], "%lu %lu 1", (unsigned long)user, (unsigned long)user);
    snprintf(lines[2], sizeof lines[2], "%lu %lu 1", (unsigned long)group, (unsigned long)group);
    for (int i = 0; i < 3; i++) {
        int fd = open(paths[i], O_WRONLY | O_CLOEXEC);
        if (fd < 0)
            continue;
        if (write(fd, lines[i], strlen(lines[i])) < 0)
            errno = 0; /* the user then is nobody there */
        close(fd);
    }
}

void
lab_namespace(struct lab_case *lab)
{
    struct ifreq lo = {.ifr_flags = IFF_UP};

    if (unshare(CLONE_NEWNET) != 0) {
        uid_t user = geteuid(); /* asked before: inside, it is nobody until it is written down */
        gid_t group = getegid();
        if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
            no_namespace(lab, errno);
        keep_user(user, group);
    }
    snprintf(lo.ifr_name, sizeof lo.ifr_name, "lo");
    int fd = lab_socket(lab, AF_INET, SOCK_DGRAM);
    if (ioctl(fd, SIOCSIFFLAGS, &lo) != 0)
        lab_give_up_system(lab, errno, "loopback of the new namespace could not be switched on");
    close(fd);
    lab_sysctl_note(lab); /* a namespace has its own */
}

void
lab_sysctl(struct lab_case *lab, const char *path, const char *value)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        lab_give_up(lab, "%s cannot be opened: %s", path, lab_errno(errno));
    if (write(fd, value, strlen(value)) != (ssize_t)strlen(value))
        lab_give_up(lab, "%s took no %s: %s", path, value, lab_errno(errno));
    close(fd);
    lab_sysctl_changed(lab, path, value);
}

const char *
lab_tcp_state(struct lab_case *lab, uint16_t local, uint16_t remote, uint64_t *timer_ms)
{
    static const char *const names[] = {"",          "ESTABLISHED", "SYN_SENT",    "SYN_RECV",   "FIN_WAIT1",
                                        "FIN_WAIT2", "TIME_WAIT",   "CLOSE",       "CLOSE_WAIT", "LAST_ACK",
                                        "LISTEN",    "CLOSING",     "NEW_SYN_RECV"};
    FILE *file = fopen("/proc/net/tcp", "re");
    char line[512];
    const char *found = "";
    uint64_t ticks = MISSING;

    if (file == NULL)
        lab_give_up_system(lab, errno, "/proc/net/tcp cannot be read");
    while (found[0] == '\0' && fgets(line, sizeof line, file) != NULL) {
        /* sl: local:port remote:port state tx:rx timer:when ..., all but the first hexadecimal */
        uint64_t field[9];
        char *next = strchr(line, ':');
        for (size_t i = 0; i < sizeof field / sizeof field[0]; i++)
            field[i] = next != NULL && *next != '\0' ? strtoull(next + 1, &next, 16) : 0;
        if (field[1] != local || field[3] != remote || field[4] >= sizeof names / sizeof names[0])
            continue;
        found = names[field[4]];
        ticks = field[7] != 0 ? field[8] : MISSING;
    }
    fclose(file);
    long hertz = sysconf(_SC_CLK_TCK);
    if (timer_ms != NULL)
        *timer_ms = ticks == MISSING || hertz <= 0 ? MISSING : ticks * 1000 / (uint64_t)hertz;
    return found;
}
