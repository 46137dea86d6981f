# How long does a message wait when the sender is asked for more than the connection takes, and what bounds it?
# columns: kind panel panel_title series level place spread modes low high latency_s
call "plots/style.gp" ARG1 ARG2 ARG3 ARG4
VALUE = "latency_s"
UNIT = "s"
Y_LABEL = ""
X = "count"
X_LABEL = "messages a second"
COLUMNS = 3
DIAGONAL = 0
SHARE = 1
SERIES = 1
load "plots/body/panels.gp"
