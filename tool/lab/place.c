/* place.c: see place.h. _GNU_SOURCE for unshare() and the names of Linux. */
#define _GNU_SOURCE
#include "lab/place.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

#include "err.h"
#include "lab/kit.h"
#include "lab/sysctl.h"
#include "shared.h"
#include "system.h"

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
