/*
 * args_values.h: how the value of a program option is read: one function a kind, as the rows of args.c name it.
 *
 * Each reads `text` into the field at `field` of a struct config, checks its range, and returns 0, or -1 with
 * STATUS_USAGE and a sentence about the value; which option it was, the caller says.
 */
#ifndef TINYGRAM_ARGS_VALUES_H
#define TINYGRAM_ARGS_VALUES_H

int parse_send_with(const char *text, void *field);
int parse_family(const char *text, void *field);
int parse_wait(const char *text, void *field);
int parse_sched(const char *text, void *field);
int parse_concurrency(const char *text, void *field);
int parse_verify(const char *text, void *field);
int parse_word(const char *text, void *field);
int parse_flag(const char *text, void *field);
int parse_switch(const char *text, void *field);
int parse_size(const char *text, void *field);
int parse_write_size(const char *text, void *field);
int parse_read_size(const char *text, void *field);
int parse_time(const char *text, void *field);
int parse_schedule(const char *text, void *field);
int parse_rcvbuf_when(const char *text, void *field);
int parse_factor(const char *text, void *field);
int parse_trials(const char *text, void *field);
int parse_pattern(const char *text, void *field);
int parse_rate(const char *text, void *field);
int parse_stream(const char *text, void *field);
int parse_think(const char *text, void *field);
int parse_exchanges(const char *text, void *field);
int parse_limit(const char *text, void *field);
int parse_ratio(const char *text, void *field);
int parse_slices(const char *text, void *field);
int parse_permille(const char *text, void *field);
int parse_repeat(const char *text, void *field);
int parse_attempts(const char *text, void *field);
int parse_connections(const char *text, void *field);
int parse_events_max(const char *text, void *field);
int parse_port(const char *text, void *field);
int parse_seed(const char *text, void *field);
int parse_cpus(const char *text, void *field);

#endif
