# Where did the microseconds of a write go: inside write(), held back by TCP, on the way, or waiting for read()?
# columns: kind place label part start_s end_s
call "plots/style.gp" ARG1 ARG2 ARG3 ARG4
array PART[5] = ["inside write()", "held back by TCP (Nagle, cork, window)", "from TCP to the device", \
    "from the device to the receiving kernel", "waiting for read() at the receiver"]
array COLOUR[5] = ["#0072b2", "#d55e00", "#f0e442", "#56b4e9", "#009e73"]
LABELS = 330.0
LINE = 24.0
places = 0
panels = 0
array reach[2] = [0, 0]
see_reach(p, end) = (panels = p > panels ? p : panels, reach[p] = end, 1)
stats DATA using (strcol("kind") eq "reach" ? see_reach(int(column("place")), column("end_s")) \
    : (places = column("place") > places ? column("place") : places, 1)) nooutput
PANEL = LINE * (places + 1) + 76
eval set_legend(3)
eval set_page(1, PANEL)
set multiplot
eval set_head_and_foot(page_height(1, PANEL))
set key maxrows 3 samplen 1.6
array left[2]
array right[2]
left[1] = LABELS
right[1] = panels == 2 ? LABELS + 260 : WIDTH - 40
left[2] = LABELS + 300
right[2] = WIDTH - 40
set yrange [places + 0.8:0.2]
set bmargin at screen (FOOT + 48) / page_height(1, PANEL)
set tmargin at screen (FOOT + PANEL - 26) / page_height(1, PANEL)
unset ytics
unset grid
set grid xtics linestyle 8
is(kind) = strcol("kind") eq kind
least(a, b) = a < b ? a : b
do for [p = 1:panels] {
    set lmargin at screen left[p] / WIDTH
    set rmargin at screen right[p] / WIDTH
    scale = reach[p] >= 2e-3 ? 1e3 : 1e6
    unit = reach[p] >= 2e-3 ? "ms" : "microseconds"
    end = reach[p] * scale
    set xrange [0:end]
    set xtics autofreq
    set label 3 (panels == 1 ? "" : p == 1 ? "the whole" : "enlarged: what lasts microseconds") \
        at graph 0, graph 1 offset 0, 0.7 left font PANEL_FONT
    set xlabel (p == 1 && panels == 2 ? "time (" . unit . ")" : "time from write() to read() (" . unit . ")") font AXIS_FONT offset 0, 0.3
    plot for [k = 1:5] DATA using (is("part") && column("part") == k && column("start_s") < reach[p] ? column("start_s") * scale : NaN) \
            :"place":(column("start_s") * scale):(least(column("end_s") * scale, end)):(column("place") - 0.36):(column("place") + 0.36) \
            with boxxyerror fillstyle solid noborder fillcolor rgb COLOUR[k] notitle, \
        DATA using (is("trial") && column("end_s") <= reach[p] ? column("end_s") * scale : NaN):"place" \
            with points pointtype 6 pointsize 0.55 linewidth 1.2 linecolor rgb "#000000" notitle, \
        DATA using (p == 2 && is("part") && column("part") == 5 && column("end_s") > reach[p] ? end : NaN):"place":(sprintf("%.3g ms in all  ", column("end_s") * 1e3)) \
            with labels right font AXIS_FONT textcolor rgb "#ffffff" notitle, \
        DATA using (p == 1 && is("row") ? 0 : NaN):"place":(strcol("label")) with labels right offset -0.8, 0 font AXIS_FONT notitle, \
        DATA using (p == 1 && is("heading") ? 0 : NaN):"place":(strcol("label")) with labels left offset screen -(LABELS - 16) / WIDTH, 0 font PANEL_FONT notitle, \
        for [k = 1:5] keyentry with boxes fillstyle solid noborder fillcolor rgb COLOUR[k] title PART[k], \
        keyentry with points pointtype 6 pointsize 0.55 linewidth 1.2 linecolor rgb "#000000" title "the sum in one trial"
    if (p == 1) { eval unset_head_and_foot }
}
unset multiplot
set output
