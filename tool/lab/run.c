/* run.c: see run.h. _GNU_SOURCE for prctl(). */
#define _GNU_SOURCE
#include "lab/run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"
#include "interrupt.h"
#include "lab/kit.h"
#include "lab/sysctl.h"
#include "shared.h"

#define LIMIT_S 10
#define AGAIN_MAX 5    /* an attempt is made anew at most so often */
#define WAITING_MAX 24 /* attempts that wait, side by side */
#define LOOK_MS 2      /* how often the attempts are looked at */

/* One attempt. */
struct job {
    size_t entry; /* index of the outcome */
    struct lab_record *record;
    bool waits;
    bool draws; /* the first attempt makes the picture */
    pid_t pid;  /* 0: not running */
    uint64_t deadline_ns;
    unsigned again;
    bool ended;
};

/* In the attempt's own process. */
static void
attempt(const struct job *job, const struct lab_entry *entry, const struct lab_options *options)
{
    struct lab_case lab = {
        .entry = entry, .twist = options->twist, .thorough = options->thorough, .record = job->record};
    unsigned needs = entry->needs | (options->twist ? entry->twist_needs : 0);
    static const int ordinary[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGPIPE, SIGALRM, SIGCHLD};
    sigset_t none;

    /* Whatever whoever started the program has ignored or blocked. */
    for (size_t i = 0; i < sizeof ordinary / sizeof ordinary[0]; i++)
        signal(ordinary[i], SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    job->record->began_ns = clock_now_ns();
    job->record->mss = MISSING;
    lab_sysctl_note(&lab);
    if ((needs & LAB_ROOT) != 0 && geteuid() != 0) {
        lab_advise(&lab, "run it as root");
        lab_give_up(&lab, "it needs a privilege that this user lacks");
    }
    if ((needs & LAB_INET6) != 0) {
        struct endpoint at = lab_loopback(&lab, AF_INET6, 0);
        lab_advise(&lab, "switch it on: net.ipv6.conf.lo.disable_ipv6 0, or a kernel with IPv6");
        int fd = lab_socket(&lab, AF_INET6, SOCK_STREAM);
        if (bind(fd, (const struct sockaddr *)&at.address, at.len) != 0)
            lab_give_up_system(&lab, errno, "this machine has no address ::1");
        close(fd);
        lab_advise(&lab, "");
    }
    if ((needs & LAB_NAMESPACE) != 0 || ((needs & LAB_FILTER) != 0 && !lab_may_deafen(&lab)))
        lab_namespace(&lab);
    entry->run(&lab);
    job->record->ended_ns = clock_now_ns();
    if (job->record->verdict != LAB_NOT_TRIED && job->record->controlled && job->record->control_sound && job->draws) {
        lab.drawing = true;
        entry->picture(&lab);
    }
    if (job->record->verdict == LAB_NOT_TRIED || (job->record->controlled && job->record->control_sound))
        return;
    if (!job->record->controlled) { /* such an entry is not done */
        job->record->verdict = LAB_NOT_TRIED;
        snprintf(job->record->reason, sizeof job->record->reason, "no control was made, so nothing was shown");
        return;
    }
    /* Perhaps the machine was only too busy. */
    job->record->verdict = LAB_NOT_TRIED;
    if (job->record->remedy[0] == '\0')
        lab_advise(&lab, entry->sysctls == NULL ? LAB_WHEN_QUIET : LAB_WHEN_QUIET LAB_OR_SYSCTL);
    snprintf(job->record->reason, sizeof job->record->reason,
             "the control did not turn out as it must, so nothing was shown (%.80s: %.80s)",
             job->record->control_change, job->record->control_outcome);
    _exit(LAB_EXIT_AGAIN);
}

static int
start(struct job *job, const struct lab_entry *entry, const struct lab_options *options)
{
    pid_t parent = getpid();
    unsigned limit_s = entry->limit_s != 0 ? entry->limit_s : LIMIT_S;

    memset(job->record, 0, sizeof *job->record);
    snprintf(job->record->reason, sizeof job->record->reason, "the attempt ended without a verdict");
    job->deadline_ns = clock_deadline_ns((options->thorough ? 12 : 1) * NS_PER_S * limit_s);
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        return err_system(errno, "cannot start a process for an attempt");
    if (pid == 0) {
        setpgid(0, 0); /* a group of its own, so that it can be ended with all that it starts */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent)
            attempt(job, entry, options);
        _exit(LAB_EXIT_DONE);
    }
    setpgid(pid, pid); /* here too: whichever process comes first */
    job->pid = pid;
    return 0;
}

/* The attempt's process has ended: notes how. */
static void
note_end(struct job *job, int status, struct lab_outcome *outcome)
{
    struct lab_record *record = job->record;

    job->pid = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == LAB_EXIT_AGAIN && job->again < AGAIN_MAX) {
        job->again++;
        outcome->again++;
        return; /* it will be started again */
    }
    job->ended = true;
    if (WIFSIGNALED(status)) {
        record->verdict = LAB_NOT_TRIED;
        snprintf(record->remedy, sizeof record->remedy, LAB_WHEN_QUIET);
        if (clock_now_ns() >= job->deadline_ns)
            snprintf(record->reason, sizeof record->reason, "the attempt hung and was ended when its time was up");
        else
            snprintf(record->reason, sizeof record->reason, "the attempt was ended by signal %d", WTERMSIG(status));
    } else if (WEXITSTATUS(status) != LAB_EXIT_DONE && WEXITSTATUS(status) != LAB_EXIT_AGAIN) {
        record->verdict = LAB_NOT_TRIED;
        snprintf(record->reason, sizeof record->reason, "the attempt ended with status %d", WEXITSTATUS(status));
    }
    outcome->tally[record->verdict]++;
}

/* Ends an attempt with all that it has started. Its process is still there, at least as a zombie: the group is ours. */
static void
end_group(const struct job *job)
{
    kill(-job->pid, SIGKILL);
}

/* Notes every attempt that has ended, and ends those whose time is up. */
static void
look(struct job *jobs, size_t count, struct lab_outcome *outcomes)
{
    for (size_t i = 0; i < count; i++) {
        struct job *job = &jobs[i];
        siginfo_t info = {.si_pid = 0};
        int status;

        if (job->pid == 0)
            continue;
        if (clock_now_ns() >= job->deadline_ns)
            end_group(job);
        if (waitid(P_PID, (id_t)job->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != job->pid)
            continue;
        end_group(job); /* what it has forked and left */
        if (waitpid(job->pid, &status, 0) == job->pid)
            note_end(job, status, &outcomes[job->entry]);
    }
}

/* Starts what may run now. Returns how many attempts are running or still to be made, or -1 with an error. */
static int
start_more(struct job *jobs, size_t count, struct lab_outcome *outcomes, const struct lab_options *options)
{
    unsigned waiting = 0, quick = 0, left = 0;

    for (size_t i = 0; i < count; i++) {
        waiting += jobs[i].pid != 0 && jobs[i].waits;
        quick += jobs[i].pid != 0 && !jobs[i].waits;
    }
    for (size_t i = 0; i < count; i++) {
        struct job *job = &jobs[i];
        left += !job->ended;
        if (job->ended || job->pid != 0 || (job->waits ? waiting >= WAITING_MAX : quick > 0))
            continue;
        if (start(job, outcomes[job->entry].entry, options) != 0)
            return -1;
        *(job->waits ? &waiting : &quick) += 1;
    }
    return (int)left;
}

/* One line that is written over, and in the end away. */
static void
show_progress(int left, int *told)
{
    if (left > 0 && left != *told)
        fprintf(stderr, "\rtrying: %d attempt%s to go\033[K", left, left == 1 ? "" : "s");
    else if (left <= 0 && *told != 0)
        fputs("\r\033[K", stderr);
    *told = left > 0 ? left : 0;
}

/* Runs all attempts; ends early when a signal comes. */
static int
run_all(struct job *jobs, size_t count, struct lab_outcome *outcomes, const struct lab_options *options)
{
    int left = 1, told = 0;

    while (left > 0 && !interrupt_seen()) {
        left = start_more(jobs, count, outcomes, options);
        if (options->progress)
            show_progress(left, &told);
        if (left > 0)
            poll(NULL, 0, LOOK_MS);
        look(jobs, count, outcomes);
    }
    if (options->progress)
        show_progress(0, &told);
    for (size_t i = 0; i < count; i++) /* only after an interruption or an error does any still run */
        if (jobs[i].pid != 0) {
            end_group(&jobs[i]);
            waitpid(jobs[i].pid, NULL, 0);
        }
    return left < 0 ? -1 : 0;
}

/* What to do about an entry that was not tried. */
static void
advise(struct lab_outcome *outcome, bool interrupted)
{
    const struct lab_entry *entry = outcome->entry;
    const char *known = outcome->record->remedy;

    if (interrupted)
        known = "run it again and let it end";
    else if (known[0] == '\0' && (entry->needs & (LAB_ROOT | LAB_NAMESPACE | LAB_FILTER)) != 0 && geteuid() != 0)
        known = "run it as root";
    if (known[0] != '\0')
        snprintf(outcome->remedy, sizeof outcome->remedy, "%s", known);
    else
        snprintf(outcome->remedy, sizeof outcome->remedy,
                 "try it alone (`tinygram lab %s`); if it stays so, this machine cannot show it", entry->name);
}

/* The verdict of an entry, from its attempts. */
static void
conclude(struct lab_outcome *outcome)
{
    unsigned tried = 0, made = 0, kinds = 0;

    for (int verdict = 0; verdict < LAB_VERDICTS; verdict++) {
        made += outcome->tally[verdict];
        if (verdict == LAB_NOT_TRIED || outcome->tally[verdict] == 0)
            continue;
        tried += outcome->tally[verdict];
        kinds++;
        outcome->verdict = (enum lab_verdict)verdict;
    }
    if (made < outcome->planned || tried < made)
        outcome->verdict = LAB_NOT_TRIED;
    else if (kinds > 1)
        outcome->verdict = LAB_ONLY_IF;
    outcome->record = &outcome->records[0];
    for (unsigned i = 0; i < outcome->planned; i++)
        if (outcome->records[i].verdict == outcome->verdict && outcome->records[i].began_ns != 0) {
            outcome->record = &outcome->records[i];
            break;
        }
    if (made < outcome->planned)
        snprintf(outcome->reason, sizeof outcome->reason, "interrupted after %u of %u attempts", made,
                 outcome->planned);
    else if (tried == 0)
        snprintf(outcome->reason, sizeof outcome->reason, "%s", outcome->record->reason);
    else if (tried < made)
        snprintf(outcome->reason, sizeof outcome->reason, "%u of %u attempts could not be made: %.160s", made - tried,
                 made, outcome->record->reason);
    else if (kinds > 1)
        snprintf(outcome->condition, sizeof outcome->condition,
                 "chance has it so: of %u attempts it held in %u, did not in %u, and held only under a condition in %u",
                 made, outcome->tally[LAB_HOLDS], outcome->tally[LAB_FAILS], outcome->tally[LAB_ONLY_IF]);
    else if (outcome->verdict == LAB_ONLY_IF)
        snprintf(outcome->condition, sizeof outcome->condition, "%s", outcome->record->condition);
    if (outcome->verdict == LAB_NOT_TRIED)
        advise(outcome, made < outcome->planned);
}

static unsigned
attempts_at(const struct lab_entry *entry, const struct lab_options *options)
{
    if (options->repeats != 0)
        return options->repeats;
    return entry->repeats != 0 ? entry->repeats : 1;
}

int
lab_run(const struct lab_entry *const *chosen, size_t count, const struct lab_options *options,
        struct lab_outcome *outcomes)
{
    size_t total = 0, next = 0;

    signal(SIGCHLD, SIG_DFL); /* ignored, as a program may inherit it, no attempt could be waited for */
    for (size_t i = 0; i < count; i++) {
        outcomes[i] = (struct lab_outcome){.entry = chosen[i], .planned = attempts_at(chosen[i], options)};
        total += outcomes[i].planned;
    }
    struct job *jobs = calloc(total > 0 ? total : 1, sizeof *jobs);
    if (jobs == NULL)
        return err_set(STATUS_REFUSED, "no memory for %zu attempts", total);
    for (size_t i = 0; i < count; i++) {
        outcomes[i].records = shared_new(outcomes[i].planned * sizeof *outcomes[i].records);
        if (outcomes[i].records == NULL) {
            free(jobs);
            return -1;
        }
        for (unsigned repeat = 0; repeat < outcomes[i].planned; repeat++)
            jobs[next++] = (struct job){.entry = i,
                                        .record = &outcomes[i].records[repeat],
                                        .waits = (chosen[i]->flags & LAB_WAITS) != 0,
                                        .draws = chosen[i]->picture != NULL && repeat == 0 && !options->twist};
    }
    int result = run_all(jobs, total, outcomes, options);
    free(jobs);
    for (size_t i = 0; i < count; i++)
        conclude(&outcomes[i]);
    return result;
}

void
lab_free(struct lab_outcome *outcomes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        shared_free(outcomes[i].records, outcomes[i].planned * sizeof *outcomes[i].records);
}
