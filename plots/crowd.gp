# What does a short connection cost, and an exchange of a long one, by each of three ways to serve?
# columns: kind panel panel_title series level place spread modes low high value unit
call "plots/style.gp" ARG1 ARG2 ARG3 ARG4
VALUE = "value"
UNIT = "panel"
Y_LABEL = ""
X = "count"
X_LABEL = "connections at once"
COLUMNS = 3
DIAGONAL = 0
SHARE = 0
SERIES = 1
load "plots/body/panels.gp"
