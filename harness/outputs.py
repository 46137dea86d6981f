"""Writes a job into a folder, in every format that a CI system reads. FILES is the one list of them."""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from harness import feeds, job as jobs, junit, markdown, terminal
from harness.schema import HarnessError
from harness.verdict import Job

FILES: Final[Mapping[str, Callable[[Job], str]]] = {
    "job.json": jobs.to_text,
    "table.txt": terminal.text,
    "junit.xml": junit.text,
    "summary.md": markdown.summary,
    "annotations.txt": markdown.annotation_lines,
    "invocations.jsonl": feeds.invocations,
    "action-benchmark.json": feeds.action_benchmark,
    "bencher.json": feeds.bencher,
    "benchstat-base.txt": lambda job: feeds.go_benchmarks(job, "base"),
    "benchstat-new.txt": lambda job: feeds.go_benchmarks(job, "new"),
}


class OutputError(HarnessError):
    """A file that cannot be written."""


def write(job: Job, folder: Path, forest: str | None = None) -> dict[str, Path]:
    """Write every output of `job` into `folder`, which is made if need be.

    Each file appears complete or not at all, and job.json last: where it is, all the others are. forest: a link to the
    forest plot, as seen from the summary. Returns the files by name. Raises OutputError.
    """
    texts = {name: make(job) for name, make in FILES.items()}
    texts["summary.md"] = markdown.summary(job, forest)
    written = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in sorted(texts, key="job.json".__eq__):
            written[name] = _replace(folder / name, texts[name])
    except OSError as error:
        raise OutputError(f"the outputs of the job cannot be written to {folder} ({error.strerror}): "
                          "make room, or name a folder that you may write to.") from None
    return {name: written[name] for name in texts}


def _replace(path: Path, text: str) -> Path:
    """Write a file beside its place and move it there."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    return path


def add_command(commands: Any) -> None:
    """Adds `outputs` to the subcommands of an argparse parser; the namespace's `command` is then `run`."""
    parser = commands.add_parser("outputs", help="write the outputs of a job of the gate anew, and print its table")
    parser.add_argument("job", type=Path, metavar="JOB.json")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where they go (default: beside the file)")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Runs `outputs`; returns 0, whatever the job's own status. Raises JobError or OutputError."""
    made = jobs.read(options.job)
    folder = options.out if options.out is not None else options.job.parent
    forest = "charts/forest.svg" if (folder / "charts" / "forest.svg").exists() else None
    write(made, folder, forest)
    print(terminal.text(made), end="")
    return 0
