# What do all charts of tinygram share? Data format, output, colours, page and ticks: every script calls this file first,
#   call "plots/style.gp" ARG1 ARG2 ARG3 ARG4     (DATA.tsv, OUT.svg or OUT.png, title, caption; from the top level)
DATA = ARG1
OUT = ARG2
TITLE = ARG3
CAPTION = ARG4

# Data: tab-separated, # lines, one header row; an empty cell is a missing value.
set encoding utf8
set datafile separator "\t"
set datafile commentschars "#"
set datafile columnheaders

# NODELAY off (1) and on (2) have the same colours, dashes and points in every chart: podo's blue and vermilion. A
# socket without TCP (3) has no NODELAY. Styles 4 to 6 join the two modes of a cell.
set colorsequence podo
array NODELAY[3] = ["off", "on", "none"]
array NODELAY_TITLE[3] = ["NODELAY off (Nagle may hold)", "NODELAY on (Nagle off)", "without TCP"]
set style line 1 linetype 6 linewidth 2 dashtype solid   pointtype 7 pointsize 0.5
set style line 2 linetype 7 linewidth 2 dashtype (9, 4)  pointtype 8 pointsize 0.7
set style line 3 linetype 1 linewidth 2 dashtype (14, 4, 3, 4) pointtype 5 pointsize 0.5
set style line 4 linetype 6 linewidth 1.5 dashtype (2, 2)
set style line 5 linetype 7 linewidth 1.5 dashtype (2, 2)
set style line 6 linetype 1 linewidth 1.5 dashtype (2, 2)
# Lines that are told apart by anything else have other colours (21 to 26), and theirs for two modes (31 to 36).
array SERIES_COLOUR[6] = ["#000000", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#777777"]
array SERIES_POINT[6] = [7, 5, 9, 11, 13, 6]
do for [k = 1:6] {
    set style line 20 + k linecolor rgb SERIES_COLOUR[k] linewidth 2 dashtype k pointtype SERIES_POINT[k] pointsize 0.55
    set style line 30 + k linecolor rgb SERIES_COLOUR[k] linewidth 1.5 dashtype (2, 2)
}
# Two runs in one chart: base (41) is grey and hollow, new (42) is purple and full; 43 and 44 join their two modes. Where
# colours tell NODELAY off, on and none, those of base are pale (51 to 53) and those of new are as ever (54 to 56).
set style line 41 linecolor rgb "#777777" linewidth 1.5 dashtype solid  pointtype 6 pointsize 0.6
set style line 42 linecolor rgb "#b03a8c" linewidth 2   dashtype (9, 4) pointtype 13 pointsize 0.7
set style line 43 linecolor rgb "#777777" linewidth 1.5 dashtype (2, 2)
set style line 44 linecolor rgb "#b03a8c" linewidth 1.5 dashtype (2, 2)
array PALE[6] = ["#8fc1de", "#eaae7f", "#aaaaaa", "#0072b2", "#d55e00", "#000000"]
array RUN_POINT[6] = [6, 8, 4, 7, 9, 5]
array RUN_DASH[6] = [1, 2, 4, 1, 2, 4]
do for [k = 1:6] {
    set style line 50 + k linecolor rgb PALE[k] linewidth (k > 3 ? 2 : 1.5) pointtype RUN_POINT[k] \
        pointsize 0.6 dashtype RUN_DASH[k]
    set style line 60 + k linecolor rgb PALE[k] linewidth 1.5 dashtype (2, 2)
}
set style line 8 linecolor rgb "#dddddd" linewidth 0.7 dashtype solid
set style line 9 linecolor rgb "#777777" linewidth 1 dashtype (2, 3)

# The page: rows x columns of panels below a head (title, legend of so many lines) and above a foot (caption). All
# lengths are in pixels.
WIDTH = 960.0
HEAD = 62.0
FOOT = 62.0
BELOW = 54.0
PNG = OUT[strlen(OUT) - 3:] eq ".png"
POINT = PNG ? 0.75 : 1.0
TITLE_FONT = sprintf(",%.1f", (strlen(TITLE) > 84 ? 19 * 84.0 / strlen(TITLE) : 19) * POINT)
PANEL_FONT = sprintf(",%.1f", 14 * POINT)
AXIS_FONT = sprintf(",%.1f", 13 * POINT)
TICS_FONT = sprintf(",%.1f", 12.5 * POINT)
CAPTION_FONT = sprintf(",%.1f", 12 * POINT)
page_height(rows, panel) = HEAD + FOOT + rows * panel
set_legend(lines) = sprintf("HEAD = %f", 58.0 + 17 * lines)
set_page(rows, panel) = (PNG ? "set terminal pngcairo font 'sans,10.5'" : "set terminal svg font 'sans-serif,14'") \
    . sprintf(" noenhanced background rgb 'white' size %d,%d; set output OUT", WIDTH, page_height(rows, panel))
# Title, legend and caption, to be set before the first panel and unset after it.
set_head_and_foot(height) = sprintf("set label 1 TITLE at screen %f, screen %f left font TITLE_FONT; ", 16 / WIDTH, 1 - 26 / height) \
    . sprintf("set label 2 CAPTION at screen %f, screen %f left font CAPTION_FONT textcolor rgb '#444444'; ", 16 / WIDTH, 42 / height) \
    . sprintf("set key at screen %f, screen %f left top vertical Left reverse samplen 3 font AXIS_FONT", 10 / WIDTH, 1 - 42 / height)
unset_head_and_foot = "unset label 1; unset label 2; unset key"
# Axes of panel p (from 1, row by row), with room for the labels left of, below and above it.
set_place(p, rows, columns, panel) = set_place_at((p - 1) / columns, (p - 1) % columns, WIDTH / columns, rows, panel)
set_place_at(row, column, width, rows, panel) = \
    sprintf("set lmargin at screen %f; ", (column * width + 84) / WIDTH) \
    . sprintf("set rmargin at screen %f; ", ((column + 1) * width - 24) / WIDTH) \
    . sprintf("set bmargin at screen %f; ", (FOOT + (rows - 1 - row) * panel + BELOW) / page_height(rows, panel)) \
    . sprintf("set tmargin at screen %f", (FOOT + (rows - row) * panel - 26) / page_height(rows, panel))

# Axes: light grid, and ticks at 1 (or 1, 2 and 5) of each power of ten, or at powers of two, with readable units.
set border 3 linecolor rgb "#666666"
set tics nomirror out scale 0.6, 0.3 font TICS_FONT
set grid xtics ytics linestyle 8
size_text(bytes) = bytes < 1024 || bytes < 10240 && int(bytes) % 512 ? sprintf("%.0f B", bytes) \
    : bytes < 1048576 ? sprintf("%.4g KiB", bytes / 1024.0) : sprintf("%.4g MiB", bytes / 1048576.0)
array PREFIX[7] = ["n", "u", "m", "", "k", "M", "G"]
unit_text(value, unit) = unit eq "B" ? size_text(value) : unit_text_at(value, unit, within(floor_log(value, 1000), -3, 3))
within(value, least, most) = value < least ? least : value > most ? most : value
unit_text_at(value, unit, power) = sprintf("%.3g %s%s", value / 1000.0**power, PREFIX[int(power) + 4], unit)
floor_log(value, base) = floor(log(value) / log(base) + 1e-9)
ceil_log(value, base) = ceil(log(value) / log(base) - 1e-9)
