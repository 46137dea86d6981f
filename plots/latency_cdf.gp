# Which share of the exchanges ends within which time, with Nagle (NODELAY off) and without (NODELAY on)?
# columns: panel panel_title series quantile latency_s
# A blank line ends the curve of one trial. A row without a series is not drawn, and only makes room on the axis.
call "plots/style.gp" ARG1 ARG2 ARG3 ARG4
panels = 0
array title[64]
# The names of the lines, in the order of the table. What is NODELAY on or off has its own style in every chart.
array key[8]
array style[8]
lines = 0
others = 0
do for [k = 1:8] { key[k] = "" }
style_of(name) = name eq "off" || name eq "Nagle" || name eq "nothing set (Nagle)" ? 1 : name eq "on" || name eq "NODELAY" ? 2 \
    : name eq "none" ? 3 : (others = others < 6 ? others + 1 : 6, 20 + others)
title_of(name) = name eq "off" || name eq "on" || name eq "none" ? NODELAY_TITLE[style_of(name)] : name
known(name) = name eq key[1] || name eq key[2] || name eq key[3] || name eq key[4] || name eq key[5] || name eq key[6] \
    || name eq key[7] || name eq key[8]
add(name) = known(name) || lines == 8 ? 1 : (lines = lines + 1, key[lines] = name, style[lines] = style_of(name), 1)
low = 1e300
high = 0
see(p, latency) = (panels = p > panels ? p : panels, \
    latency > 0 && latency < low ? (low = latency) : 0, latency > high ? (high = latency) : 0, 1)
stats DATA using (see(int(column("panel")), column("latency_s"))) nooutput
stats DATA using (title[int(column("panel"))] = strcol("panel_title"), add(strcol("series"))) nooutput
COLUMNS = panels == 1 ? 1 : panels < 5 ? 2 : 3
PANEL = COLUMNS == 1 ? 366 : COLUMNS == 2 ? 256 : 216
rows = (panels + COLUMNS - 1) / COLUMNS
eval set_legend(lines > 3 ? (lines + 1) / 2 : lines)
eval set_page(rows, PANEL)
set multiplot
eval set_head_and_foot(page_height(rows, PANEL))
set key maxrows (lines > 3 ? (lines + 1) / 2 : lines)

# One scale for all panels; a rung of the curve is a group of exchanges that take equally long.
set logscale x
set xrange [low / 1.5:high * 1.5]
set xtics ()
marks = high / low < 8 ? "1 2 3 5" : high / low < 60 ? "1 2 5" : "1"
step = high / low > 3e4 && COLUMNS == 3 ? 2 : 1
do for [k = floor_log(low, 10):ceil_log(high, 10):step] {
    do for [mark in marks] { set xtics add (unit_text(mark * 10.0**k, "s") mark * 10.0**k) }
}
set yrange [0:1.02]
set ytics ("0" 0, "25 %%" 0.25, "50 %%" 0.5, "75 %%" 0.75, "100 %%" 1)
do for [p = 1:panels] {
    eval set_place(p, rows, COLUMNS, PANEL)
    set label 3 title[p] at graph 0, graph 1 offset (COLUMNS == 3 ? -5 : 0), 0.7 left font (COLUMNS == 3 ? AXIS_FONT : PANEL_FONT)
    set xlabel (p > panels - COLUMNS ? "latency" : "") font AXIS_FONT offset 0, 0.3
    plot for [k = 1:lines] DATA using (column("panel") == p && strcol("series") eq key[k] \
            ? (column("latency_s") > 0 ? column("latency_s") : low) : NaN):"quantile" \
            with lines linestyle style[k] linewidth 1.2 notitle, \
        for [k = 1:lines] keyentry with lines linestyle style[k] title title_of(key[k])
    if (p == 1) { eval unset_head_and_foot }
}
unset multiplot
set output
