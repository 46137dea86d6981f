# How are settings set side by side? A row a setting, a panel a measure, a point a trial and a bar at the median.
# columns: kind panel place label unit modes low high value
# The script sets RATIO: 1 where 1 means no difference, 0 where the axis begins at 0 or, over more than a factor of 20,
# is logarithmic. Where RUNS is set to 1 there are two runs, base and new in the column run, one above the other; X_LABEL
# is what an axis says, in place of `per exchange`. A row of the kind `room` only makes room on the axis of its panel.
if (!exists("RUNS")) { RUNS = 0 }
if (!exists("X_LABEL")) { X_LABEL = RATIO ? "with / without" : "per exchange" }
array RUN[2] = ["base", "new"]
sides = RUNS ? 2 : 1
LABELS = 276.0
LINE = 24.0
GAP = 26.0
panels = 0
places = 0
two_modes = 0
letters = 0
array title[8]
array unit[8]
array low[8] = [1e300, 1e300, 1e300, 1e300, 1e300, 1e300, 1e300, 1e300]
array high[8] = [0, 0, 0, 0, 0, 0, 0, 0]
see_panel(p, words, u) = (panels = p > panels ? p : panels, title[p] = words, unit[p] = u, 1)
see_value(p, v) = (v > 0 && v < low[p] ? (low[p] = v) : 0, v > high[p] ? (high[p] = v) : 0, 1)
is(kind) = strcol("kind") eq kind
stats DATA using (is("panel") ? see_panel(int(column("panel")), strcol("label"), strcol("unit")) : 1) nooutput
stats DATA using (places = !is("panel") && column("place") > places ? column("place") : places, \
    letters = is("row") && strlen(strcol("label")) > letters ? strlen(strcol("label")) : letters, \
    two_modes = (is("trial") || is("median")) && column("modes") == 2 ? 1 : two_modes, \
    is("trial") || is("room") ? see_value(int(column("panel")), column("value")) : 1) nooutput
if (RUNS && letters > 33) { LABELS = 340.0 }
PANEL = LINE * (places + 1) + 76
eval set_legend(2 + two_modes + (RUNS ? 1 : 0))
eval set_page(1, PANEL)
set multiplot
eval set_head_and_foot(page_height(1, PANEL))
set yrange [places + 0.8:0.2]
set bmargin at screen (FOOT + 48) / page_height(1, PANEL)
set tmargin at screen (FOOT + PANEL - 26) / page_height(1, PANEL)
unset ytics
unset grid
set grid xtics linestyle 8
width = (WIDTH - LABELS - 24) / panels
text(value, u) = u eq "number" || u eq "ratio" ? sprintf("%.3g", value) : unit_text(value, u)
said(value, u) = u ne "s" ? sprintf("%.3g", value) : value < 1e-3 ? sprintf("%.3g us", value * 1e6) : sprintf("%.3g ms", value * 1e3)
nice(step) = step / 10.0**floor_log(step, 10) < 1.5 ? 10.0**floor_log(step, 10) : step / 10.0**floor_log(step, 10) < 3.5 \
    ? 2 * 10.0**floor_log(step, 10) : step / 10.0**floor_log(step, 10) < 7.5 ? 5 * 10.0**floor_log(step, 10) : 10 * 10.0**floor_log(step, 10)
# The two runs of a row stand above each other.
array BAR[3] = ["#0072b2", "#777777", "#b03a8c"]
MEDIAN = RUNS ? "#444444" : BAR[1]
set style line 81 linecolor rgb "#000000" linewidth 1.2 pointtype 6 pointsize 0.6
set style line 82 linecolor rgb BAR[2] linewidth 1.2 pointtype 6 pointsize 0.6
set style line 83 linecolor rgb BAR[3] linewidth 1.2 pointtype 13 pointsize 0.5
at(s, kind, p) = is(kind) && column("panel") == p && (RUNS ? strcol("run") eq RUN[s] : 1)
row(s) = column("place") + (RUNS ? (s - 1.5) * 0.44 : 0)
tall(s) = RUNS ? 0.2 : 0.36
LABEL_FONT = sprintf(",%.1f", (letters > LABELS / 8.3 ? 13 * LABELS / 8.3 / letters : 13) * POINT)
do for [p = 1:panels] {
    set lmargin at screen (LABELS + (p - 1) * width) / WIDTH
    set rmargin at screen (LABELS + p * width - GAP) / WIDTH
    unset logscale x
    set xtics ()
    unset arrow 9
    middle = 0 # of a logarithmic panel: medians are written beside their bars, on the side that has more room
    if (RATIO) {
        # Twice and half are equally far from 1; at least 0.8 to 1.25 is shown.
        far = high[p] > 1 / low[p] ? high[p] : 1 / low[p]
        far = far < 1.22 ? 1.25 : far * 1.05
        set logscale x 2
        begin = 1 / far
        set xrange [begin:far]
        ticks = far > 5 ? "0.1 0.2 0.5 1 2 5 10" : far > 2 ? "0.25 0.5 1 2 4" : far > 1.4 ? "0.5 0.7 1 1.4 2" : "0.8 0.9 1 1.1 1.25"
        do for [tick in ticks] { set xtics add (tick real(tick)) }
        set arrow 9 from 1, graph 0 to 1, graph 1 nohead linestyle 9
    } else {
        if (high[p] > 20 * low[p]) {
            set logscale x 10
            begin = low[p] / 1.6
            middle = RUNS ? 0 : sqrt(low[p] * high[p])
            set xrange [begin:high[p] * 1.6]
            step = high[p] / low[p] > (RUNS && panels > 3 ? 3e2 : 3e3) ? 2 : 1
            do for [k = ceil_log(low[p] / 1.6, 10):floor_log(high[p] * 1.6, 10):step] { set xtics add (text(10.0**k, unit[p]) 10.0**k) }
        } else {
            begin = 0
            set xrange [begin:high[p] * 1.1]
            step = nice(high[p] * 1.1 / (panels > 3 ? 3 : 4))
            # Times are long words: in a narrow panel at most three of them, or they run into each other.
            if (unit[p] eq "s" && panels > 3 && high[p] * 1.1 > 4 * step) { step = nice(2 * step) }
            do for [k = 0:5] { set xtics add (k == 0 ? "0" : text(k * step, unit[p]) k * step) }
        }
    }
    set label 3 title[p] at graph 0, graph 1 offset 0, 0.7 left font (RUNS && panels > 2 ? TICS_FONT : PANEL_FONT)
    set xlabel X_LABEL font AXIS_FONT offset 0, 0.3
    plot for [s = 1:sides] DATA using (at(s, "median", p) && column("modes") < 2 ? column("value") : NaN):(row(s) + tall(s)):(0):(-2 * tall(s)) \
            with vectors nohead linecolor rgb BAR[s + RUNS] linewidth 3 notitle, \
        for [s = 1:sides] DATA using (at(s, "median", p) && column("modes") == 2 ? column("low") : NaN):(row(s)):(column("high") - column("low")):(0) \
            with vectors nohead linestyle (RUNS ? 42 + s : 6) notitle, \
        for [s = 1:sides] DATA using (at(s, "trial", p) ? column("value") : NaN):(row(s)) \
            with points linestyle 80 + s + RUNS notitle, \
        DATA using (at(1, "median", p) && column("modes") < 2 && column("value") < middle ? column("value") : NaN):(row(1)):(said(column("value"), unit[p])) \
            with labels left offset 1.2, 0 font TICS_FONT notitle, \
        DATA using (at(1, "median", p) && column("modes") < 2 && column("value") >= middle && middle > 0 ? column("value") : NaN):(row(1)):(said(column("value"), unit[p])) \
            with labels right offset -1.2, 0 font TICS_FONT notitle, \
        DATA using (p == 1 && is("row") ? begin : NaN):"place":(strcol("label")) with labels right offset -0.8, 0 font LABEL_FONT notitle, \
        DATA using (p == 1 && is("heading") ? begin : NaN):"place":(strcol("label")) \
            with labels left offset screen -(LABELS - 16) / WIDTH, 0 font PANEL_FONT notitle, \
        for [s = 1:sides] keyentry with points linestyle 80 + s + RUNS title (RUNS ? RUN[s] . ": one trial" : "one trial"), \
        keyentry with lines linecolor rgb MEDIAN linewidth 3 title "median", \
        keyentry with lines linestyle 6 title (two_modes ? "two modes: no median" : "")
    if (p == 1) { eval unset_head_and_foot }
}
unset multiplot
set output
