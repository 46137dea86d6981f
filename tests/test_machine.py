"""What is recorded of the machine, against other programs; and that what cannot be read is None."""

from __future__ import annotations

import dataclasses
import gzip
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from harness import machine


def told(*command: str) -> str:
    """What another program says."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed, so there is nothing to compare with")
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()


@pytest.fixture(scope="module")
def here() -> machine.Machine:
    return machine.capture(Path("/bin/tinygram"), {"version": "1.2.3", "build": {"compiler": "cc 1", "flags": "-O9"}})


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, str]], None]:
    """Makes the machine's files those of a mapping from path to content; all others cannot be read."""
    def pretend(content: Mapping[str, str]) -> None:
        monkeypatch.setattr(machine, "_text", lambda path: content.get(str(path)))
    return pretend


def test_against_other_programs(here: machine.Machine) -> None:
    assert here.kernel == told("uname", "-r")
    assert here.architecture == told("uname", "-m")
    assert here.cpus_online == int(told("getconf", "_NPROCESSORS_ONLN"))
    assert here.memory_bytes == int(told("getconf", "_PHYS_PAGES")) * int(told("getconf", "PAGE_SIZE"))


def test_sysctls_against_sysctl(here: machine.Machine) -> None:
    for name, value in here.sysctl.items():
        if value is not None:
            assert " ".join(told("/sbin/sysctl", "-n", name).split()) == value
    assert {"net.core.wmem_max", "net.ipv4.tcp_autocorking", "net.ipv4.tcp_limit_output_bytes"} <= set(here.sysctl)


def test_loopback_against_sysfs(here: machine.Machine) -> None:
    assert here.loopback_mtu == int(Path("/sys/class/net/lo/mtu").read_text())


def test_offloads_against_ethtool(here: machine.Machine) -> None:
    shown = dict(line.strip().split(": ") for line in told("ethtool", "-k", "lo").splitlines()[1:])
    for name, value in here.loopback_offloads.items():
        assert shown[name].split()[0] == ("on" if value else "off")


def test_offloads_are_read_without_any_program() -> None:
    offloads = machine.loopback_offloads()
    assert set(offloads) == set(machine.OFFLOADS)
    assert offloads["scatter-gather"] is True, "lo always gathers"


def test_an_unknown_offload_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "OFFLOADS", {"warp": 0xDEAD})
    assert machine.loopback_offloads() == {"warp": None}


def test_congestion_controls(here: machine.Machine) -> None:
    assert here.congestion_available is not None and here.congestion_settable
    assert set(here.congestion_settable) <= set(here.congestion_available)
    assert here.congestion_default in here.congestion_available


def test_an_unknown_congestion_control_is_not_settable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "congestion_available", lambda: ("cubic", "no_such_thing"))
    assert machine.congestion_settable() == ("cubic",)


def test_the_program_is_recorded(here: machine.Machine) -> None:
    assert (here.version, here.compiler, here.compiler_flags, here.tool) == ("1.2.3", "cc 1", "-O9", "/bin/tinygram")
    assert here.python == platform.python_version()


def test_it_survives_json(here: machine.Machine) -> None:
    stored = json.loads(json.dumps(here.to_json()))
    assert stored["schema"] == "tinygram-machine/1"
    assert set(stored) == {"schema"} | {field.name for field in dataclasses.fields(machine.Machine)}
    assert machine.differences(stored, stored) == []


def test_what_makes_two_parts_incomparable(here: machine.Machine) -> None:
    stored = here.to_json()
    assert machine.differences(stored, stored | {"load_1m": 99.0, "boot_id": "other"}) == []
    assert machine.differences(stored, stored | {"version": "2"}) == ["version was '1.2.3' and is '2'"]
    for name in machine.DECISIVE:
        assert machine.differences(stored, stored | {name: "else"})


def test_nothing_can_be_read(files: Callable[[Mapping[str, str]], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that tells nothing gives None, never 0."""
    files({})
    monkeypatch.setattr(machine, "_command", lambda *command: None)
    monkeypatch.setattr(Path, "read_bytes", lambda path: (_ for _ in ()).throw(FileNotFoundError()))
    blind = machine.capture()
    for name in ("boot_id", "uptime_s", "hz", "cpu_model", "governor", "boost", "clocksource", "virtualisation",
                 "container", "memory_bytes", "memory_available_bytes", "cgroup_cpu_limit",
                 "cgroup_memory_limit_bytes", "load_1m", "congestion_default", "congestion_available",
                 "congestion_settable", "tcp_metrics", "compiler", "compiler_flags", "version", "tool", "git_commit",
                 "git_changed", "threads_per_core", "system"):
        assert getattr(blind, name) is None, name
    assert set(blind.sysctl.values()) == {None}


def test_cgroup_version_2(files: Callable[[Mapping[str, str]], None]) -> None:
    files({"/proc/self/mountinfo": "30 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate",
           "/proc/self/cgroup": "0::/user/job",
           "/sys/fs/cgroup/user/job/cpu.max": "150000 100000", "/sys/fs/cgroup/user/cpu.max": "max 100000",
           "/sys/fs/cgroup/user/memory.max": "1073741824", "/sys/fs/cgroup/user/job/memory.max": "max"})
    assert machine.cgroup_cpu_limit() == 1.5
    assert machine.cgroup_memory_limit() == 1 << 30, "the limit of a group above holds too"


def test_cgroup_version_1(files: Callable[[Mapping[str, str]], None]) -> None:
    """In a container the group's path starts outside of what is mounted."""
    files({"/proc/self/mountinfo": "32 31 0:29 /docker/1 /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu,cpuacct\n"
                                   "35 31 0:32 /docker/1 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory",
           "/proc/self/cgroup": "4:memory:/docker/1\n1:cpu,cpuacct:/docker/1\n",
           "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
           "/sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912"})
    assert machine.cgroup_cpu_limit() == 0.5
    assert machine.cgroup_memory_limit() == 512 << 20


def test_cgroup_without_limits(files: Callable[[Mapping[str, str]], None]) -> None:
    files({"/proc/self/mountinfo": "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
                                   "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
           "/proc/self/cgroup": "4:memory:/\n1:cpu:/\n",
           "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
           "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712"})
    assert machine.cgroup_cpu_limit() is None
    assert machine.cgroup_memory_limit() is None


def test_hz(files: Callable[[Mapping[str, str]], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_bytes", lambda path: gzip.compress(b"CONFIG_HZ_250=y\nCONFIG_HZ=250\n"))
    assert machine.kernel_hz() == 250
    monkeypatch.setattr(Path, "read_bytes", lambda path: b"not gzip")
    files({f"/boot/config-{platform.release()}": "# CONFIG_HZ_100 is not set\nCONFIG_HZ=1000"})
    assert machine.kernel_hz() == 1000


def test_virtualisation(files: Callable[[Mapping[str, str]], None], monkeypatch: pytest.MonkeyPatch) -> None:
    files({})
    monkeypatch.setattr(machine, "_command", lambda *command: "kvm")
    assert machine.virtualisation("fpu") == "kvm"
    monkeypatch.setattr(machine, "_command", lambda *command: None)
    assert machine.virtualisation("fpu vme") == "none"
    assert machine.virtualisation("fpu hypervisor") == "a virtual machine of unknown kind"
    assert machine.virtualisation(None) is None
    files({"/sys/class/dmi/id/sys_vendor": "QEMU"})
    assert machine.virtualisation("fpu hypervisor") == "QEMU"


def test_a_program_that_fails_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine._command("no-such-program-here") is None
    assert machine._command("false") is None
    assert machine._command("echo", "yes") == "yes"


def test_limits_are_the_machines() -> None:
    limits = machine.limits()
    assert limits.wmem_max == int(Path("/proc/sys/net/core/wmem_max").read_text())
    assert limits.rmem_max == int(Path("/proc/sys/net/core/rmem_max").read_text())
    assert limits.congestion == machine.congestion_settable()


def test_cpus_allowed_are_this_processes(here: machine.Machine) -> None:
    assert here.cpus_allowed == tuple(sorted(os.sched_getaffinity(0)))
