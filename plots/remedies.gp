# What does each remedy against a stall cost: latency, segments, system calls and CPU time of an exchange?
# columns: kind panel place label unit modes low high value
call "plots/style.gp" ARG1 ARG2 ARG3 ARG4
RATIO = 0
load "plots/body/rows.gp"
