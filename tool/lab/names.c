/* names.c: from a name to addresses. Looked up are numeric names, the empty one, and one that stands in a table of
 * hosts of the attempt's own: no name server is asked. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lab/kit.h"
#include "lab/topics.h"

/* How many addresses getaddrinfo() has for a name (NULL: this host's own loopback). */
static int
addresses_of(struct lab_case *lab, const char *name, int family, char list[96])
{
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM}, *found;
    int count = 0;

    list[0] = '\0';
    /* show getaddrinfo-one-address name-one-address */
    int code = getaddrinfo(name, "80", &hints, &found);
    if (code != 0)
        lab_give_up(lab, "getaddrinfo() failed: %s", gai_strerror(code));
    for (const struct addrinfo *next = found; next != NULL; next = next->ai_next) {
        char text[64];
        getnameinfo(next->ai_addr, next->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST);
        size_t used = strlen(list);
        snprintf(list + used, 96 - used, "%s%s", count++ > 0 ? ", " : "", text);
    }
    freeaddrinfo(found);
    /* shown */
    return count;
}

void
lab_getaddrinfo(struct lab_case *lab)
{
    char list[96], control_list[96];

    lab_step(lab, "ask getaddrinfo() for this host's own addresses of any family");
    int count = addresses_of(lab, NULL, lab->twist ? AF_INET : AF_UNSPEC, list);
    int control = addresses_of(lab, NULL, AF_INET, control_list);
    lab_number(lab, "addresses", (uint64_t)count, "");
    lab_word(lab, "they are", "%s", list);
    lab_control(lab, control == 1, "ai_family AF_INET", "%s", control_list);
    if (count == 1)
        lab_decide(lab, LAB_HOLDS, "one address: %s", list);
    else {
        lab_decide(lab, LAB_FAILS, "%d addresses: %s", count, list);
        lab_why(
            lab,
            "getaddrinfo() returns a list, of all families. A client tries them in order until one connects; a server "
            "listens at each.");
    }
}

/* Looks up two addresses, then reads the first result. Whether it still is the first address. */
static bool
first_result_stays(struct lab_case *lab, bool modern)
{
    char text[64] = "";
    /* show gethostbyname-is-yours */
    if (modern) {
        struct addrinfo hints = {.ai_family = AF_INET}, *first, *second;
        if (getaddrinfo("127.0.0.1", NULL, &hints, &first) != 0 || getaddrinfo("127.0.0.2", NULL, &hints, &second) != 0)
            lab_give_up(lab, "getaddrinfo() failed");
        inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)first->ai_addr)->sin_addr, text, sizeof text);
    } else {
        const struct hostent *first = gethostbyname("127.0.0.1");  /* NOLINT: it is what is shown */
        const struct hostent *second = gethostbyname("127.0.0.2"); /* NOLINT */
        if (first == NULL || second == NULL)
            lab_give_up(lab, "gethostbyname() failed");
        inet_ntop(AF_INET, first->h_addr_list[0], text, sizeof text);
    }
    /* shown */
    lab_word(lab, modern ? "getaddrinfo(), first result" : "gethostbyname(), first result", "%s", text);
    return strcmp(text, "127.0.0.1") == 0;
}

void
lab_gethostbyname(struct lab_case *lab)
{
    lab_step(lab, "look up 127.0.0.1, then 127.0.0.2, then read the first result");
    bool stays = first_result_stays(lab, lab->twist);
    bool control = first_result_stays(lab, true);
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST}, *found;
    lab_word(lab, "gethostbyname() of ::1", gethostbyname("::1") != NULL ? "found" : "not found"); /* NOLINT */
    lab_word(lab, "getaddrinfo() of ::1", getaddrinfo("::1", NULL, &hints, &found) == 0 ? "found" : "not found");
    lab_control(lab, control, "getaddrinfo()", "%s", control ? "the first result was still 127.0.0.1" : "it changed");
    if (stays)
        lab_decide(lab, LAB_HOLDS, "the first result was still 127.0.0.1");
    else {
        lab_decide(lab, LAB_FAILS, "after the second call the first result was 127.0.0.2");
        lab_why(
            lab,
            "gethostbyname() returns a pointer into memory of its own, which the next call uses again; so it is not for "
            "threads either. It knows no IPv6, and POSIX removed it in 2008.");
    }
}

/* The family of the last address that getaddrinfo() gives for this host: the order is a setting (/etc/gai.conf). */
static int
last_family(struct lab_case *lab)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    int family = AF_INET;

    if (getaddrinfo(NULL, "80", &hints, &found) != 0)
        lab_give_up(lab, "getaddrinfo() failed");
    for (const struct addrinfo *next = found; next != NULL; next = next->ai_next)
        family = next->ai_family;
    freeaddrinfo(found);
    return family;
}

/* Connects to this host at a port where a server listens at the last of its addresses alone, or at each: takes the
 * addresses of getaddrinfo() in order, the first only or all. Returns the last errno value, 0 when connected. */
static int
connect_by_name(struct lab_case *lab, bool everywhere, bool all)
{
    struct endpoint at = lab_loopback(lab, everywhere ? AF_INET6 : last_family(lab), 0);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    char port[8];
    int code = 0, listener = lab_confined_socket(lab, at.address.ss_family, SOCK_STREAM);

    if (everywhere) {
        lab_set(lab, listener, IPPROTO_IPV6, IPV6_V6ONLY, 0);
        ((struct sockaddr_in6 *)&at.address)->sin6_addr = in6addr_any;
    } else if (at.address.ss_family == AF_INET6)
        lab_set(lab, listener, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (bind(listener, (const struct sockaddr *)&at.address, at.len) != 0 || listen(listener, 4) != 0)
        lab_give_up_system(lab, errno, "the server cannot listen");
    at = lab_name_of(lab, listener);
    snprintf(port, sizeof port, "%u", lab_port(&at));
    /* show first-address */
    if (getaddrinfo(NULL, port, &hints, &found) != 0) /* this host: ::1 and 127.0.0.1 */
        lab_give_up(lab, "getaddrinfo() failed");
    for (const struct addrinfo *next = found; next != NULL; next = next->ai_next) {
        int fd = lab_socket(lab, next->ai_family, next->ai_socktype);
        code = connect(fd, next->ai_addr, next->ai_addrlen) == 0 ? 0 : errno;
        close(fd);
        if (code == 0 || !all)
            break;
    }
    freeaddrinfo(found);
    /* shown */
    close(listener);
    return code;
}

void
lab_first_address(struct lab_case *lab)
{
    lab_step(
        lab,
        "a server listens at the last of the addresses that getaddrinfo() gives for this host; connect to the first");
    int code = connect_by_name(lab, lab->twist, false);
    int control = connect_by_name(lab, false, true);
    lab_word(lab, "the server listens at", last_family(lab) == AF_INET6 ? "::1" : "127.0.0.1");
    lab_word(lab, "the first address", "%s", code == 0 ? "connected" : lab_errno(code));
    lab_control(lab, control == 0, "every address in order", "%s", control == 0 ? "connected" : lab_errno(control));
    if (code == 0)
        lab_decide(lab, LAB_HOLDS, "the first address connected");
    else {
        lab_decide(lab, LAB_FAILS, "the first address gave %s, the next one connected", lab_errno(code));
        lab_why(
            lab,
            "A name stands for several addresses, and a server need not listen at each: ::1 mostly comes first, and many "
            "a server knows only 127.0.0.1. For the same reason an address that is resolved once and kept goes out of "
            "date when the server moves.");
    }
}

#define HOST "server.lab.invalid" /* RFC 6761: no name server has it */

/* A table of hosts of the attempt's own in place of /etc/hosts. */
static void
own_hosts(struct lab_case *lab)
{
    lab_advise(lab, "run it as root, in a container with the privilege to mount (CAP_SYS_ADMIN)");
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("lab", "/tmp", "tmpfs", 0, NULL) != 0)
        lab_give_up_system(lab, errno, "no mount namespace could be made");
    close(open("/tmp/hosts", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    if (mount("/tmp/hosts", "/etc/hosts", NULL, MS_BIND, NULL) != 0)
        lab_give_up_system(lab, errno, "the table of hosts could not be replaced");
    lab_advise(lab, "");
}

/* Writes the table of hosts: the name stands for `address`, and for two others with `several`. */
static void
name_is_at(struct lab_case *lab, const char *address, bool several)
{
    FILE *file = fopen("/tmp/hosts", "we");
    if (file == NULL || fprintf(file, "%s %s\n", address, HOST) < 0 ||
        (several && fprintf(file, "127.0.0.2 %s\n127.0.0.3 %s\n", HOST, HOST) < 0) || fclose(file) != 0)
        lab_give_up(lab, "the table of hosts could not be written");
}

/* A server listens at `address`. Returns its port, `port` unless that is 0. */
static uint16_t
serve_at(struct lab_case *lab, const char *address, uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t len = sizeof at;
    int fd = lab_socket(lab, AF_INET, SOCK_STREAM);

    inet_pton(AF_INET, address, &at.sin_addr);
    lab_set(lab, fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (bind(fd, (const struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 4) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) != 0)
        lab_give_up_system(lab, errno, "the server cannot listen");
    return ntohs(at.sin_port);
}

static struct addrinfo *
resolve(struct lab_case *lab, const char *port)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
    int code = getaddrinfo(HOST, port, &hints, &found);
    if (code != 0) {
        lab_advise(lab, "let /etc/nsswitch.conf say `hosts: files dns`");
        lab_give_up(lab, "getaddrinfo() does not ask the table of hosts: %s", gai_strerror(code));
    }
    return found;
}

static int
connect_to(struct lab_case *lab, const struct addrinfo *at)
{
    int fd = lab_socket(lab, AF_INET, SOCK_STREAM);
    int code = connect(fd, at->ai_addr, at->ai_addrlen) == 0 ? 0 : errno;
    close(fd);
    return code;
}

/* Takes the addresses of the name in order until one connects. Returns how many it took, 0 when none did. */
static int
tries_of(struct lab_case *lab, const char *port)
{
    int tries = 0;
    /* show name-one-address */
    for (const struct addrinfo *next = resolve(lab, port); next != NULL; next = next->ai_next) {
        tries++;
        if (connect_to(lab, next) == 0)
            return tries;
    }
    /* shown */
    return 0;
}

void
lab_name_one_address(struct lab_case *lab)
{
    char list[96], control_list[96], port[8];

    lab_step(lab, "in namespaces of its own let a name stand for three addresses; ask getaddrinfo() for it");
    lab_step(lab, "a server listens at the last of them; try them in order");
    own_hosts(lab);
    name_is_at(lab, "127.0.0.1", !lab->twist);
    int count = addresses_of(lab, HOST, AF_INET, list);
    struct addrinfo *last = resolve(lab, "80");
    while (last->ai_next != NULL)
        last = last->ai_next;
    char at[INET_ADDRSTRLEN] = "";
    inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)last->ai_addr)->sin_addr, at, sizeof at);
    snprintf(port, sizeof port, "%u", serve_at(lab, at, 0));
    int tries = tries_of(lab, port);
    name_is_at(lab, "127.0.0.1", false);
    int control = addresses_of(lab, HOST, AF_INET, control_list);
    lab_number(lab, "addresses", (uint64_t)count, "");
    lab_word(lab, "they are", "%s", list);
    lab_number(lab, "tried until one connected", tries == 0 ? MISSING : (uint64_t)tries, "");
    lab_control(lab, control == 1, "one line in the table of hosts", "%s", control_list);
    if (count == 1)
        lab_decide(lab, LAB_HOLDS, "one address: %s", list);
    else {
        lab_decide(lab, LAB_FAILS, "%d addresses: %s; a server at the last of them was reached at try %d", count, list,
                   tries);
        lab_why(lab, "A name has as many addresses as whoever keeps it has written down: several networks, several "
                     "machines. gethostbyname() has them in h_addr_list, getaddrinfo() in a list that has them all.");
    }
}

void
lab_address_kept(struct lab_case *lab)
{
    char port[8];

    lab_step(lab, "in namespaces of its own let a name stand for 127.0.0.1 and resolve it; then let the server move to "
                  "127.0.0.2, and the name with it");
    own_hosts(lab);
    name_is_at(lab, "127.0.0.1", false);
    /* the server is at 127.0.0.2 from now on; in the twist it has not moved */
    snprintf(port, sizeof port, "%u", serve_at(lab, lab->twist ? "127.0.0.1" : "127.0.0.2", 0));
    /* show address-kept */
    struct addrinfo *kept = resolve(lab, port);
    name_is_at(lab, lab->twist ? "127.0.0.1" : "127.0.0.2", false);
    int code = connect_to(lab, kept);
    int control = connect_to(lab, resolve(lab, port));
    /* shown */
    lab_word(lab, "the address that was kept", "%s", code == 0 ? "connected" : lab_errno(code));
    lab_word(lab, "the name resolved again", "%s", control == 0 ? "connected" : lab_errno(control));
    lab_control(lab, control == 0, "the name is resolved again", "%s", control == 0 ? "connected" : lab_errno(control));
    if (code == 0)
        lab_decide(lab, LAB_HOLDS, "the address that was kept connected");
    else {
        lab_decide(lab, LAB_FAILS, "the address that was kept gave %s; resolved again, the name led to the server",
                   lab_errno(code));
        lab_why(lab,
                "An address is what a name stood for at one moment, and getaddrinfo() does not even say for how long. "
                "A program that runs for long resolves before each connect(), which also lets it take another "
                "address when one has failed.");
    }
}
