/* net_test.c: listening, connecting and accepting in the three families, and what goes wrong, in sentences. */
#include "net.h"

#include <fcntl.h>
#include <netdb.h>
#include <stddef.h>
#include <sys/un.h>

#include "check.h"
#include "sockets.h"

static const int families[] = {AF_INET, AF_INET6, AF_UNIX};

static void
bytes_go_through(int family)
{
    struct endpoint at, bound, peer, own;
    char text[ENDPOINT_TEXT_BYTES], other[ENDPOINT_TEXT_BYTES], received[8] = "";

    REQUIRE(net_resolve(NULL, 0, family, &at) == 0);
    int listener = net_listen(&at, NULL, 4, &bound);
    REQUIRE(listener >= 0);
    CHECK(!endpoint_equal(&at, &bound)); /* the kernel has chosen a port or a name */
    int first = net_connect(&bound, NULL, clock_deadline_ns(NS_PER_S));
    int second = net_connect(&bound, NULL, clock_deadline_ns(NS_PER_S));
    REQUIRE(first >= 0 && second >= 0);
    int accepted = net_accept(listener, &peer);
    REQUIRE(accepted >= 0);
    REQUIRE(net_local(first, &own) == 0);
    CHECK(endpoint_equal(&own, &peer)); /* the receiver can tell connections apart, in every family */
    CHECK_TEXT(endpoint_text(&own, text), endpoint_text(&peer, other));
    REQUIRE(net_local(second, &own) == 0);
    CHECK(!endpoint_equal(&own, &peer));
    CHECK(write(first, "hello", 5) == 5);
    CHECK(read(accepted, received, sizeof received) == 5);
    CHECK_TEXT(received, "hello");
    CHECK((fcntl(first, F_GETFL) & O_NONBLOCK) == 0);
    for (int i = 0; i < 3; i++)
        CHECK((fcntl((int[]){listener, first, accepted}[i], F_GETFD) & FD_CLOEXEC) != 0);
    for (int i = 0; i < 4; i++)
        close((int[]){listener, first, second, accepted}[i]);
}

static void
addresses_have_names(void)
{
    struct endpoint endpoint;
    char text[ENDPOINT_TEXT_BYTES];

    REQUIRE(net_resolve("127.0.0.1", 4242, AF_INET, &endpoint) == 0);
    CHECK_TEXT(endpoint_text(&endpoint, text), "127.0.0.1 port 4242");
    net_any_port(&endpoint);
    CHECK_TEXT(endpoint_text(&endpoint, text), "127.0.0.1 port 0");
    REQUIRE(net_resolve(NULL, 7, AF_INET6, &endpoint) == 0);
    CHECK_TEXT(endpoint_text(&endpoint, text), "::1 port 7");
    struct addrinfo hints = {.ai_family = AF_INET}, *found;
    if (getaddrinfo("localhost", NULL, &hints, &found) == 0) { /* a bare root has no /etc/hosts that names it */
        freeaddrinfo(found);
        REQUIRE(net_resolve("localhost", 7, AF_INET, &endpoint) == 0);
        CHECK_TEXT(endpoint_text(&endpoint, text), "127.0.0.1 port 7");
    }
    REQUIRE(net_resolve("/tmp/a socket", 0, AF_UNIX, &endpoint) == 0);
    CHECK_TEXT(endpoint_text(&endpoint, text), "/tmp/a socket");
    REQUIRE(net_resolve("@abstract", 0, AF_UNIX, &endpoint) == 0);
    CHECK_TEXT(endpoint_text(&endpoint, text), "@abstract");
    CHECK_NUMBER(endpoint.len, offsetof(struct sockaddr_un, sun_path) + strlen("@abstract"));
    REQUIRE(net_resolve(NULL, 0, AF_UNIX, &endpoint) == 0);
    CHECK_TEXT(endpoint_text(&endpoint, text), "(unnamed)");
    memset(&endpoint, 0, sizeof endpoint);
    CHECK_TEXT(endpoint_text(&endpoint, text), "(unknown family)");
}

static void
the_longest_path_fits_and_a_longer_does_not(void)
{
    char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
    char text[ENDPOINT_TEXT_BYTES];
    struct endpoint endpoint;

    memset(path, 'x', sizeof path);
    path[sizeof path - 2] = '\0';
    REQUIRE(net_resolve(path, 0, AF_UNIX, &endpoint) == 0);
    CHECK_TEXT(endpoint_text(&endpoint, text), path);
    path[sizeof path - 2] = 'x';
    path[sizeof path - 1] = '\0';
    CHECK(net_resolve(path, 0, AF_UNIX, &endpoint) == -1);
    CHECK_ERROR(STATUS_USAGE, "has 1 to 107 characters");
    CHECK(net_resolve("", 0, AF_UNIX, &endpoint) == -1);
    CHECK_ERROR(STATUS_USAGE, "has 1 to 107 characters");
}

static void
failures_are_sentences(void)
{
    struct endpoint at, bound, other;

    CHECK(net_resolve("no.such.host.invalid", 1, AF_INET, &at) == -1);
    CHECK_ERROR(STATUS_REFUSED, "host 'no.such.host.invalid' has no inet address");
    CHECK(net_resolve("127.0.0.1", 1, AF_INET6, &at) == -1);
    CHECK_ERROR(STATUS_REFUSED, "check the name and --family");

    REQUIRE(net_resolve(NULL, 0, AF_INET, &at) == 0);
    int listener = net_listen(&at, NULL, 4, &bound);
    REQUIRE(listener >= 0);
    CHECK(net_listen(&bound, NULL, 4, &other) == -1);
    CHECK_ERROR(STATUS_REFUSED, "Address already in use");
    close(listener);
    CHECK(net_connect(&bound, NULL, clock_deadline_ns(NS_PER_S)) == -1);
    CHECK_ERROR(STATUS_REFUSED, "does `tinygram recv` listen there?");
    REQUIRE(net_resolve("/no/such/directory/socket", 0, AF_UNIX, &at) == 0);
    CHECK(net_listen(&at, NULL, 4, &bound) == -1);
    CHECK_ERROR(STATUS_REFUSED, "cannot listen at /no/such/directory/socket");
    CHECK(net_connect(&at, NULL, clock_deadline_ns(NS_PER_S)) == -1);
    CHECK_ERROR(STATUS_REFUSED, "cannot connect to /no/such/directory/socket");
}

/* A listener whose queue is full lets nobody in: the connecting end gives up at its deadline, not later. */
static void
a_connect_ends_at_its_deadline(void)
{
    struct endpoint at, bound;
    int waiting[8];
    size_t count = 0;

    REQUIRE(net_resolve(NULL, 0, AF_INET, &at) == 0);
    int listener = net_listen(&at, NULL, 0, &bound);
    REQUIRE(listener >= 0);
    uint64_t begin_ns = clock_now_ns();
    while (count < 8 && (waiting[count] = net_connect(&bound, NULL, clock_deadline_ns(100 * NS_PER_MS))) >= 0)
        count++;
    CHECK(count < 8);
    CHECK(clock_now_ns() - begin_ns >= 100 * NS_PER_MS);
    CHECK_ERROR(STATUS_REFUSED, "timed out");
    while (count > 0)
        close(waiting[--count]);
    close(listener);
}

static void
descriptors_are_given_back(void)
{
    struct sockopt_values impossible = {.of = {[SOCKOPT_CONGESTION] = {.known = true, .text = "nosuch"}}};
    struct endpoint at, bound;

    int probe = dup(STDIN_FILENO);
    REQUIRE(probe >= 0);
    close(probe);
    REQUIRE(net_resolve(NULL, 0, AF_INET, &at) == 0);
    CHECK(net_listen(&at, &impossible, 4, &bound) == -1);
    CHECK(net_connect(&at, &impossible, clock_deadline_ns(NS_PER_S)) == -1);
    CHECK(net_connect(&at, NULL, clock_deadline_ns(NS_PER_S)) == -1);
    err_clear();
    int again = dup(STDIN_FILENO);
    CHECK_NUMBER(again, probe); /* the lowest free number is as it was */
    close(again);
}

int
main(void)
{
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        bytes_go_through(families[i]);
    addresses_have_names();
    the_longest_path_fits_and_a_longer_does_not();
    failures_are_sentences();
    a_connect_ends_at_its_deadline();
    descriptors_are_given_back();
    return check_end();
}
