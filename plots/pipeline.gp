# What do more outstanding exchanges do to latency, rate and segments?
# columns: kind panel panel_title nodelay level place spread modes low high value unit
call "plots/style.gp" ARG1 ARG2 ARG3 ARG4
VALUE = "value"
UNIT = "panel"
Y_LABEL = ""
X = "count"
X_LABEL = "exchanges outstanding"
COLUMNS = 2
DIAGONAL = 0
SHARE = 0
load "plots/body/panels.gp"
