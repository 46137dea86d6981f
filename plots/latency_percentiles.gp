# How long do the slow chunks take: latency by percentile, with Nagle (NODELAY off) and without (NODELAY on)?
# columns: panel panel_title series quantile latency_s
# A blank line ends the curve of one trial. A row without a series is not drawn, and only makes room on the axes.
call "plots/style.gp" ARG1 ARG2 ARG3 ARG4
panels = 0
array title[64]
# The names of the lines, in the order of the table. What is NODELAY on or off has its own style in every chart.
array key[8]
array style[8]
lines = 0
others = 0
longest = 0
do for [k = 1:8] { key[k] = "" }
style_of(name) = name eq "off" || name eq "Nagle" || name eq "nothing set (Nagle)" ? 1 : name eq "on" || name eq "NODELAY" ? 2 \
    : name eq "none" ? 3 : name eq "base" ? 41 : name eq "new" ? 42 : (others = others < 6 ? others + 1 : 6, 20 + others)
title_of(name) = name eq "off" || name eq "on" || name eq "none" ? NODELAY_TITLE[style_of(name)] : name
known(name) = name eq key[1] || name eq key[2] || name eq key[3] || name eq key[4] || name eq key[5] || name eq key[6] \
    || name eq key[7] || name eq key[8]
add(name) = known(name) || lines == 8 ? 1 : (lines = lines + 1, key[lines] = name, style[lines] = style_of(name), 1)
low = 1e300
last = 0.9
high = 0
see(p, quantile, latency) = (panels = p > panels ? p : panels, last = quantile > last ? quantile : last, \
    latency > 0 && latency < low ? (low = latency) : 0, latency > high ? (high = latency) : 0, 1)
stats DATA using (see(int(column("panel")), column("quantile"), column("latency_s"))) nooutput
stats DATA using (title[int(column("panel"))] = strcol("panel_title"), \
    longest = strlen(strcol("panel_title")) > longest ? strlen(strcol("panel_title")) : longest, add(strcol("series"))) nooutput
COLUMNS = panels == 1 ? 1 : panels % 3 == 0 || panels > 6 ? 3 : 2
PANEL = COLUMNS == 1 ? 366 : 256
rows = (panels + COLUMNS - 1) / COLUMNS
eval set_legend(lines > 3 ? (lines + 1) / 2 : lines)
eval set_page(rows, PANEL)
set multiplot
eval set_head_and_foot(page_height(rows, PANEL))
set key maxrows (lines > 3 ? (lines + 1) / 2 : lines)

NAME_FONT = COLUMNS < 3 || longest < 39 && panels <= 9 ? PANEL_FONT : sprintf(",%.1f", (longest > 38 ? 13 * 38.0 / longest : 13) * POINT)
# One scale for all panels. x is 1 / (1 - quantile): each step to the right is ten times rarer.
set logscale xy
set xrange [1:(last < 0.99 ? 130 : 1500)]
set xtics ("0" 1, "50" 2, "90" 10, "99" 100, "99.9" 1000)
set yrange [low / 1.3:high * 1.3]
set ytics ()
marks = high / low < 2.5 ? "1 1.2 1.5 2 2.5 3 4 5 6 8" : high / low < 8 ? "1 2 3 5" : high / low < 150 ? "1 2 5" : "1"
do for [k = floor_log(low, 10):ceil_log(high, 10)] {
    do for [mark in marks] { set ytics add (unit_text(mark * 10.0**k, "s") mark * 10.0**k) }
}
do for [p = 1:panels] {
    eval set_place(p, rows, COLUMNS, PANEL)
    set label 3 title[p] at graph 0, graph 1 offset (COLUMNS == 3 ? -5 : 0), 0.7 left font NAME_FONT
    set xlabel (p > panels - COLUMNS ? "percentile (%)" : "") font AXIS_FONT offset 0, 0.3
    plot for [k = 1:lines] DATA using (column("panel") == p && strcol("series") eq key[k] \
            ? 1 / (1 - column("quantile")) : NaN):(column("latency_s") > 0 ? column("latency_s") : low) \
            with lines linestyle style[k] linewidth 1.2 notitle, \
        for [k = 1:lines] keyentry with lines linestyle style[k] title title_of(key[k])
    if (p == 1) { eval unset_head_and_foot }
}
unset multiplot
set output
