# How much slower or faster is new than base, measurement by measurement? A point a ratio, a line its interval or range.
# columns: name ratio low high kind
# Rows are drawn from top to bottom. kind is REGRESSION, IMPROVEMENT, PASS or INCONCLUSIVE where a ratio was judged (low
# and high are its interval), and drawn where it was not (low and high are the range of the trials' ratios).
call "plots/style.gp" ARG1 ARG2 ARG3 ARG4
LABELS = 336.0
NUMBERS = 172.0
LINE = 21.0
array KIND[5] = ["REGRESSION", "IMPROVEMENT", "PASS", "INCONCLUSIVE", "drawn"]
array KIND_TITLE[5] = ["regression: slower, and sure", "improvement: faster, and sure", "pass: no slowdown that matters", \
    "inconclusive", "not judged: ratio of the medians, range of the trials (two modes: no median)"]
array seen[5] = [0, 0, 0, 0, 0]
set style line 71 linecolor rgb "#d55e00" linewidth 3   pointtype 5  pointsize 0.9
set style line 72 linecolor rgb "#0072b2" linewidth 3   pointtype 9  pointsize 1.1
set style line 73 linecolor rgb "#000000" linewidth 3   pointtype 7  pointsize 0.8
set style line 74 linecolor rgb "#777777" linewidth 3   pointtype 12 pointsize 1.1
set style line 75 linecolor rgb "#777777" linewidth 1.2 pointtype 6  pointsize 0.8 dashtype (3, 3)

rows = 0
longest = 1
far = 1.0
kind_of(name) = name eq KIND[1] ? 1 : name eq KIND[2] ? 2 : name eq KIND[3] ? 3 : name eq KIND[4] ? 4 : 5
reach(ratio) = ratio > far ? (far = ratio) : ratio > 0 && 1 / ratio > far ? (far = 1 / ratio) : far
see(name, kind) = (rows = rows + 1, longest = strlen(name) > longest ? strlen(name) : longest, seen[kind_of(kind)] = 1, 1)
stats DATA using (see(strcol("name"), strcol("kind"))) nooutput
stats DATA using (reach(column("ratio")), reach(column("low")), reach(column("high")), 1) nooutput

PANEL = LINE * (rows + 0.6) + 84
eval set_legend(seen[1] + seen[2] + seen[3] + seen[4] + seen[5])
eval set_page(1, PANEL)
eval set_head_and_foot(page_height(1, PANEL))
set lmargin at screen LABELS / WIDTH
set rmargin at screen (WIDTH - NUMBERS) / WIDTH
set bmargin at screen (FOOT + BELOW) / page_height(1, PANEL)
set tmargin at screen (FOOT + PANEL - 30) / page_height(1, PANEL)

# Twice and half are equally far from 1, and at least 3 % are shown.
far = far < 1.03 ? 1.03 : far ** 1.06
set logscale x 2
set xrange [1 / far : far]
set yrange [rows - 0.3 : -0.7]
set xtics ()
ticks = far > 150 ? "0.001 0.01 0.1 1 10 100 1000" : far > 12 ? "0.01 0.03 0.1 0.3 1 3 10 30 100" : far > 4 ? "0.1 0.2 0.5 1 2 5 10" \
    : far > 2.1 ? "0.25 0.5 1 2 4" : far > 1.5 ? "0.5 0.7 1 1.4 2" : far > 1.22 ? "0.7 0.8 0.9 1 1.1 1.25 1.4" \
    : far > 1.08 ? "0.85 0.9 0.95 1 1.05 1.1 1.15" : "0.92 0.94 0.96 0.98 1 1.02 1.04 1.06 1.08"
do for [tick in ticks] { set xtics add (tick real(tick)) }
unset ytics
unset grid
set grid xtics linestyle 8
set arrow 9 from 1, graph 0 to 1, graph 1 nohead linewidth 1.5 linecolor rgb "#444444"
set label 3 "faster" at graph 0, graph 1 offset 0, 0.7 left font PANEL_FONT
set label 4 "slower" at graph 1, graph 1 offset 0, 0.7 right font PANEL_FONT
set label 5 "ratio" at graph 1, graph 1 offset 2, 0.7 left font PANEL_FONT
set xlabel "time for the same work, new / base" font AXIS_FONT offset 0, 0.3

NAME_FONT = sprintf(",%.1f", (longest > 45 ? 13 * 45.0 / longest : 13) * POINT)
number(value) = sprintf(far < 1.3 ? "%.3f" : value < 0.0995 ? "%.3f" : value < 9.95 ? "%.2f" : "%.0f", value)
two(low, high) = number(low) . " to " . number(high)
known(value) = value == value
ratio_text(ratio, low, high) = known(ratio) && known(low) && known(high) ? sprintf("%s  (%s)", number(ratio), two(low, high)) \
    : known(ratio) ? number(ratio) \
    : known(low) ? sprintf("-  (%s)", two(low, high)) : "no value"
# A text that stands on the border is left out when rounding puts it outside.
inside = 1.000001
of(k, value) = kind_of(strcol("kind")) == k ? value : NaN
plot for [k = 1:5] DATA using (of(k, column("low"))):0:(column("high") - column("low")):(0) with vectors nohead linestyle 70 + k notitle, \
    for [k = 1:5] DATA using (of(k, column("ratio"))):0 with points linestyle 70 + k notitle, \
    DATA using (inside / far):0:(strcol("name")) with labels right offset -0.8, 0 font NAME_FONT notitle, \
    DATA using (far / inside):0:(ratio_text(column("ratio"), column("low"), column("high"))) \
        with labels left offset 1.6, 0 font TICS_FONT notitle, \
    for [k = 1:5] keyentry with linespoints linestyle 70 + k title (seen[k] ? KIND_TITLE[k] : "")
set output
