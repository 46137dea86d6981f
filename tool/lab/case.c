/* case.c: see case.h. */
#include "lab/case.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

/* Formats into a field of the record; what is longer is cut. */
#define PRINT(field, format)                                                                                           \
    do {                                                                                                               \
        va_list arguments;                                                                                             \
        va_start(arguments, format);                                                                                   \
        vsnprintf((field), sizeof(field), (format), arguments);                                                        \
        va_end(arguments);                                                                                             \
    } while (0)

void
lab_step(struct lab_case *lab, const char *format, ...)
{
    struct lab_record *record = lab->record;
    if (record->step_count < LAB_STEPS)
        PRINT(record->steps[record->step_count++], format);
}

/* The next free fact, or NULL when there is none. */
static struct lab_fact *
next_fact(struct lab_case *lab, const char *name)
{
    struct lab_record *record = lab->record;
    if (record->fact_count == LAB_FACTS)
        return NULL;
    struct lab_fact *fact = &record->facts[record->fact_count++];
    snprintf(fact->name, sizeof fact->name, "%s", name);
    return fact;
}

void
lab_number(struct lab_case *lab, const char *name, uint64_t number, const char *unit)
{
    struct lab_fact *fact = next_fact(lab, name);
    if (fact == NULL)
        return;
    fact->number = number;
    snprintf(fact->unit, sizeof fact->unit, "%s", unit);
}

void
lab_word(struct lab_case *lab, const char *name, const char *format, ...)
{
    struct lab_fact *fact = next_fact(lab, name);
    if (fact == NULL)
        return;
    fact->number = MISSING;
    PRINT(fact->text, format);
}

void
lab_moment(struct lab_case *lab, const char *format, ...)
{
    struct lab_record *record = lab->record;
    if (record->moment_count == LAB_MOMENTS)
        return;
    struct lab_moment *moment = &record->moments[record->moment_count++];
    moment->at_ns = clock_now_ns() - record->began_ns;
    PRINT(moment->what, format);
}

void
lab_sample(struct lab_case *lab, const char *series, const struct lab_axis *axis, uint64_t x, uint64_t y)
{
    struct lab_record *record = lab->record;
    if (record->sample_count == LAB_SAMPLES)
        return;
    struct lab_sample *sample = &record->samples[record->sample_count++];
    sample->x = x;
    sample->y = y;
    snprintf(sample->series, sizeof sample->series, "%s", series);
    snprintf(sample->x_unit, sizeof sample->x_unit, "%s", axis->x_unit);
    snprintf(sample->y_unit, sizeof sample->y_unit, "%s", axis->y_unit);
}

void
lab_control(struct lab_case *lab, bool sound, const char *change, const char *format, ...)
{
    lab->record->controlled = true;
    lab->record->control_sound = sound;
    snprintf(lab->record->control_change, sizeof lab->record->control_change, "%s", change);
    PRINT(lab->record->control_outcome, format);
}

void
lab_decide(struct lab_case *lab, enum lab_verdict verdict, const char *format, ...)
{
    lab->record->verdict = verdict;
    PRINT(lab->record->summary, format);
}

void
lab_condition(struct lab_case *lab, const char *format, ...)
{
    PRINT(lab->record->condition, format);
}

void
lab_why(struct lab_case *lab, const char *text)
{
    snprintf(lab->record->why, sizeof lab->record->why, "%s", text);
}

void
lab_skip(struct lab_case *lab, const char *text)
{
    snprintf(lab->record->skipped, sizeof lab->record->skipped, "%s", text);
}

void
lab_advise(struct lab_case *lab, const char *text)
{
    if (lab->drawing)
        return;
    snprintf(lab->record->remedy, sizeof lab->record->remedy, "%s", text);
}

void
lab_give_up(struct lab_case *lab, const char *format, ...)
{
    if (lab->drawing)
        _exit(LAB_EXIT_DONE);
    lab->record->verdict = LAB_NOT_TRIED;
    PRINT(lab->record->reason, format);
    _exit(LAB_EXIT_DONE);
}

/* What to do when the system refuses with `code`; NULL: that depends on what was asked. */
static const char *
remedy_for(int code)
{
    static const struct {
        int code;
        const char *remedy;
    } remedies[] = {
        {EMFILE, "allow more open descriptors (`ulimit -n 1024`) and try it again"},
        {ENFILE, "the whole system is out of descriptors (fs.file-max): end what holds them and try it again"},
        {ENOMEM, "free memory and try it again"},
        {ENOBUFS, "free memory and try it again"},
        {EPERM, "run it as root; in a container, with the capability that its policy withholds"},
        {EACCES, "run it as root; in a container, with the capability that its policy withholds"},
        {EADDRINUSE,
         "something else has this port, or none is left (net.ipv4.ip_local_port_range): try it again later"},
        {EADDRNOTAVAIL, "give loopback its addresses: `ip link set lo up`, net.ipv6.conf.lo.disable_ipv6 0"},
        {EAGAIN, "let other work end (`ulimit -u` limits processes) and try it again"},
        {EAFNOSUPPORT, "nothing here: this kernel was built without it; try a kernel that has it"},
        {EPROTONOSUPPORT, "nothing here: this kernel was built without it; try a kernel that has it"},
        {ENOPROTOOPT, "nothing here: this kernel does not know the option; try one that does"},
        {ENOSYS, "nothing here: this kernel lacks the call, or a policy forbids it"},
    };

    for (size_t i = 0; i < sizeof remedies / sizeof remedies[0]; i++)
        if (remedies[i].code == code)
            return remedies[i].remedy;
    return NULL;
}

void
lab_give_up_system(struct lab_case *lab, int code, const char *what)
{
    if (lab->record->remedy[0] == '\0' && remedy_for(code) != NULL)
        lab_advise(lab, remedy_for(code));
    lab_give_up(lab, "%s: %s", what, lab_errno(code));
}

void
lab_undisturbed(struct lab_case *lab, uint64_t since_ns, unsigned limit_ms)
{
    uint64_t took_ns = clock_now_ns() - since_ns;
    if (took_ns <= limit_ms * NS_PER_MS || lab->drawing)
        return;
    lab->record->verdict = LAB_NOT_TRIED;
    lab_advise(lab, LAB_WHEN_QUIET);
    snprintf(lab->record->reason, sizeof lab->record->reason,
             "the machine was too busy: what must take less than %u ms took %llu", limit_ms,
             (unsigned long long)(took_ns / NS_PER_MS));
    _exit(LAB_EXIT_AGAIN);
}

const char *
lab_errno(int code)
{
    static char other[24];
#define NAME(code)                                                                                                     \
    {                                                                                                                  \
        code, #code                                                                                                    \
    }
    static const struct {
        int code;
        const char *name;
    } names[] = {NAME(E2BIG),        NAME(EACCES),       NAME(EADDRINUSE), NAME(EADDRNOTAVAIL), NAME(EAFNOSUPPORT),
                 NAME(EAGAIN),       NAME(EALREADY),     NAME(EBADF),      NAME(EBUSY),         NAME(ECHILD),
                 NAME(ECONNABORTED), NAME(ECONNREFUSED), NAME(ECONNRESET), NAME(EDESTADDRREQ),  NAME(EDOM),
                 NAME(EEXIST),       NAME(EFAULT),       NAME(EHOSTDOWN),  NAME(EHOSTUNREACH),  NAME(EINPROGRESS),
                 NAME(EINTR),        NAME(EINVAL),       NAME(EIO),        NAME(EISCONN),       NAME(EMFILE),
                 NAME(EMSGSIZE),     NAME(ENETDOWN),     NAME(ENETRESET),  NAME(ENETUNREACH),   NAME(ENFILE),
                 NAME(ENOBUFS),      NAME(ENODEV),       NAME(ENOENT),     NAME(ENOMEM),        NAME(ENOPROTOOPT),
                 NAME(ENOSPC),       NAME(ENOSYS),       NAME(ENOTCONN),   NAME(ENOTSOCK),      NAME(ENXIO),
                 NAME(EOPNOTSUPP),   NAME(EPERM),        NAME(EPIPE),      NAME(EPROTO),        NAME(EPROTONOSUPPORT),
                 NAME(EPROTOTYPE),   NAME(ERANGE),       NAME(EROFS),      NAME(ESHUTDOWN),     NAME(ESOCKTNOSUPPORT),
                 NAME(ETIMEDOUT)};
#undef NAME

    if (code == 0)
        return "none";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].code == code)
            return names[i].name;
    snprintf(other, sizeof other, "error %d", code);
    return other;
}

const char *
lab_verdict_name(enum lab_verdict verdict)
{
    static const char *const names[LAB_VERDICTS] = {"not tried", "holds", "does not hold", "holds only if"};
    return names[verdict];
}

const char *
lab_topic_name(enum lab_topic topic)
{
    static const char *const names[LAB_TOPICS] = {"Calls",   "Families", "Buffers", "Nagle",   "UDP",    "Names",
                                                  "Closing", "Options",  "Flags",   "Servers", "Numbers"};
    return names[topic];
}
