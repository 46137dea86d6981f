"""What installs the missing: it finds by trying, is quiet when all is there, and names the command when it may not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "harness" / "bootstrap.sh"
# What the script itself calls, and every command that it looks for on behalf of the tests.
NEEDED = ["sh", "env", "cat", "sort", "tr", "find", "head", "cc", "make", "git"] + re.findall(
    r"^(?:report|test) +\S+ +command (\S+)$", SCRIPT.read_text(encoding="ascii"), re.MULTILINE)


class Machine:
    """A PATH of its own with the named commands, and an apt-get, an id and a sudo that only write down their calls."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.calls = folder / "calls"
        self.bin.mkdir()
        self.calls.touch()
        for name in NEEDED:
            found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
            assert found, f"{name} is missing on this machine; run: make test"
            (self.bin / name).symlink_to(found)

    def put(self, name: str, text: str) -> None:
        """A script in PATH."""
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n", encoding="ascii")
        path.chmod(0o755)

    def user(self, number: int) -> None:
        """Who the script believes to run as."""
        self.put("id", f"echo {number}")

    def apt(self, then: str = "true") -> None:
        """An apt-get that writes down its arguments, then does what `then` says."""
        self.put("apt-get", f'echo "$@" >> {self.calls}\n{then}')

    def run(self, *groups: str) -> subprocess.CompletedProcess[str]:
        """The script on this machine."""
        environment = {**os.environ, "PATH": str(self.bin)}
        return subprocess.run([SCRIPT, *groups], env=environment, capture_output=True, text=True, timeout=60,
                              check=False)


@pytest.fixture(name="machine")
def _machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.user(0)
    machine.apt()
    return machine


def test_quiet_and_without_apt_when_all_is_there(machine: Machine) -> None:
    """The second `make test` is not slowed down and prints nothing of this."""
    ended = machine.run("build", "test")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert machine.calls.read_text() == ""


def test_root_installs_only_what_is_missing(machine: Machine) -> None:
    """apt-get is asked once, for the one package, and the lists are not fetched anew when that works."""
    (machine.bin / "gnuplot").unlink()
    machine.apt(f"case \"$*\" in *install*) /bin/ln -s /bin/true {machine.bin}/gnuplot ;; esac")
    ended = machine.run("report")
    assert ended.returncode == 0, ended.stderr
    asked = [call for call in machine.calls.read_text().splitlines() if "install" in call]
    assert len(asked) == 1 and asked[0].endswith("--no-install-recommends gnuplot-nox")
    assert "gnuplot-nox" in ended.stderr
    assert machine.run("report").stderr == ""


def test_lists_are_fetched_when_the_first_try_fails(machine: Machine) -> None:
    """Old lists name packages that are gone: update, then once more."""
    (machine.bin / "gnuplot").unlink()
    machine.apt(f"case \"$*\" in *update*) /bin/touch {machine.bin}/updated ;; "
                f"*install*) [ -e {machine.bin}/updated ] && /bin/ln -sf /bin/true {machine.bin}/gnuplot ;; esac")
    assert machine.run("report").returncode == 0
    assert any("update" in call for call in machine.calls.read_text().splitlines())


def test_what_apt_cannot_install_is_named(machine: Machine) -> None:
    """Status 3 and the command, not a later and stranger failure."""
    (machine.bin / "gnuplot").unlink()
    machine.apt("exit 100")
    ended = machine.run("report")
    assert ended.returncode == 3
    assert "apt-get install -y --no-install-recommends gnuplot-nox" in ended.stderr


def test_somebody_without_rights_is_told_the_command(machine: Machine) -> None:
    """Neither root nor sudo: the exact command, status 3, nothing tried."""
    (machine.bin / "strace").unlink()
    machine.user(1000)
    ended = machine.run("test")
    assert ended.returncode == 3
    assert "sudo apt-get install -y --no-install-recommends strace" in ended.stderr
    assert machine.calls.read_text() == ""


def test_sudo_is_used_where_it_asks_nothing(machine: Machine) -> None:
    """sudo -n, so that no password prompt can block a job."""
    (machine.bin / "gnuplot").unlink()
    machine.user(1000)
    machine.put("sudo", '[ "$1" = -n ] && shift && exec "$@"')
    machine.put("true", "exit 0")
    machine.apt(f"case \"$*\" in *install*) /bin/ln -s /bin/true {machine.bin}/gnuplot ;; esac")
    assert machine.run("report").returncode == 0
    assert "gnuplot-nox" in machine.calls.read_text()


def test_build_alone_installs_nothing(machine: Machine) -> None:
    """A plain `make` does not change the machine."""
    machine.put("cc", "exit 1")
    ended = machine.run("build")
    assert ended.returncode == 3
    assert "libxxhash-dev" in ended.stderr
    assert machine.calls.read_text() == ""


def test_no_apt_is_a_sentence(machine: Machine) -> None:
    """Another system: what is needed, by Debian's names."""
    (machine.bin / "apt-get").unlink()
    (machine.bin / "strace").unlink()
    ended = machine.run("test")
    assert ended.returncode == 3
    assert "strace" in ended.stderr and "no apt-get" in ended.stderr


def test_debians_python_is_found_behind_another(machine: Machine) -> None:
    """A python3 without pytest that comes first in PATH is passed over."""
    machine.put("python3", "exit 1")
    ended = machine.run("--python", "test")
    assert ended.stdout.strip() == "/usr/bin/python3"


def test_an_unknown_group_is_a_usage_error(machine: Machine) -> None:
    """With the list of those that there are."""
    ended = machine.run("everything")
    assert ended.returncode == 2
    assert "build report run test lint bench" in ended.stderr
