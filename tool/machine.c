/* machine.c: see machine.h. */
#include "machine.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "json.h"
#include "system.h"

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"

void
machine_boot_id(uint64_t *high, uint64_t *low)
{
    char text[64];
    uint64_t half[2] = {0, 0};
    unsigned digits = 0;

    if (system_read_text(BOOT_ID_PATH, text, sizeof text) == 0) {
        for (const char *next = text; *next != '\0' && digits < 32; next++) {
            const char *digit = strchr("0123456789abcdef", *next);
            if (digit == NULL)
                continue;
            half[digits / 16] = half[digits / 16] << 4 | (uint64_t)(digit - "0123456789abcdef");
            digits++;
        }
    }
    *high = half[0];
    *low = half[1];
}

/* The value behind "KEY<tab>: " in /proc/cpuinfo. Returns 0, or -1. */
static int
read_cpu_model(char *text, size_t size)
{
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[256];
    int result = -1;

    if (file == NULL)
        return -1;
    while (result != 0 && fgets(line, sizeof line, file) != NULL) {
        const char *colon = strchr(line, ':');
        if (colon == NULL || (strncmp(line, "model name", 10) != 0 && strncmp(line, "Model", 5) != 0))
            continue;
        snprintf(text, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
        result = 0;
    }
    fclose(file);
    return result;
}

/* The resolution of CLOCK_MONOTONIC_COARSE is one jiffy. */
uint64_t
machine_hz(void)
{
    struct timespec tick;

    if (clock_getres(6 /* CLOCK_MONOTONIC_COARSE of Linux */, &tick) != 0 || tick.tv_sec != 0 || tick.tv_nsec <= 0)
        return MISSING;
    return (NS_PER_S + (uint64_t)tick.tv_nsec / 2) / (uint64_t)tick.tv_nsec;
}

static void
write_file(struct json *json, const char *name, const char *path)
{
    char text[128];
    json_text(json, name, system_read_text(path, text, sizeof text) == 0 ? text : NULL);
}

void
machine_write(struct json *json)
{
    json_open_object(json, "machine");
    machine_write_members(json);
    json_close_object(json);
}

void
machine_write_members(struct json *json)
{
    struct utsname kernel;
    char text[128];
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    int named = uname(&kernel);
    json_text(json, "kernel", named == 0 ? kernel.release : NULL);
    json_text(json, "architecture", named == 0 ? kernel.machine : NULL);
    json_text(json, "cpu_model", read_cpu_model(text, sizeof text) == 0 ? text : NULL);
    json_count(json, "cpus_online", cpus > 0 ? (uint64_t)cpus : MISSING);
    json_count(json, "hz", machine_hz());
    write_file(json, "boot_id", BOOT_ID_PATH);
    write_file(json, "congestion_default", "/proc/sys/net/ipv4/tcp_congestion_control");
    json_count(json, "wmem_max", system_read_number("/proc/sys/net/core/wmem_max"));
    json_count(json, "rmem_max", system_read_number("/proc/sys/net/core/rmem_max"));
    json_count(json, "loopback_mtu", system_read_number("/sys/class/net/lo/mtu"));
    write_file(json, "clocksource", "/sys/devices/system/clocksource/clocksource0/current_clocksource");
}

uint64_t
machine_buffer_max(bool sending)
{
    return system_read_number(sending ? "/proc/sys/net/core/wmem_max" : "/proc/sys/net/core/rmem_max");
}
