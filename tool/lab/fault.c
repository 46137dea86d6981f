/* fault.c: see fault.h. A filter of seccomp(2) needs no privilege once the process has given up gaining any. */
#define _GNU_SOURCE
#include "lab/fault.h"

#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

/* The lower half of a call's argument, where an int lies. */
#define ARGUMENT(n)                                                                                                    \
    (unsigned)(offsetof(struct seccomp_data, args) + (n) * sizeof(__u64) + (__BYTE_ORDER == __BIG_ENDIAN ? 4 : 0))

static void
install(struct lab_case *lab, struct sock_filter *steps, size_t count)
{
    struct sock_fprog filter = {.len = (unsigned short)count, .filter = steps};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0)
        return;
    int code = errno;
    lab_advise(lab, "use a kernel with seccomp filters (CONFIG_SECCOMP_FILTER), where nothing forbids them");
    lab_give_up_system(lab, code, "this system lets no call be answered in the kernel's place (seccomp)");
}

void
lab_fault_socket(struct lab_case *lab, int family)
{
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARGUMENT(0)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)family, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    install(lab, steps, sizeof steps / sizeof steps[0]);
}

void
lab_fault_setsockopt(struct lab_case *lab, int level, int option, int code)
{
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setsockopt, 0, 5),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARGUMENT(1)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)level, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARGUMENT(2)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)option, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((unsigned)code & SECCOMP_RET_DATA)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    install(lab, steps, sizeof steps / sizeof steps[0]);
}
