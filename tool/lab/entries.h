/*
 * entries.h: THE table of the lab. A row: LAB_ENTRY(function, "name", topic, statement, source, twist, ...), where the
 * function is lab_<function>() in the file of its topic, and further members of struct lab_entry may follow by name.
 * The file is included more than once, each time with another LAB_ENTRY; alone it says nothing.
 */
#ifndef LAB_ENTRY
#define LAB_ENTRY(...)
#define LAB_ENTRY_WAS_MISSING
#endif

/* clang-format off */

/* Nagle */
LAB_ENTRY(small_waits, "small-waits", LAB_NAGLE,
    "Nagle: while anything is unacknowledged, a small segment waits.",
    "RFC 896; RFC 9293, 3.7.4", "TCP_NODELAY is on", .repeats = 5)

/* clang-format on */

#ifdef LAB_ENTRY_WAS_MISSING
#undef LAB_ENTRY
#undef LAB_ENTRY_WAS_MISSING
#endif
