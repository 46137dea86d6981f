"""The recipes of results/README.md for CI systems: each is read, and its scripts run, with a gate that is played."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import consumers
import jobs
import pytest
import yaml

from harness import outputs

ROOT = Path(__file__).resolve().parent.parent
CHAPTER = (ROOT / "results" / "README.md").read_text(encoding="utf-8")
HOSTED, GITLAB, OWN = range(3)

# What stands for Python and for make: it leaves the outputs of a job where --out says, and ends with STATUS. `trend`
# adds a line to the history.
PLAYED = """#!/bin/bash
case "$*" in
*trend*)
    [[ $* == *"--append build/jobs/job-1/job.json --anchor v0.1.0"* ]] || exit 64
    mkdir -p results && echo "{\\"job\\": \\"$$\\"}" >> results/history.jsonl ;;
*gate*"--out build/jobs"*)
    echo "$*" > "$HOME/asked"
    [ -z "$LEAVES" ] || { mkdir -p build/jobs && cp -r "$LEAVES" build/jobs/job-1; }
    exit "$STATUS" ;;
*) exit 65 ;;
esac
"""


def workflows() -> list[dict[str, Any]]:
    """The workflows of the chapter, in their order."""
    return [yaml.safe_load(text) for text in re.findall(r"^```yaml\n(.*?)^```$", CHAPTER, re.MULTILINE | re.DOTALL)]


def scripts(number: int) -> dict[str, str]:
    """The scripts of a workflow by the names of their steps."""
    job = workflows()[number].get("jobs", workflows()[number])["gate"]
    if "steps" not in job:
        return {"script": "\n".join(job["script"])}
    return {step["name"]: step["run"] for step in job["steps"] if "run" in step}


def run(script: str, world: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a script as GitHub does (`shell: bash`), in world/work, with a home of its own."""
    environment = {**os.environ, "HOME": str(world), "PATH": f"{world / 'bin'}:{os.environ['PATH']}",
                   "GITHUB_STEP_SUMMARY": str(world / "summary"), "GIT_CONFIG_NOSYSTEM": "1", "LEAVES": "",
                   **variables}
    return subprocess.run(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script], cwd=world / "work",
                          env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> Path:
    """A checkout in which the bootstrap, Python, make, apt-get, flock and taskset are played."""
    (tmp_path / "work" / "harness").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    played = {tmp_path / "bin" / "make": PLAYED, tmp_path / "bin" / "played-python": PLAYED,
              tmp_path / "bin" / "flock": '#!/bin/sh\nshift\nexec "$@"\n',
              tmp_path / "bin" / "taskset": '#!/bin/sh\nshift 2\nexec "$@"\n',
              tmp_path / "bin" / "apt-get": "#!/bin/sh\n",
              tmp_path / "work" / "harness" / "bootstrap.sh":
                  '#!/bin/sh\n[ "$1" != --python ] || echo played-python\n'}
    for path, text in played.items():
        path.write_text(text)
        path.chmod(0o755)
    (tmp_path / "summary").touch()
    return tmp_path


@pytest.fixture(name="job")
def _job(tmp_path: Path) -> Path:
    """The folder of a job with all its outputs."""
    outputs.write(replace(jobs.EVERY, id="job-1"), tmp_path / "job-1", forest="charts/forest.svg")
    return tmp_path / "job-1"


def test_every_workflow_is_known() -> None:
    assert len(workflows()) == 3 and not re.search(r"\t", CHAPTER)
    assert workflows()[GITLAB]["gate"]["artifacts"]["reports"]["junit"] == "build/jobs/*/junit.xml"


@pytest.mark.parametrize("number", [HOSTED, GITLAB, OWN])
def test_scripts_are_scripts(number: int) -> None:
    for name, script in scripts(number).items():
        done = subprocess.run(["bash", "-n", "-c", script], capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, ""), name


@pytest.mark.parametrize("number", [HOSTED, OWN])
def test_every_file_that_a_script_reads_is_written(number: int) -> None:
    named = {name for script in scripts(number).values() for name in re.findall(r"\$job/([\w.-]+)", script)}
    assert named and named <= set(outputs.FILES)


# ---------------------------------------------------------------------------------------------------------------------
# A hosted CI


@pytest.mark.parametrize(("status", "ends"), [(0, 0), (1, 1), (2, 2), (3, 0), (4, 0), (5, 5), (6, 6)])
def test_a_hosted_ci_ends_as_the_table_says(world: Path, job: Path, status: int, ends: int) -> None:
    """3 and 4 are told and let pass; whatever else the gate says is the status of the step."""
    done = run(scripts(HOSTED)["Is it slower?"], world, BASE="origin/main", STATUS=str(status), LEAVES=str(job))
    assert done.returncode == ends, done.stderr
    assert (world / "asked").read_text().split()[:4] == ["-m", "harness", "gate", "origin/main"]
    assert consumers.annotations(done.stdout) == consumers.annotations((job / "annotations.txt").read_text())
    summary = (world / "summary").read_text()
    assert summary.startswith("## ") and "![" not in summary and len(consumers.tables(summary)) > 1


@pytest.mark.parametrize("left", ["nothing", "raw.jsonl"])
def test_a_job_without_a_verdict_keeps_its_status(world: Path, tmp_path: Path, left: str) -> None:
    """What could not begin leaves no folder; what was cut off leaves one with raw data alone."""
    cut_off = tmp_path / "cut-off"
    if left != "nothing":
        cut_off.mkdir()
        (cut_off / left).write_text("{}\n")
    done = run(scripts(HOSTED)["Is it slower?"], world, BASE="origin/main", STATUS="2",
               LEAVES=str(cut_off) if cut_off.exists() else "")
    assert (done.returncode, done.stderr, (world / "summary").read_text()) == (2, "", "")


@pytest.mark.parametrize("status", [0, 1, 3, 5])
def test_gitlab_gets_the_status_itself(world: Path, job: Path, status: int) -> None:
    """3 and 4 are what its allow_failure names."""
    done = run(scripts(GITLAB)["script"], world, CI_MERGE_REQUEST_DIFF_BASE_SHA="f" * 40, STATUS=str(status),
               LEAVES=str(job))
    assert done.returncode == status and "f" * 40 in (world / "asked").read_text()
    assert (world / "work" / "build" / "jobs" / "job-1" / "junit.xml").is_file()
    assert workflows()[GITLAB]["gate"]["allow_failure"]["exit_codes"] == [3, 4]


# ---------------------------------------------------------------------------------------------------------------------
# A runner of one's own


@pytest.mark.parametrize("status", [0, 2])
def test_a_runner_of_ones_own_tells_and_ends(world: Path, job: Path, status: int) -> None:
    own = scripts(OWN)
    done = run(own["Is it slower than main?"], world, STATUS=str(status), LEAVES=str(job))
    assert done.returncode == status and "BASE=origin/main" in (world / "asked").read_text()
    done = run(own["Summary"], world)
    assert done.returncode == 0 and (world / "summary").read_text().startswith("## ")
    assert consumers.annotations(done.stdout)


def test_a_summary_of_nothing_is_no_failure(world: Path) -> None:
    done = run(scripts(OWN)["Summary"], world)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def git(folder: Path, *words: str) -> str:
    named = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main"]
    return subprocess.run(["git", "-C", str(folder), *named, *words], check=True, timeout=60, capture_output=True,
                          text=True).stdout


def test_the_history_is_pushed_beside_that_of_others(world: Path, job: Path) -> None:
    """Somebody else has pushed a line meanwhile: both lines are kept, and neither is lost in a conflict."""
    work, remote, other = (world / name for name in ("work", "remote", "other"))
    shutil.copy(ROOT / ".gitattributes", work)
    shutil.copy(ROOT / ".gitignore", work)
    (work / "results").mkdir()
    (work / "results" / "history.jsonl").write_text('{"job": "first"}\n')
    git(world, "init", "-q", "--bare", str(remote))
    git(work, "init", "-q")
    git(work, "add", ".")
    git(work, "commit", "-q", "-m", "x")
    git(work, "remote", "add", "origin", str(remote))
    git(work, "push", "-q", "-u", "origin", "main")
    git(world, "clone", "-q", str(remote), str(other))
    with (other / "results" / "history.jsonl").open("a") as file:
        file.write('{"job": "other"}\n')
    git(other, "commit", "-q", "-a", "-m", "y")
    git(other, "push", "-q")
    environment = {name: str(value) for name, value in workflows()[OWN]["env"].items()}
    done = run(scripts(OWN)["How far is main from the anchor release?"], world, STATUS="1", LEAVES=str(job),
               **environment)
    assert done.returncode == 0, done.stderr
    assert "BASE=v0.1.0" in (world / "asked").read_text()
    found = [json.loads(line)["job"] for line in git(remote, "show", "main:results/history.jsonl").splitlines()]
    assert len(found) == 3 and {"first", "other"} < set(found)
