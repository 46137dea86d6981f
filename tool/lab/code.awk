# code.awk: the regions of C that show an entry (see code.h), as a C file. An entry's name stands behind "show".
function literal(line) {
    gsub(/\\/, "\\\\", line)
    gsub(/"/, "\\\"", line)
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
/^ *\/\* show [a-z0-9-]+ \*\/$/ {
    if (open)
        fail("a region opens inside another")
    open = 1
    match($0, /^ */)
    indent = RLENGTH
    printf "    {\"%s\", \"%s\", %d,\n", $3, FILENAME, FNR + 1
    next
}
/^ *\/\* shown \*\/$/ {
    if (!open)
        fail("nothing is shown here")
    open = 0
    print "    },"
    next
}
open { print literal(substr($0, 1, indent) ~ /^ *$/ ? substr($0, indent + 1) : $0) }
END {
    if (open && !failed)
        fail("a region is not closed")
    if (!failed)
        print "};\n\nconst size_t lab_code_count = sizeof lab_code / sizeof lab_code[0];"
}
