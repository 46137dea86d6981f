#!/usr/bin/python3
"""Stands in for a program that has `tinygram slices`: its command line, a document, and nothing measured.

FAKE_SLICES chooses the world: ok (default), a number (that ratio of new to base), or one of the faults that WORLDS
lists. FAKE_SLICES_LOG names a file that gets the arguments of each start.
"""
import json
import os
import random
import signal
import sys
import time

SLICES = 24


def option(arguments, name, default=None):
    return arguments[arguments.index(name) + 1] if name in arguments else default


def arm(arguments, name):
    program = option(arguments, f"--{name}-program", sys.argv[0])
    result = {"messages": 960, "writes": 960, "data_segments": 960, "elapsed_ns": 9600000}
    return {"setting": option(arguments, f"--{name}"), "program": os.path.realpath(program),
            "prefix": option(arguments, f"--{name}-prefix"), "command": [program, "arm"],
            "document": {"schema": "tinygram/1", "role": "arm", "result": result}}


def document(arguments, ratio):
    chooser = random.Random(int(option(arguments, "--seed", "1")))
    order = [0, 1] * (SLICES // 2)
    chooser.shuffle(order)
    base = [int(500000 * chooser.uniform(0.99, 1.01)) for _ in range(SLICES)]
    new = [int(value * ratio * chooser.uniform(0.999, 1.001)) for value in base]
    exchange = "--pattern" in arguments
    return {"schema": "tinygram-slices/1", "version": "0.1.0", "build": {"compiler": "gcc", "flags": "-O2"},
            "command": ["tinygram", *arguments], "started_at": "2026-01-02T03:04:05.000006Z", "status": 0,
            "error": None,
            "slices": {"units": int(option(arguments, "--units", "40")), "work": "exchange" if exchange else "byte",
                       "work_each": 1 if exchange else 65536, "count": SLICES, "warm_up": 8, "base_ns": base,
                       "new_ns": new, "new_first": order},
            "placement": {"sender": 0, "receiver": 0},
            "arms": {"base": arm(arguments, "base"), "new": arm(arguments, "new")},
            "machine": {"boot_id": "1-2-3"}}


def failed(made, status, error):
    return {**made, "status": status, "error": error, "slices": None,
            "arms": {name: {**made["arms"][name], "document": None} for name in made["arms"]}}


def swapped(made):
    made["arms"]["base"], made["arms"]["new"] = made["arms"]["new"], made["arms"]["base"]


def change(path, value):
    def apply(made):
        place = made
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value(place[path[-1]]) if callable(value) else value
    return apply


WORLDS = {
    "nan": change(("slices", "new_ns", 3), float("nan")),
    "infinite": change(("slices", "new_ns", 3), float("inf")),
    "null": change(("slices", "new_ns", 3), None),
    "zero": change(("slices", "base_ns", 3), 0),
    "negative": change(("slices", "base_ns", 3), -5),
    "unequal": change(("slices", "new_ns"), lambda values: values[:-1]),
    "few": change(("slices",), lambda slices: {**slices, "count": 6, **{
        name: slices[name][:6] for name in ("base_ns", "new_ns", "new_first")}}),
    "newer": change(("schema",), "tinygram-slices/2"),
    "alien": change(("schema",), "iperf3/1"),
    "swapped": swapped,
    "stranger": change(("arms", "new", "setting"), "cork=on"),
    "noslices": change(("slices",), None),
    "noarms": change(("arms",), None),
    "unbalanced": change(("slices", "new_first"), lambda values: [1] * len(values)),
    "noorder": change(("slices", "new_first"), None),
    "otherwork": change(("slices", "work"), "message"),
    "otherunits": change(("slices", "units"), 7),
    "nounits": change(("slices", "units"), 0),
    "nolist": change(("slices", "base_ns"), 5),
    "lie": change(("status",), 4),
}


def main():
    arguments = sys.argv[1:]
    world = os.environ.get("FAKE_SLICES", "ok")
    if arguments == ["version", "--json"]:
        if world == "mute":
            return 1
        print(json.dumps({"version": "0.1.0", "build": {"compiler": "gcc 12", "flags": "-O2"},
                          **({} if world == "old" else {"turns": 1})}))
        return 0
    if "FAKE_SLICES_LOG" in os.environ:
        with open(os.environ["FAKE_SLICES_LOG"], "a") as log:
            print(*arguments, file=log)
    made = document(arguments, float(world) if world[0].isdigit() else 1.0)
    if world in WORLDS:
        WORLDS[world](made)
    elif world == "dies":
        print("something broke", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)
    elif world == "hangs":
        time.sleep(60)
    elif world == "worker":
        made = failed(made, 4, "arm new: the worker died of SIGKILL.")
    elif world == "pinning":
        made = failed(made, 3, "cannot pin to CPU 0: Operation not permitted; allow it, or choose --cpus free.")
    elif world == "refused":
        made = failed(made, 3, "arm new: TCP_NODELAY: on was asked for and off is in effect.")
    elif world == "silent":
        return 4
    elif world == "rubbish":
        print("goodput is great")
        return 0
    elif world == "list":
        print("[1, 2]")
        return 0
    elif world in ("cut", "cut2"):
        text = json.dumps(made)
        print(text[:len(text) // 2] if world == "cut" else text[:-1])
        return 0
    elif world == "two":
        print(json.dumps(made))
    print(json.dumps(made))
    return 0 if made["status"] is None or world == "lie" else made["status"]


if __name__ == "__main__":
    sys.exit(main())
