# What did each trial of two runs take, cell by cell, on one axis?
# columns: kind panel place label unit run modes low high value
call "plots/style.gp" ARG1 ARG2 ARG3 ARG4
RATIO = 0
RUNS = 1
X_LABEL = ""
load "plots/body/rows.gp"
