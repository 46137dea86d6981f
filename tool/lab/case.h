/*
 * case.h: what the function of an entry sees: one attempt to decide one statement, and the record that it fills in.
 *
 * An attempt runs in a process of its own, which ends with it: what it opens, forks or changes reaches no other, so
 * entries close nothing for tidiness' sake. The record lies in memory that the parent shares, of fixed size: an attempt
 * that hangs or crashes leaves what it had noted.
 *
 * A verdict is decided from what was observed. What fails on the way (no socket, no permission) is no verdict:
 * lab_give_up() ends the attempt as "not tried", with the reason.
 */
#ifndef TINYGRAM_LAB_CASE_H
#define TINYGRAM_LAB_CASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lab_topic {
    LAB_CALLS,
    LAB_FAMILIES,
    LAB_BUFFERS,
    LAB_NAGLE,
    LAB_UDP,
    LAB_NAMES,
    LAB_CLOSING,
    LAB_OPTIONS,
    LAB_FLAGS,
    LAB_SERVERS,
    LAB_NUMBERS,
    LAB_TOPICS
};

enum lab_verdict { LAB_NOT_TRIED, LAB_HOLDS, LAB_FAILS, LAB_ONLY_IF, LAB_VERDICTS };

/* What an entry cannot do without; lacking it, the entry is not tried. */
enum lab_needs {
    LAB_ROOT = 1,      /* a privilege that an ordinary user lacks */
    LAB_NAMESPACE = 2, /* a network namespace of its own: root, or user namespaces */
    LAB_INET6 = 4,     /* the address ::1 */
    LAB_FILTER = 8     /* a filter on a socket, to withhold segments: kernels differ in who may attach one */
};

enum lab_flags {
    LAB_WAITS = 1,   /* mostly waits for a kernel timer: runs beside the others */
    LAB_THOROUGH = 2 /* sees more, and takes longer, with --thorough */
};

struct lab_case;

/* A row of the table in entries.h. */
struct lab_entry {
    const char *name; /* on the command line, and of the region of C that is shown */
    enum lab_topic topic;
    const char *statement; /* in our own words, as people tell it */
    const char *source;    /* RFC section, POSIX, man page or subject of textbooks */
    const char *twist;     /* the change under which the opposite must be observed */
    void (*run)(struct lab_case *lab);
    unsigned needs;                        /* of enum lab_needs */
    unsigned twist_needs;                  /* further needs of the twist */
    unsigned repeats;                      /* attempts; at least 5 where chance can enter */
    unsigned flags;                        /* of enum lab_flags */
    unsigned limit_s;                      /* an attempt that takes longer hangs; 0: 10 s */
    const char *sysctls;                   /* names of those that matter here, blanks between them; NULL: none does */
    void (*picture)(struct lab_case *lab); /* measures for a picture (pictures.h); NULL: none is drawn */
};

#define LAB_TEXT_BYTES 240
#define LAB_WHY_BYTES 640
#define LAB_STEPS 12
#define LAB_FACTS 80
#define LAB_MOMENTS 16
#define LAB_SAMPLES 160
#define LAB_SYSCTLS 4 /* that one entry may name */

/* One piece of evidence: a number with its unit, or a word (the name of an errno value, a state). */
struct lab_fact {
    char name[64];
    char unit[12];
    uint64_t number; /* or MISSING */
    char text[96];   /* not empty: it is a word */
};

struct lab_moment {
    uint64_t at_ns; /* since the attempt began */
    char what[120];
};

/* A point of a series, for a picture. */
struct lab_sample {
    char series[32];
    uint64_t x, y; /* units: see lab_sample() */
    char x_unit[12], y_unit[12];
};

/* A sysctl that matters, as the attempt saw it: in its own network namespace where it has one. */
struct lab_sysctl_seen {
    char name[48];
    char value[48]; /* when the attempt began; "": this kernel has none of that name */
    char then[48];  /* what the attempt set it to, in order; "": it did not */
};

/* What one attempt saw. */
struct lab_record {
    enum lab_verdict verdict;
    char summary[LAB_TEXT_BYTES];   /* the evidence in one line */
    char condition[LAB_TEXT_BYTES]; /* with LAB_ONLY_IF: holds only if this */
    char reason[LAB_TEXT_BYTES];    /* with LAB_NOT_TRIED: why not */
    char remedy[LAB_TEXT_BYTES];    /* with LAB_NOT_TRIED: what to do about it; "": nothing in particular */
    char why[LAB_WHY_BYTES];        /* "" where nothing needs explaining */
    char skipped[LAB_TEXT_BYTES];   /* what only --thorough shows; "" */
    unsigned step_count, fact_count, moment_count;
    char steps[LAB_STEPS][LAB_TEXT_BYTES];
    struct lab_fact facts[LAB_FACTS];
    struct lab_moment moments[LAB_MOMENTS];
    unsigned sample_count, sysctl_count;
    struct lab_sample samples[LAB_SAMPLES];
    struct lab_sysctl_seen sysctls[LAB_SYSCTLS];
    char congestion[16]; /* of the first connection of lab_connect(); "": it made none */
    uint64_t mss;        /* the segment that this connection was limited to; MISSING: none was asked for */
    bool controlled;     /* a control was made */
    bool control_sound;  /* and turned out as it must */
    char control_change[LAB_TEXT_BYTES];  /* the one change */
    char control_outcome[LAB_TEXT_BYTES]; /* what was seen then */
    uint64_t began_ns, ended_ns;
};

struct lab_case {
    const struct lab_entry *entry;
    bool twist;    /* make the observation under the changed condition */
    bool thorough; /* also what takes long */
    bool drawing;  /* the verdict is there: what fails now ends the picture alone */
    struct lab_record *record;
};

#define LAB_FORMAT(string, first) __attribute__((format(printf, string, first)))

/* What was done, in order. */
void lab_step(struct lab_case *lab, const char *format, ...) LAB_FORMAT(2, 3);

/* Evidence: a number (MISSING: it could not be had), or a word. */
void lab_number(struct lab_case *lab, const char *name, uint64_t number, const char *unit);
void lab_word(struct lab_case *lab, const char *name, const char *format, ...) LAB_FORMAT(3, 4);

/* A point of the timeline, at the present moment. */
void lab_moment(struct lab_case *lab, const char *format, ...) LAB_FORMAT(2, 3);

/* A point of a series, for a picture: (x, y) with their units, which are the same for all of its points. What is more
 * than LAB_SAMPLES is left out. */
struct lab_axis {
    const char *x_unit, *y_unit;
};
void lab_sample(struct lab_case *lab, const char *series, const struct lab_axis *axis, uint64_t x, uint64_t y);

/* The negative control: the same code with one change. `sound`: it turned out as it must for the observation to mean
 * anything; otherwise the attempt is not tried. */
void lab_control(struct lab_case *lab, bool sound, const char *change, const char *format, ...) LAB_FORMAT(4, 5);

/* The verdict, and the evidence in one line. */
void lab_decide(struct lab_case *lab, enum lab_verdict verdict, const char *format, ...) LAB_FORMAT(3, 4);

/* The condition of LAB_ONLY_IF, as the end of "holds only if ...". */
void lab_condition(struct lab_case *lab, const char *format, ...) LAB_FORMAT(2, 3);

/* Why what was seen is so. */
void lab_why(struct lab_case *lab, const char *text);

/* What --thorough would have shown. */
void lab_skip(struct lab_case *lab, const char *text);

/* What to do where the attempt is given up next. */
void lab_advise(struct lab_case *lab, const char *text);

/* Ends the attempt: it could not be made, for this reason. */
void lab_give_up(struct lab_case *lab, const char *format, ...) __attribute__((noreturn)) LAB_FORMAT(2, 3);

/* As lab_give_up(), with the system's word for errno `code`, and what to do about it. */
void lab_give_up_system(struct lab_case *lab, int code, const char *what) __attribute__((noreturn));

/* Ends the attempt when more than `limit_ms` have passed since `since_ns`: the machine was too busy for what was seen
 * to mean anything, so it is made again, a few times at most. */
void lab_undisturbed(struct lab_case *lab, uint64_t since_ns, unsigned limit_ms);

/* What to do when other work was in the way. */
#define LAB_WHEN_QUIET "let other work on this machine end, and try it again"
#define LAB_OR_SYSCTL "; if it stays so, one of the settings that stand beside it is in the way"

/* Exit statuses of an attempt's process. */
#define LAB_EXIT_DONE 0
#define LAB_EXIT_AGAIN 75

/* "ECONNRESET" for ECONNRESET; "none" for 0, "error N" for one that has no name here. Never NULL; not for threads. */
const char *lab_errno(int code);

/* "does not hold" for LAB_FAILS, and so on; "Nagle" for LAB_NAGLE. */
const char *lab_verdict_name(enum lab_verdict verdict);
const char *lab_topic_name(enum lab_topic topic);

/* The table. */
extern const struct lab_entry lab_entries[];
extern const size_t lab_entry_count;

#endif
