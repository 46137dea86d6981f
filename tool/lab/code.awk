# code.awk: the regions of C that show an entry (see code.h), as a C file. The names of entries stand behind "show".
function literal(line) {
    gsub(/[\\"]/, "\\\\&", line)
    return "     \"" line "\\n\""
}
function fail(what) {
    print FILENAME ":" FNR ": " what > "/dev/stderr"
    failed = 1
    exit 1
}
BEGIN {
    print "/* Made by code.awk from the sources of the lab; changes here are lost. */"
    print "#include \"lab/code.h\"\n"
    print "const struct lab_code lab_code[] = {"
}
FNR == 1 && open { fail("the region before this file is not closed") }
/^ *\/\* show( [a-z0-9-]+)+ \*\/$/ {
    if (open)
        fail("a region opens inside another")
    open = FNR + 1
    match($0, /^ */)
    indent = RLENGTH
    names = $0
    gsub(/^ *\/\* show | \*\/$/, "", names)
    text = ""
    next
}
/^ *\/\* shown \*\/$/ {
    if (!open)
        fail("nothing is shown here")
    count = split(names, name, " ")
    for (i = 1; i <= count; i++)
        printf "    {\"%s\", \"%s\", %d,\n%s    },\n", name[i], FILENAME, open, text
    open = 0
    next
}
open { text = text literal(substr($0, 1, indent) ~ /^ *$/ ? substr($0, indent + 1) : $0) "\n" }
END {
    if (open && !failed)
        fail("a region is not closed")
    if (!failed)
        print "};\n\nconst size_t lab_code_count = sizeof lab_code / sizeof lab_code[0];"
}
