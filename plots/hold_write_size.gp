# How long does TCP hold a write back, by its size and by the time between writes?
# columns: kind panel panel_title nodelay level place spread modes low high hold_s
call "plots/style.gp" ARG1 ARG2 ARG3 ARG4
VALUE = "hold_s"
UNIT = "s"
Y_LABEL = "hold"
X = "size"
X_LABEL = "bytes in each write()"
COLUMNS = 2
DIAGONAL = 0
SHARE = 1
load "plots/body/panels.gp"
