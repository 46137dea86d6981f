# Where does goodput or latency jump between two neighbouring values of an option, and what removes the jump?
# columns: kind number value speed low high stalls words axis unit
call "plots/style.gp" ARG1 ARG2 ARG3 ARG4
array REMEDY[6] = ["quickack", "mss", "nodelay", "early_rcvbuf", "sndbuf", "rcvbuf"]
array REMEDY_TITLE[6] = ["with TCP_QUICKACK at the receiver", "with an MSS of 1460", "with TCP_NODELAY", "with SO_RCVBUF before listen()", "with a larger SO_SNDBUF", "with a larger SO_RCVBUF"]
array REMEDY_COLOUR[6] = ["#009e73", "#56b4e9", "#d55e00", "#cc79a7", "#0072b2", "#0072b2"]
array REMEDY_POINT[6] = [9, 5, 11, 13, 7, 15]
array seen[6] = [0, 0, 0, 0, 0, 0]
AXIS = ""
UNIT = ""
lines = 0
cliffs = 0
stalls = 0
bistable = 0
first = 1e300
last = 0
low = 1e300
high = 0
array line[64]
panels = 1
array begin[2]
array end[2]
is(kind) = strcol("kind") eq kind
range(x, a, b) = (first = x < first ? x : first, last = x > last ? x : last, low = a > 0 && a < low ? a : low, high = b > high ? b : high, 1)
stats DATA using (AXIS = strcol("axis"), UNIT = strcol("unit"), is("trial") ? range(column("value"), column("speed"), column("speed")) : 1) nooutput
stats DATA using (is("line") ? (lines = column("number"), line[int(column("number"))] = strcol("words"), 1) : 1, \
    is("cliff") ? (cliffs = column("number"), 1) : 1, is("trial") && column("stalls") > 0 ? (stalls = 1, 1) : 1, is("modes") ? (bistable = 1, 1) : 1, \
    is("remedy") ? range(column("value"), column("speed"), column("speed")) : 1) nooutput
begin[1] = first / 1.08
end[1] = last * 1.08
stats DATA using (is("near") ? (panels = 2, begin[2] = column("low"), end[2] = column("high"), 1) : 1) nooutput
do for [k = 1:6] { stats DATA using (seen[k] = is("remedy") && strcol("words") eq REMEDY[k] ? 1 : seen[k], 1) nooutput }
PANEL = 420
LIST = 17 * lines + 26
FOOT = FOOT + LIST
eval set_legend(4)
eval set_page(1, PANEL)
set multiplot
eval set_head_and_foot(page_height(1, PANEL))
set key maxrows 4 width 2
do for [k = 1:lines] {
    set label 20 + k line[k] at screen 16 / WIDTH, screen (FOOT - 16 - 17 * k) / page_height(1, PANEL) left font AXIS_FONT
}
set logscale xy
set yrange [low / 1.5:high * 2.2]
bytes = AXIS ne "messages a second"
value_text(x) = bytes ? size_text(x) : sprintf("%.0f", x)
set ytics ()
marks = high / low < 150 ? "1 2 5" : "1"
do for [k = floor_log(low / 1.5, 10):ceil_log(high * 2.2, 10)] {
    do for [mark in marks] { set ytics add (unit_text(mark * 10.0**k, UNIT) mark * 10.0**k) }
}
set xlabel AXIS font AXIS_FONT offset 0, 0.3
do for [p = 1:panels] {
    eval set_place(p, 1, panels, PANEL)
    set xrange [begin[p]:end[p]]
    set xtics ()
    if (p == 1) {
        step = log(end[p] / begin[p]) / log(2) * panels > 12 ? 2 : 1
        do for [k = ceil_log(begin[p], 2):floor_log(end[p], 2):step] { set xtics add (value_text(2.0**k) 2.0**k) }
    } else {
        do for [k = 0:3] { set xtics add (sprintf("%.0f", begin[p] * (end[p] / begin[p])**((k + 0.5) / 4)) begin[p] * (end[p] / begin[p])**((k + 0.5) / 4)) }
    }
    set label 3 (p == 1 ? UNIT eq "s" ? "latency of the median message (down is faster)" : "goodput (up is faster)" : "enlarged: where the cliffs are") \
        at graph 0, graph 1 offset 0, 0.7 left font PANEL_FONT
    unset object 1
    if (p == 1 && panels == 2) { set object 1 rectangle from begin[2], graph 0 to end[2], graph 1 behind fillcolor rgb "#fdf1e3" fillstyle solid noborder }
    plot DATA using (is("modes") ? column("value") : NaN):"low":(0):(column("high") - column("low")) \
        with vectors nohead linecolor rgb "#f2d9a0" linewidth 9 notitle, \
        DATA using (is("point") ? column("value") : NaN):"speed" with lines linecolor rgb "#777777" linewidth 1.2 notitle, \
        DATA using (is("trial") && column("stalls") == 0 ? column("value") : NaN):"speed" \
        with points pointtype 6 pointsize 0.6 linecolor rgb "#000000" notitle, \
        DATA using (is("trial") && column("stalls") > 0 ? column("value") : NaN):"speed" \
        with points pointtype 6 pointsize 0.6 linecolor rgb "#d01c1c" notitle, \
        for [k = 1:6] DATA using (is("remedy") && strcol("words") eq REMEDY[k] ? column("value") * (end[p] / begin[p])**(0.018 * (k - 2.5)) : NaN):"speed" \
        with points pointtype REMEDY_POINT[k] pointsize 1.1 linecolor rgb REMEDY_COLOUR[k] notitle, \
        DATA using (p == panels && is("cliff") ? column("value") : NaN):(high * (is("cliff") && int(column("number")) % 2 ? 1.75 : 1.35)):(sprintf("%.0f", column("number"))) \
        with labels font PANEL_FONT notitle, \
        keyentry with points pointtype 6 pointsize 0.6 linecolor rgb "#000000" title "one trial", \
        keyentry with points pointtype 6 pointsize 0.6 linecolor rgb "#d01c1c" title (stalls ? "one trial, with stalls" : ""), \
        keyentry with lines linecolor rgb "#777777" linewidth 1.2 title "median at a value", \
        keyentry with lines linecolor rgb "#f2d9a0" linewidth 9 title (bistable ? "two modes at one value: no cliff" : ""), \
        for [k = 1:6] keyentry with points pointtype REMEDY_POINT[k] pointsize 1.1 linecolor rgb REMEDY_COLOUR[k] \
        title (seen[k] ? REMEDY_TITLE[k] : "")
    if (p == 1) { eval unset_head_and_foot; do for [k = 1:lines] { unset label 20 + k } }
}
unset multiplot
set output
