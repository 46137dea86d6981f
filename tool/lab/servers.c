/* servers.c: what servers are made of: processes, signals, threads, shared descriptors. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab/kit.h"
#include "lab/topics.h"
#include "system.h"

static volatile sig_atomic_t signals;

static void
count_signal(int number)
{
    (void)number;
    signals++;
}

/* Whether a child that has ended stays as a zombie until it is waited for. */
static bool
stays_as_zombie(struct lab_case *lab, bool ignored, char *afterwards)
{
    signal(SIGCHLD, ignored ? SIG_IGN : SIG_DFL);
    /* show zombies */
    pid_t child = lab_fork(lab);
    if (child == 0)
        _exit(0);
    LAB_WAIT(lab_process_state(child) == 'Z' || lab_process_state(child) == 0, LAB_SOON_NS);
    bool zombie = lab_process_state(child) == 'Z';
    waitpid(child, NULL, 0);
    *afterwards = lab_process_state(child);
    /* shown */
    return zombie;
}

void
lab_zombies(struct lab_case *lab)
{
    char afterwards, control_afterwards;

    lab_step(lab, "fork a child that ends at once; look at its state, call waitpid(), look again");
    bool zombie = stays_as_zombie(lab, lab->twist, &afterwards);
    bool control = stays_as_zombie(lab, true, &control_afterwards);
    lab_word(lab, "before waitpid()", zombie ? "zombie" : "gone");
    lab_word(lab, "after waitpid()", afterwards == 0 ? "gone" : "still there");
    lab_control(lab, !control, "SIGCHLD ignored", "%s", control ? "zombie" : "gone");
    if (zombie && afterwards == 0)
        lab_decide(lab, LAB_HOLDS, "the child was a zombie until waitpid()");
    else
        lab_decide(lab, LAB_FAILS, "the child was gone without waitpid()");
}

#define CHILDREN 5

static volatile sig_atomic_t reap_all;

static void
reap(int number)
{
    (void)number;
    int saved = errno;
    do
        signals++;
    while (waitpid(-1, NULL, WNOHANG) > 0 && reap_all);
    errno = saved;
}

/* Five children end while SIGCHLD waits; how many zombies the handler leaves. */
static int
zombies_left(struct lab_case *lab, bool all)
{
    struct sigaction action = {.sa_handler = reap};
    sigset_t child_signal, before;
    pid_t children[CHILDREN];
    int left = 0;

    signals = 0;
    /* show sigchld-each */
    reap_all = all; /* waitpid() with WNOHANG in a loop, or once */
    sigemptyset(&action.sa_mask);
    sigaction(SIGCHLD, &action, NULL);
    sigemptyset(&child_signal);
    sigaddset(&child_signal, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child_signal, &before);
    for (int i = 0; i < CHILDREN; i++)
        if ((children[i] = lab_fork(lab)) == 0)
            _exit(0);
    for (int i = 0; i < CHILDREN; i++)
        LAB_WAIT(lab_process_state(children[i]) == 'Z', LAB_SOON_NS);
    sigprocmask(SIG_SETMASK, &before, NULL); /* now the handler runs */
    for (int i = 0; i < CHILDREN; i++)
        left += lab_process_state(children[i]) == 'Z';
    /* shown */
    if (signals == 0)
        lab_give_up(lab, "SIGCHLD did not come");
    signal(SIGCHLD, SIG_DFL);
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    return left;
}

void
lab_sigchld(struct lab_case *lab)
{
    lab_step(lab, "let %d children end while SIGCHLD is blocked, with a handler that waits for one child", CHILDREN);
    int left = zombies_left(lab, lab->twist);
    int control = zombies_left(lab, true);
    lab_number(lab, "zombies left", (uint64_t)left, "of 5");
    lab_control(lab, control == 0, "waitpid() with WNOHANG in a loop", "%d zombies left", control);
    if (left == 0)
        lab_decide(lab, LAB_HOLDS, "no zombie was left");
    else {
        lab_decide(lab, LAB_FAILS, "%d of %d children stayed as zombies", left, CHILDREN);
        lab_why(
            lab,
            "Signals are not counted: while one SIGCHLD is pending, others are the same one. A handler must wait until "
            "no child is left, with WNOHANG so that it does not block on those that live.");
    }
}

/* What waitpid() came to in a process of its own. */
enum waited { WAITS, NO_CHILD_YET, GOT_CHILD };

/* A process has a child that lives, or that has ended, and calls waitpid() with `options`. */
static enum waited
wait_apart(struct lab_case *lab, int options, bool ended)
{
    volatile int *got = lab_shared(lab, 2 * sizeof *got), *calls = got + 1;

    *got = -1;
    /* show waitpid-nohang */
    pid_t waiter = lab_fork(lab);
    if (waiter == 0) {
        pid_t child = lab_fork(lab);
        if (child == 0) {
            if (!ended)
                pause();
            _exit(0);
        }
        if (ended)
            LAB_WAIT(lab_process_state(child) == 'Z', LAB_SOON_NS);
        *calls = 1;
        *got = waitpid(child, NULL, options) > 0; /* without WNOHANG it is what wait() does */
        _exit(0);
    }
    LAB_WAIT(*calls && (*got >= 0 || lab_process_state(waiter) == 'S'), LAB_SOON_NS);
    /* shown */
    LAB_WAIT(*got >= 0, 20 * NS_PER_MS);
    if (*got < 0 && lab_process_state(waiter) != 'S')
        lab_give_up(lab, "the process that was to wait did not come to it");
    return *got < 0 ? WAITS : *got == 0 ? NO_CHILD_YET : GOT_CHILD;
}

void
lab_waitpid(struct lab_case *lab)
{
    static const char *const words[] = {"waits", "returned 0 at once", "returned the child"};

    lab_step(lab,
             "with a child that lives call waitpid() with WNOHANG, and without, in a process each: does it sleep?");
    enum waited nohang = wait_apart(lab, lab->twist ? 0 : WNOHANG, false);
    enum waited plain = wait_apart(lab, 0, false);
    enum waited control = wait_apart(lab, 0, true);
    lab_word(lab, "waitpid() with WNOHANG", "%s", words[nohang]);
    lab_word(lab, "wait()", "%s", words[plain]);
    lab_control(lab, control == GOT_CHILD, "the child has ended", "wait() %s", words[control]);
    if (nohang == NO_CHILD_YET && plain == WAITS)
        lab_decide(lab, LAB_HOLDS, "waitpid() returned 0 at once, wait() slept");
    else
        lab_decide(lab, LAB_FAILS, "waitpid() with WNOHANG %s, wait() %s", words[nohang], words[plain]);
}

/* What the parent finds in a variable that the child has set to 7. */
static int
set_by_child(struct lab_case *lab, bool shared)
{
    int own = 0;
    /* show fork-memory */
    volatile int *number = shared ? lab_shared(lab, sizeof *number) : &own;
    pid_t child = lab_fork(lab);
    if (child == 0) {
        *number = 7;
        _exit(0);
    }
    waitpid(child, NULL, 0);
    int found = *number;
    /* shown */
    return found;
}

void
lab_fork_memory(struct lab_case *lab)
{
    lab_step(lab, "fork; the child sets a variable to 7; the parent reads it");
    int found = set_by_child(lab, lab->twist);
    int control = set_by_child(lab, true);
    lab_number(lab, "found by the parent", (uint64_t)found, "");
    lab_control(lab, control == 7, "memory of mmap() with MAP_SHARED", "%d", control);
    if (found == 0)
        lab_decide(lab, LAB_HOLDS, "the parent's variable stayed 0");
    else
        lab_decide(lab, LAB_FAILS, "the parent found %d", found);
}

/* The parent closes (or shuts down) a connection that a child has too; what the peer sees: 1 the child's byte, 0 the
 * end. Stores what it sees when the child has closed it too. */
static ssize_t
peer_sees(struct lab_case *lab, bool whole, ssize_t *at_last)
{
    int ends[2], go[2];
    char letter;

    lab_connect(lab, &(struct lab_link){.mss = 0}, ends);
    if (pipe(go) != 0)
        lab_give_up_system(lab, errno, "pipe() failed");
    /* show close-in-parent */
    if (lab_fork(lab) == 0) { /* the child has every open descriptor too */
        read(go[0], &letter, 1);
        send(ends[0], "c", 1, MSG_NOSIGNAL);
        read(go[0], &letter, 1);
        close(ends[0]);
        pause();
    }
    if (whole)
        shutdown(ends[0], SHUT_RDWR);
    close(ends[0]);
    write(go[1], "g", 1); /* only now may the child write */
    lab_ready(lab, ends[1], POLLIN, LAB_SOON_NS);
    ssize_t got = recv(ends[1], &letter, 1, MSG_DONTWAIT);
    write(go[1], "g", 1); /* now the child closes it too */
    lab_ready(lab, ends[1], POLLIN, LAB_SOON_NS);
    *at_last = recv(ends[1], &letter, 1, MSG_DONTWAIT);
    /* shown */
    return got;
}

void
lab_close_parent(struct lab_case *lab)
{
    lab_step(lab, "fork; the parent closes the connection; then the child writes to it, and closes it too");
    ssize_t at_last, control_at_last;
    ssize_t got = peer_sees(lab, lab->twist, &at_last);
    ssize_t control = peer_sees(lab, true, &control_at_last);
    lab_word(lab, "the peer read", got == 1 ? "the child's byte" : "end of file");
    lab_word(lab, "when the child had closed too", at_last == 0 ? "end of file" : "no end");
    lab_control(lab, control == 0, "shutdown() in the parent", "%s", control == 0 ? "end of file" : "the child's byte");
    if (got == 1) {
        lab_decide(lab, LAB_FAILS, "after the parent's close() the child's byte reached the peer");
        lab_why(
            lab,
            "fork() copies descriptors, not sockets. A connection ends when its last descriptor is closed: server and "
            "child must both close what they do not use. shutdown() acts on the socket itself.");
    } else
        lab_decide(lab, LAB_HOLDS, "the peer read end of file");
}

/* Whether SIGALRM comes after alarm(1) when alarm(0) is called in between. */
static bool
alarm_comes(struct lab_case *lab, bool cancelled, unsigned *left_s)
{
    struct sigaction action = {.sa_handler = count_signal};

    signals = 0;
    sigemptyset(&action.sa_mask);
    sigaction(SIGALRM, &action, NULL);
    (void)lab;
    /* show alarm-cancel */
    alarm(1);
    *left_s = cancelled ? alarm(0) : 0;
    LAB_WAIT(signals > 0, 2 * NS_PER_S);
    bool came = signals > 0;
    /* shown */
    return came;
}

void
lab_alarm(struct lab_case *lab)
{
    unsigned left_s, control_left_s;

    lab_step(lab, "alarm(1), then alarm(0); wait two seconds for SIGALRM");
    bool came = alarm_comes(lab, !lab->twist, &left_s);
    bool control = alarm_comes(lab, false, &control_left_s);
    lab_number(lab, "alarm(0) returned", left_s, "s");
    lab_word(lab, "SIGALRM", came ? "came" : "did not come");
    lab_control(lab, control, "no alarm(0)", "SIGALRM %s", control ? "came" : "did not come");
    if (!came && left_s == 1)
        lab_decide(lab, LAB_HOLDS, "alarm(0) returned the second that was left, and no SIGALRM came");
    else
        lab_decide(lab, LAB_FAILS, "SIGALRM %s", came ? "came" : "did not come");
}

/* Whether the handler of SIGUSR1 is still there after the first signal. */
static bool
handler_stays(struct lab_case *lab, bool once)
{
    struct sigaction action = {.sa_handler = count_signal, .sa_flags = (int)SA_RESETHAND}, now;

    (void)lab;
    /* show signal-once */
    if (once) {
        sigemptyset(&action.sa_mask);
        sigaction(SIGUSR1, &action, NULL);
    } else
        signal(SIGUSR1, count_signal);
    raise(SIGUSR1);
    sigaction(SIGUSR1, NULL, &now);
    bool stays = now.sa_handler == count_signal;
    /* shown */
    lab_word(lab, once ? "SA_RESTART of sigaction()" : "SA_RESTART of signal()",
             now.sa_flags & SA_RESTART ? "on" : "off");
    return stays;
}

void
lab_signal_once(struct lab_case *lab)
{
    lab_step(lab, "install a handler with signal(), raise the signal, ask for the handler");
    bool stays = handler_stays(lab, lab->twist);
    bool control = handler_stays(lab, true);
    lab_word(lab, "the handler", stays ? "is still there" : "is gone");
    lab_control(lab, !control, "sigaction() with SA_RESETHAND", "the handler %s",
                control ? "is still there" : "is gone");
    if (!stays)
        lab_decide(lab, LAB_HOLDS, "after the first signal the handler was gone");
    else {
        lab_decide(lab, LAB_FAILS, "after the first signal the handler was still there");
        lab_why(
            lab,
            "System V took the handler away, BSD kept it, and this C library follows BSD (signal(2)), with SA_RESTART. "
            "sigaction() says which of the two is meant; portable programs use nothing else.");
    }
}

/* A thread that reads. */
struct reader {
    int fd;
    _Atomic long thread; /* its kernel number, 0 before it runs */
    ssize_t got;
};

static void *
read_one(void *argument)
{
    struct reader *reader = argument;
    char letter;
    reader->thread = syscall(SYS_gettid);
    reader->got = recv(reader->fd, &letter, 1, 0);
    reader->thread = -1;
    return NULL;
}

/* Closes (or shuts down) a socket on which a thread waits; then the peer writes. What the thread's recv() returns. */
static ssize_t
close_under_reader(struct lab_case *lab, bool whole)
{
    int ends[2];
    pthread_t thread;
    static struct reader reader;

    lab_need_proc(lab);
    lab_connect(lab, &(struct lab_link){.mss = 0}, ends);
    /* show close-wakes-reader */
    reader = (struct reader){.fd = ends[0]};
    if (pthread_create(&thread, NULL, read_one, &reader) != 0)
        lab_give_up(lab, "no thread could be started");
    LAB_WAIT(reader.thread > 0, LAB_SOON_NS);
    lab_sleeps((pid_t)reader.thread, LAB_SOON_NS); /* it waits in recv() */
    if (whole)
        shutdown(ends[0], SHUT_RDWR);
    close(ends[0]);
    LAB_WAIT(reader.thread == -1, 100 * NS_PER_MS); /* does it wake up? */
    send(ends[1], "a", 1, MSG_NOSIGNAL);            /* wakes it otherwise */
    pthread_join(thread, NULL);
    /* shown */
    return reader.got;
}

void
lab_close_wakes(struct lab_case *lab)
{
    lab_step(lab, "close() a socket on which another thread waits in recv(); then let the peer write one byte");
    ssize_t got = close_under_reader(lab, lab->twist);
    ssize_t control = close_under_reader(lab, true);
    lab_number(lab, "recv() of the thread returned", got < 0 ? MISSING : (uint64_t)got, "bytes");
    lab_control(lab, control == 0, "shutdown() before close()", "recv() returned %zd", control);
    if (got == 1) {
        lab_decide(lab, LAB_FAILS, "close() woke nobody: the thread waited on and got the byte that came later");
        lab_why(
            lab,
            "A call that is under way holds the socket, so that it lives on although its descriptor is closed. To wake a "
            "reader, shutdown() the socket; close() it when the reader has gone.");
    } else
        lab_decide(lab, LAB_HOLDS, "recv() returned %zd", got);
}

/* A child reads three letters of a file that the parent has opened, or (`own`) that it opened itself. Returns where the
 * parent then stands in the file. */
static long
moved_by_child(struct lab_case *lab, bool own)
{
    char path[64], letters[4];
    int fd = memfd_create("lab", MFD_CLOEXEC);

    if (fd < 0 || write(fd, "abcdef", 6) != 6 || lseek(fd, 0, SEEK_SET) != 0)
        lab_give_up_system(lab, errno, "no file could be made in memory");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    /* show fork-shares-nothing */
    pid_t child = lab_fork(lab);
    if (child == 0) {
        int mine = own ? open(path, O_RDONLY | O_CLOEXEC) : fd;
        _exit(read(mine, letters, 3) == 3 ? 0 : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    long position = (long)lseek(fd, 0, SEEK_CUR); /* the parent itself has read nothing */
    /* shown */
    if (status != 0)
        lab_give_up(lab, "the child could not read the file");
    return position;
}

void
lab_fork_shares(struct lab_case *lab)
{
    lab_step(lab, "open a file, fork; the child reads 3 letters; ask where the parent stands in the file");
    long position = moved_by_child(lab, lab->twist);
    long control = moved_by_child(lab, true);
    lab_number(lab, "the parent's position", (uint64_t)position, "");
    lab_control(lab, control == 0, "the child opens the file itself", "position %ld", control);
    if (position == 0)
        lab_decide(lab, LAB_HOLDS, "the parent still stood at 0");
    else {
        lab_decide(lab, LAB_FAILS, "the child's read moved the parent to position %ld", position);
        lab_why(lab,
                "Memory is copied, descriptors are not: both processes refer to one open file description with its "
                "position and flags such as O_NONBLOCK, and to one socket with its queues. So both must close a "
                "connection before the peer sees its end.");
    }
}
