# How is a grid of panels drawn, one point a trial, a line through the medians? The body of every chart of that kind.
# columns: kind panel panel_title nodelay place spread modes low high (and the script's own VALUE)
# The script sets VALUE (a column), UNIT (of its values), COLUMNS (panels a row), SHARE (1: one y scale a row of panels),
# DIAGONAL (1: a line where y is x),
# X_LABEL, Y_LABEL (opens each panel's title), and X: "size" (bytes, powers of two; a level "auto" has its own place),
# "count" (numbers, a tick a level) or "level" (names). UNIT "panel": each panel has its own, in the column unit.
# Where SERIES is set to 1, the column series gives the names of the lines, in place of nodelay. A chart of two runs has
# `base` or `new` before each of these names. A row of the kind `room` is not drawn, and only makes room on the axes.
if (!exists("SERIES")) { SERIES = 0 }
KEY_COLUMN = SERIES ? "series" : "nodelay"
SIDES = SERIES ? 6 : 3
STYLE = SERIES ? 20 : 0
MODES = SERIES ? 10 : 3
RUNS = 0
array RUN[2] = ["base", "new"]
array KEY[6] = [NODELAY[1], NODELAY[2], NODELAY[3], "", "", ""]
array KEY_TITLE[6] = [NODELAY_TITLE[1], NODELAY_TITLE[2], NODELAY_TITLE[3], "", "", ""]
# What is there: panels, the range of each, and which of the two lines of the legend are needed.
panels = 0
two_modes = 0
first_place = 1e300
last_place = 0
auto_place = 0
numeric = X ne "level"
array title[64]
array low[64]
array high[64]
array zero[64]
array seen[6] = [0, 0, 0, 0, 0, 0]
array level[64]
array unit[64]
do for [p = 1:64] { low[p] = 1e300; high[p] = 0; zero[p] = 0; level[p] = ""; unit[p] = UNIT }
see(p, v, x) = (panels = p > panels ? p : panels, \
    first_place = x < first_place ? x : first_place, last_place = x > last_place ? x : last_place, \
    v > 0 && v < low[p] ? (low[p] = v) : 0, v > high[p] ? (high[p] = v) : 0, v == 0 ? (zero[p] = 1) : 0, 1)
stats DATA using (see(int(column("panel")), column(VALUE), column("place"))) nooutput
side_of(name) = name[1:5] eq "base " ? (RUNS = 1, side_of(name[6:])) : name[1:4] eq "new " ? (RUNS = 1, 3 + side_of(name[5:])) \
    : name eq "off" ? 1 : name eq "on" ? 2 : 3
stats DATA using (title[int(column("panel"))] = strcol("panel_title"), two_modes = column("modes") == 2 ? 1 : two_modes, \
    side = SERIES ? 1 : side_of(strcol("nodelay")), seen[side] = 1, 1) nooutput
if (RUNS) {
    SIDES = 6
    STYLE = 50
    MODES = 10
    do for [k = 1:6] {
        KEY[k] = RUN[(k + 2) / 3] . " " . NODELAY[(k - 1) % 3 + 1]
        KEY_TITLE[k] = RUN[(k + 2) / 3] . ", " . NODELAY_TITLE[(k - 1) % 3 + 1]
    }
}
if (SERIES) {
    lines = 0
    known(name) = name eq KEY[1] || name eq KEY[2] || name eq KEY[3] || name eq KEY[4] || name eq KEY[5] || name eq KEY[6]
    add(name) = lines == 6 || known(name) ? 1 : (lines = lines + 1, KEY[lines] = name, KEY_TITLE[lines] = name, seen[lines] = 1, 1)
    do for [k = 1:6] { KEY[k] = "" }
    stats DATA using (add(strcol("series"))) nooutput
    SIDES = lines
}
if (UNIT eq "panel") {
    stats DATA using (unit[int(column("panel"))] = strcol("unit"), 1) nooutput
}
if (numeric) {
    stats DATA using (auto_place = strcol("level") eq "auto" ? column("place") : auto_place, 1) nooutput
} else {
    stats DATA using (level[int(column("place"))] = strcol("level"), 1) nooutput
}
if (panels == 1) { COLUMNS = 1 }
PANEL = COLUMNS == 1 ? 366 : 256

# Names of levels that would run into one another are turned.
letters = 0
do for [k = 1:64] { letters = letters + (strlen(level[k]) > 0 ? strlen(level[k]) + 2 : 0) }
if (letters * 7.5 > WIDTH / COLUMNS - 108) {
    set xtics rotate by -35
    BELOW = BELOW + 56
    PANEL = PANEL + 56
}
rows = (panels + COLUMNS - 1) / COLUMNS

# One y scale a row of panels where the panels of a row are to be compared.
if (SHARE) {
    do for [p = 1:panels] {
        first = (p - 1) / COLUMNS * COLUMNS + 1
        do for [q = first:first + COLUMNS - 1] {
            if (q <= panels && low[q] < low[p]) { low[p] = low[q] }
            if (q <= panels && high[q] > high[p]) { high[p] = high[q] }
            if (q <= panels && zero[q]) { zero[p] = 1 }
        }
    }
}

# Where every value of a panel is 0 there is no scale of its own: it gets one.
do for [p = 1:panels] {
    if (high[p] == 0) { low[p] = 1e-6; high[p] = 4e-6 }
}

# The style of each line. In a chart of two runs the lines of one name have one colour; those of base are thin and hollow.
array STYLE_OF[6]
array HOLLOW[6] = [6, 4, 8, 10, 12, 14]
array name[6] = ["", "", "", "", "", ""]
names = 0
place_of(text) = text eq name[1] ? 1 : text eq name[2] ? 2 : text eq name[3] ? 3 : text eq name[4] ? 4 : text eq name[5] ? 5 \
    : text eq name[6] ? 6 : (names = names + 1, name[names] = text, names)
do for [k = 1:6] {
    STYLE_OF[k] = STYLE + k
    run = SERIES == 0 || k > SIDES ? "" : KEY[k][1:5] eq "base " ? "base " : KEY[k][1:4] eq "new " ? "new " : ""
    if (strlen(run) > 0) {
        here = place_of(KEY[k][strlen(run) + 1:])
        STYLE_OF[k] = (run eq "base " ? 90 : 20) + here
        set style line 90 + here linecolor rgb SERIES_COLOUR[here] linewidth 0.8 dashtype here pointtype HOLLOW[here] pointsize 0.55
        set style line 100 + here linecolor rgb SERIES_COLOUR[here] linewidth 0.8 dashtype (2, 2)
        KEY_TITLE[k] = run[1:strlen(run) - 1] . ", " . KEY[k][strlen(run) + 1:]
    }
}

eval set_legend((SERIES ? SIDES : seen[1] + seen[2] + seen[3] + seen[4] + seen[5] + seen[6]) + two_modes)
eval set_page(rows, PANEL)
set multiplot
eval set_head_and_foot(page_height(rows, PANEL))

# The x axis: the two values of NODELAY stand a little apart, and so do two runs; the trials of a cell beside one another.
both = (seen[1] || seen[4]) && (seen[2] || seen[5])
apart = RUNS || both ? (DIAGONAL ? 0.3 : 1.0) : 0.0
aside_run(side) = (side > 3 ? 0.35 : -0.35) + (both ? (side % 3 == 1 ? -0.7 : side % 3 == 2 ? 0.7 : 0) : 0)
aside(side) = SERIES ? (side - (SIDES + 1) / 2.0) * 2 / SIDES : RUNS ? aside_run(side) : side == 3 ? 0 : side - 1.5
if (X eq "count") {
    set logscale x 2
    set xtics ()
    tick(x) = sprintf("set xtics add ('%s' %.9g)", unit_text(x, ""), x)
    ticks = ""
    nearest = 1.0
    seen_places = ""
    stats DATA using (ticks = strstrt(ticks, tick(column("place"))) ? ticks : ticks . tick(column("place")) . "; ", 1) nooutput
    eval ticks
    # Trials stand beside their place, but not so far that they stand at their neighbour's.
    array place[64]
    places = 0
    stats DATA using (here = column("place"), places < 64 && strstrt(seen_places, sprintf(" %.9g ", here)) == 0 ? (places = places + 1, \
        seen_places = seen_places . sprintf(" %.9g ", here), place[places] = here, 1) : 1, 1) nooutput
    do for [i = 1:places] {
        do for [k = 1:places] {
            if (place[k] > place[i]) { step = log(place[k] / place[i]) / log(2); nearest = step < nearest ? step : nearest }
        }
    }
    set xrange [first_place / 1.6 : last_place * 1.6]
    at(place, side, spread) = place * 2**(nearest * (apart * 0.32 * aside(side) + 0.13 * spread))
}
if (X eq "size") {
    set logscale x 2
    largest = auto_place > 0 ? auto_place / 8.0 : last_place
    octaves = log(largest / first_place) / log(2)
    step = octaves * COLUMNS > 20.5 ? 4 : octaves * COLUMNS > 11 ? 2 : 1
    set xtics ()
    do for [k = ceil_log(first_place / 1.2, 2):floor_log(largest * 1.01, 2):step] { set xtics add (size_text(2.0**k) 2.0**k) }
    if (ceil_log(first_place / 1.2, 2) > floor_log(largest * 1.01, 2)) { set xtics add (size_text(first_place) first_place) }
    if (auto_place > 0) {
        set xtics add ("auto" auto_place)
        if (first_place < auto_place) { set arrow 9 from auto_place / 3, graph 0 to auto_place / 3, graph 1 nohead linestyle 9 }
    }
    set xrange [first_place / 1.6 : last_place * (auto_place > 0 ? 2 : 1.6)]
    at(place, side, spread) = place * 2**(apart * 0.32 * aside(side) + 0.13 * spread)
}
if (X eq "level") {
    set xtics ()
    do for [k = 1:int(last_place)] { set xtics add (level[k] k) }
    set xrange [0.5 : last_place + 0.5]
    at(place, side, spread) = place + apart * 0.34 * aside(side) + 0.12 * spread
}

value_text(value, unit) = unit eq "number" ? sprintf("%.3g", value) : unit_text(value, unit eq "k" ? "" : unit)

# A log axis has no place for 0: a measured 0 stands on its own line below the rest.
set logscale y
is(kind, p, side) = strcol("kind") eq kind && column("panel") == p && strcol(KEY_COLUMN) eq KEY[side]
y(value, p) = value > 0 ? value : value == 0 ? low[p] / 2.0 : NaN

do for [p = 1:panels] {
    eval set_place(p, rows, COLUMNS, PANEL)
    # At least a factor of four is shown, so that noise is not drawn as a mountain.
    middle = sqrt(low[p] * high[p])
    bottom = low[p] / 1.25 < middle / 2 ? low[p] / 1.25 : middle / 2
    top = high[p] * 1.25 > middle * 2 ? high[p] * 1.25 : middle * 2
    if (zero[p]) { bottom = low[p] / 2.5 }
    set yrange [bottom : top]
    set ytics ()
    if (unit[p] eq "B") {
        step = top / bottom < 64 ? 1 : top / bottom < 2048 ? 2 : 4
        do for [k = ceil_log(bottom, 2):floor_log(top, 2):step] { set ytics add (size_text(2.0**k) 2.0**k) }
    } else {
        marks = top / bottom < 8 ? "1 1.5 2 3 4 5 6 8" : top / bottom < 150 ? "1 2 5" : "1"
        lowest = zero[p] ? low[p] / 1.2 : bottom
        do for [k = floor_log(bottom, 10):ceil_log(top, 10)] {
            do for [mark in marks] { if (mark * 10.0**k >= lowest) { set ytics add (value_text(mark * 10.0**k, unit[p]) mark * 10.0**k) } }
        }
    }
    if (zero[p]) { set ytics add ("0" low[p] / 2.0) }
    set label 3 Y_LABEL . (title[p] eq "" || Y_LABEL eq "" ? "" : ", ") . title[p] at graph 0, graph 1 offset (COLUMNS > 2 ? -5 : 0), 0.7 left font PANEL_FONT
    set xlabel (p > panels - COLUMNS ? X_LABEL : "") font AXIS_FONT offset 0, 0.3
    plot for [side = 1:SIDES] DATA using (is("median", p, side) && numeric && strcol("level") ne "auto" ? at(column("place"), side, 0) : NaN) \
            :(column("modes") == 2 ? NaN : y(column(VALUE), p)) with lines linestyle STYLE_OF[side] notitle, \
        for [side = 1:SIDES] DATA using (is("median", p, side) && column("modes") < 2 ? at(column("place"), side, -1) : NaN) \
            :(y(column(VALUE), p)):(at(column("place"), side, 1) - at(column("place"), side, -1)):(0) \
            with vectors nohead linestyle STYLE_OF[side] notitle, \
        for [side = 1:SIDES] DATA using (is("median", p, side) && column("modes") == 2 ? at(column("place"), side, 0) : NaN) \
            :(y(column("low"), p)):(0):(y(column("high"), p) - y(column("low"), p)) \
            with vectors nohead linestyle STYLE_OF[side] + MODES notitle, \
        for [side = 1:SIDES] DATA using (is("trial", p, side) ? at(column("place"), side, column("spread")) : NaN) \
            :(y(column(VALUE), p)) with points linestyle STYLE_OF[side] notitle, \
        for [side = 1:SIDES] keyentry with linespoints linestyle STYLE_OF[side] title (seen[side] ? KEY_TITLE[side] : ""), \
        DIAGONAL && low[p] < 1e300 ? x : NaN with lines linestyle 9 notitle, \
        keyentry with lines linestyle 9 title (two_modes ? "two modes in a cell: no median" : "")
    if (p == 1) { eval unset_head_and_foot }
}
unset multiplot
set output
