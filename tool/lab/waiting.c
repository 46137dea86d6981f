/* waiting.c: calls that wait: select(), its time limit and its set, and what a signal does to recv(). */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/time.h>
#include <unistd.h>

#include "lab/kit.h"
#include "lab/topics.h"

/* What is left of the 5 s of select() or pselect() when data are there after a while; `sticky`: with the personality
 * of a process whose time limits the kernel leaves alone. */
static void
time_left_after(struct lab_case *lab, bool pselected, bool sticky, long *left_us)
{
    int ends[2];
    fd_set set;

    lab_connect(lab, &(struct lab_link){.mss = 0}, ends);
    pid_t waiter = getpid();
    if (lab_fork(lab) == 0) {
        lab_sleeps(waiter, LAB_SOON_NS);
        for (int i = 0; i < 40; i++)
            lab_pause();
        send(ends[0], "a", 1, MSG_NOSIGNAL);
        _exit(0);
    }
    FD_ZERO(&set);
    FD_SET(ends[1], &set);
    if (sticky && personality(PER_LINUX | STICKY_TIMEOUTS) < 0)
        lab_give_up_system(lab, errno, "the personality STICKY_TIMEOUTS was refused");
    /* show select-keeps-timeout */
    struct timeval limit = {.tv_sec = 5};
    struct timespec constant = {.tv_sec = 5};
    int ready = pselected ? pselect(ends[1] + 1, &set, NULL, NULL, &constant, NULL)
                          : select(ends[1] + 1, &set, NULL, NULL, &limit);
    *left_us = pselected ? (long)constant.tv_sec * 1000000 + constant.tv_nsec / 1000
                         : (long)limit.tv_sec * 1000000 + limit.tv_usec;
    /* shown */
    if (ready != 1)
        lab_give_up(lab, "select() returned %d", ready);
}

void
lab_select_timeout(struct lab_case *lab)
{
    long left_us, control_us;

    lab_step(lab, "select() with a limit of 5 s; data come after some ms; look at the limit");
    time_left_after(lab, false, lab->twist, &left_us);
    time_left_after(lab, true, false, &control_us);
    lab_number(lab, "limit before", 5000000, "us");
    lab_number(lab, "limit after", (uint64_t)left_us, "us");
    lab_control(lab, control_us == 5000000, "pselect()", "%ld us", control_us);
    if (left_us == 5000000)
        lab_decide(lab, LAB_HOLDS, "the limit was left as it was");
    else {
        lab_decide(lab, LAB_FAILS, "of 5000000 us the call left %ld", left_us);
        lab_why(
            lab,
            "Linux writes the time that is left into the limit (select(2)); most other systems do not, and POSIX allows "
            "both. A loop must set it anew each time. (A process with the personality STICKY_TIMEOUTS is spared.)");
    }
}

static volatile sig_atomic_t alarms;

static void
count_alarm(int number)
{
    (void)number;
    alarms++;
}

/* recv() that is interrupted by a signal whose handler has `flags`, with SO_RCVTIMEO or without. Returns its errno
 * value, 0 when it went on and got the byte that came later. */
static int
interrupted(struct lab_case *lab, int flags, bool limited)
{
    int ends[2];
    char letter;
    struct sigaction action = {.sa_handler = count_alarm, .sa_flags = flags};
    struct timeval limit = {.tv_sec = 5};

    lab_connect(lab, &(struct lab_link){.mss = 0}, ends);
    alarms = 0;
    pid_t reader = getpid();
    if (limited && setsockopt(ends[1], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0)
        lab_give_up_system(lab, errno, "SO_RCVTIMEO was refused");
    pid_t other = lab_fork(lab);
    if (other == 0) {
        lab_sleeps(reader, LAB_SOON_NS);
        kill(reader, SIGUSR1);
        for (int i = 0; i < 80; i++) /* the call is interrupted or goes on; then a byte comes */
            lab_pause();
        send(ends[0], "a", 1, MSG_NOSIGNAL);
        pause();
    }
    /* show sa-restart */
    sigemptyset(&action.sa_mask);
    sigaction(SIGUSR1, &action, NULL); /* with SA_RESTART, or without */
    int code = recv(ends[1], &letter, 1, 0) < 0 ? errno : 0;
    /* shown */
    kill(other, SIGKILL);
    if (alarms == 0)
        lab_give_up(lab, "the signal did not come while recv() waited");
    return code;
}

void
lab_sa_restart(struct lab_case *lab)
{
    lab_step(lab, "a signal comes while recv() waits, its handler installed with SA_RESTART; later a byte comes");
    lab_step(lab, "the same on a socket with SO_RCVTIMEO");
    int plain = interrupted(lab, SA_RESTART, false);
    int limited = interrupted(lab, SA_RESTART, !lab->twist);
    int control = interrupted(lab, 0, false);
    lab_word(lab, "SA_RESTART", "%s", plain == 0 ? "went on" : lab_errno(plain));
    lab_word(lab, "SA_RESTART with SO_RCVTIMEO", "%s", limited == 0 ? "went on" : lab_errno(limited));
    lab_control(lab, control == EINTR, "without SA_RESTART", "%s", lab_errno(control));
    if (plain == 0 && limited == 0)
        lab_decide(lab, LAB_HOLDS, "recv() went on in both cases");
    else if (plain == 0) {
        lab_condition(lab, "the socket has no time limit (SO_RCVTIMEO)");
        lab_decide(lab, LAB_ONLY_IF, "recv() went on without a time limit, and ended in %s with one",
                   lab_errno(limited));
        lab_why(
            lab,
            "A call with a time limit is not restarted, because nobody knows how much of the limit is left (signal(7)). "
            "poll(), select() and sleep() are never restarted either.");
    } else
        lab_decide(lab, LAB_FAILS, "recv() ended in %s", lab_errno(plain));
}

/* Whether select() sees data on descriptor 1500 in a set of 2048 bits, when it is told of `count` descriptors. */
static bool
selected(struct lab_case *lab, int count)
{
    int ends[2];
    struct rlimit limit;
    unsigned long set[2048 / (8 * sizeof(unsigned long))] = {0};
    struct timeval at_once = {0};

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max <= 1500) {
        lab_advise(lab, "allow more open descriptors (`ulimit -n 2048`) and try it again");
        lab_give_up(lab, "this process may have no descriptor 1500 (ulimit -n)");
    }
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    lab_connect(lab, &(struct lab_link){.mss = 0}, ends);
    if (dup2(ends[1], 1500) != 1500)
        lab_give_up_system(lab, errno, "dup2() failed");
    lab_send(lab, ends[0], 1, 0);
    if (lab_ready(lab, 1500, POLLIN, LAB_SOON_NS) == 0) /* poll() has no such limit */
        lab_give_up(lab, "the byte did not arrive");
    /* show select-limit */
    set[1500 / (8 * sizeof set[0])] |= 1UL << 1500 % (8 * sizeof set[0]); /* what FD_SET() does, in a larger set */
    int ready = select(count, (fd_set *)(void *)set, NULL, NULL, &at_once);
    /* shown */
    close(1500);
    return ready == 1;
}

void
lab_select_limit(struct lab_case *lab)
{
    lab_step(lab, "give a connection the descriptor 1500, let data arrive; select() with a set of 2048 bits");
    bool seen = selected(lab, lab->twist ? FD_SETSIZE : 1501);
    bool control = selected(lab, FD_SETSIZE);
    lab_number(lab, "FD_SETSIZE", FD_SETSIZE, "");
    lab_word(lab, "poll()", "reported it"); /* otherwise the attempt had ended */
    lab_word(lab, "descriptor 1500", seen ? "select() reported it" : "select() did not report it");
    lab_control(lab, !control, "FD_SETSIZE as the number of descriptors", "%s", control ? "reported" : "not reported");
    if (!seen)
        lab_decide(lab, LAB_HOLDS, "select() did not report descriptor 1500");
    else {
        lab_decide(lab, LAB_FAILS, "in a larger set select() reported descriptor 1500");
        lab_why(
            lab,
            "The limit is the type fd_set of the C library: FD_SET() of a larger descriptor writes beyond its end. The "
            "kernel looks at as many bits as it is told. poll() needs no such care.");
    }
}
