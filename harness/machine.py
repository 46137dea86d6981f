"""What a run has to know of its machine to be understood later. Whatever cannot be read is null, never 0 or a guess."""

from __future__ import annotations

import array
import ctypes
import fcntl
import gzip
import os
import platform
import re
import shutil
import socket
import struct
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from harness.experiment import ROOT
from harness.plan import Limits

TAG: Final = "tinygram-machine/1"

SYSCTLS: Final = (
    "net/core/default_qdisc", "net/core/rmem_default", "net/core/rmem_max", "net/core/wmem_default",
    "net/core/wmem_max", "net/core/optmem_max", "net/core/netdev_max_backlog", "net/core/busy_poll",
    "net/core/busy_read", "net/ipv4/tcp_rmem", "net/ipv4/tcp_wmem", "net/ipv4/tcp_mem", "net/ipv4/tcp_adv_win_scale",
    "net/ipv4/tcp_autocorking", "net/ipv4/tcp_limit_output_bytes", "net/ipv4/tcp_moderate_rcvbuf",
    "net/ipv4/tcp_no_metrics_save", "net/ipv4/tcp_notsent_lowat", "net/ipv4/tcp_sack", "net/ipv4/tcp_timestamps",
    "net/ipv4/tcp_window_scaling", "net/ipv4/tcp_slow_start_after_idle", "net/ipv4/tcp_min_tso_segs",
    "net/ipv4/tcp_pingpong_thresh", "net/ipv4/tcp_mtu_probing", "net/ipv4/tcp_ecn",
)

# Number of the ETHTOOL command that reads each offload (linux/ethtool.h), and the request that carries it.
OFFLOADS: Final[Mapping[str, int]] = {
    "rx-checksumming": 0x14, "tx-checksumming": 0x16, "scatter-gather": 0x18, "tcp-segmentation-offload": 0x1E,
    "generic-segmentation-offload": 0x23, "generic-receive-offload": 0x2B}
_SIOCETHTOOL: Final = 0x8946
_SIOCGIFMTU: Final = 0x8921
_TCP_CONGESTION: Final = 13  # linux/tcp.h

METRICS_NOTE: Final = ("the kernel's tcp_metrics cache is shared by all connections to one address, so trials on "
                       "loopback are not independent of each other; the harness does not flush it")


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine, the program and the harness, as they were when the run started.

    Sizes in bytes, times in seconds, rates in 1/s. None: could not be read.
    """

    captured_at: str
    kernel: str | None
    kernel_build: str | None
    system: str | None
    architecture: str | None
    boot_id: str | None
    uptime_s: float | None
    hz: int | None
    cpu_model: str | None
    cpus_online: int | None
    cpus_allowed: tuple[int, ...] | None
    threads_per_core: int | None
    governor: str | None
    boost: bool | None
    clocksource: str | None
    virtualisation: str | None
    container: str | None
    memory_bytes: int | None
    memory_available_bytes: int | None
    cgroup_cpu_limit: float | None
    cgroup_memory_limit_bytes: int | None
    load_1m: float | None
    load_5m: float | None
    load_15m: float | None
    congestion_default: str | None
    congestion_available: tuple[str, ...] | None
    congestion_settable: tuple[str, ...] | None
    sysctl: Mapping[str, str | None]
    loopback_mtu: int | None
    loopback_offloads: Mapping[str, bool | None]
    tcp_metrics: tuple[str, ...] | None
    tcp_metrics_note: str
    compiler: str | None
    compiler_flags: str | None
    version: str | None
    tool: str | None
    git_commit: str | None
    git_changed: bool | None
    python: str

    def to_json(self) -> dict[str, Any]:
        """The machine as a JSON object, with the tag of its format."""
        return {"schema": TAG, **asdict(self)}


def capture(tool: Path | None = None, described: Mapping[str, Any] | None = None) -> Machine:
    """Reads the machine, which takes some ten milliseconds.

    tool: path of the program; described: what it says of itself (pair.describe). Raises nothing.
    """
    described = described or {}
    build = described.get("build") if isinstance(described.get("build"), dict) else described
    load = _words("/proc/loadavg") or []
    memory = _colon_table("/proc/meminfo")
    cpu = _colon_table("/proc/cpuinfo")
    uptime = _words("/proc/uptime")
    return Machine(
        captured_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        kernel=platform.release() or None,
        kernel_build=platform.version() or None,
        system=_os_release(),
        architecture=platform.machine() or None,
        boot_id=_text("/proc/sys/kernel/random/boot_id"),
        uptime_s=float(uptime[0]) if uptime else None,
        hz=kernel_hz(),
        cpu_model=cpu.get("model name") or cpu.get("Model") or cpu.get("cpu model"),
        cpus_online=os.cpu_count(),
        cpus_allowed=tuple(sorted(os.sched_getaffinity(0))),
        threads_per_core=_threads_per_core(),
        governor=_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        boost=_boost(),
        clocksource=_text("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        virtualisation=virtualisation(cpu.get("flags")),
        container=_command("systemd-detect-virt", "--container"),
        memory_bytes=_kilobytes(memory.get("MemTotal")),
        memory_available_bytes=_kilobytes(memory.get("MemAvailable")),
        cgroup_cpu_limit=cgroup_cpu_limit(),
        cgroup_memory_limit_bytes=cgroup_memory_limit(),
        load_1m=float(load[0]) if load else None,
        load_5m=float(load[1]) if load else None,
        load_15m=float(load[2]) if load else None,
        congestion_default=_text("/proc/sys/net/ipv4/tcp_congestion_control"),
        congestion_available=congestion_available(),
        congestion_settable=congestion_settable(),
        sysctl={name.replace("/", "."): _one_line(_text(f"/proc/sys/{name}")) for name in SYSCTLS},
        loopback_mtu=loopback_mtu(),
        loopback_offloads=loopback_offloads(),
        tcp_metrics=tcp_metrics(),
        tcp_metrics_note=METRICS_NOTE,
        compiler=_string(build, "compiler"),
        compiler_flags=_string(build, "flags"),
        version=_string(described, "version"),
        tool=str(tool) if tool is not None else None,
        git_commit=_git("rev-parse", "HEAD"),
        git_changed=_changed(_git("status", "--porcelain", "--untracked-files=no")),
        python=platform.python_version(),
    )


def limits() -> Limits:
    """What this machine lets an experiment set."""
    return Limits(congestion_settable() or (), _number(_text("/proc/sys/net/core/wmem_max")),
                  _number(_text("/proc/sys/net/core/rmem_max")))


DECISIVE: Final = ("kernel", "cpu_model", "cpus_online", "version", "compiler", "compiler_flags")


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What makes two parts of a run incomparable: one sentence for each decisive field that differs.

    before, now: machines as JSON objects.
    """
    return [f"{name} was {before.get(name)!r} and is {now.get(name)!r}" for name in DECISIVE
            if before.get(name) != now.get(name)]


def kernel_hz() -> int | None:
    """The timer frequency of the kernel (CONFIG_HZ) from its configuration, where that can be read."""
    try:
        config = gzip.decompress(Path("/proc/config.gz").read_bytes()).decode("ascii", "replace")
    except (OSError, EOFError, gzip.BadGzipFile):
        config = _text(f"/boot/config-{platform.release()}") or ""
    match = re.search(r"^CONFIG_HZ=(\d+)$", config, re.MULTILINE)
    return int(match.group(1)) if match else None


def virtualisation(cpu_flags: str | None) -> str | None:
    """The hypervisor: systemd-detect-virt's word (`none` on bare metal), else from what the CPU and DMI say.

    cpu_flags: the flags line of /proc/cpuinfo.
    """
    detected = _command("systemd-detect-virt", "--vm")
    if detected:
        return detected
    hypervisor = _text("/sys/hypervisor/type") or _text("/sys/class/dmi/id/sys_vendor")
    if cpu_flags is None:
        return hypervisor
    if "hypervisor" in cpu_flags.split():
        return hypervisor or "a virtual machine of unknown kind"
    return "none"


def cgroup_cpu_limit() -> float | None:
    """The smallest number of CPUs that a control group of this process allows; None: no limit, or not to be read."""
    limits = []
    for folder in _cgroup_folders("cpu"):
        quota = _words(folder / "cpu.max")  # version 2: quota and period in microseconds
        if quota is None:
            quota = [_text(folder / "cpu.cfs_quota_us") or "max", _text(folder / "cpu.cfs_period_us") or "0"]
        if quota[0] not in ("max", "-1") and len(quota) == 2 and int(quota[1]) > 0:
            limits.append(int(quota[0]) / int(quota[1]))
    return min(limits, default=None)


def cgroup_memory_limit() -> int | None:
    """The smallest memory limit of a control group of this process; None: no limit, or not to be read."""
    limits = []
    for folder in _cgroup_folders("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            bytes_ = _number(_text(folder / name))
            if bytes_ is not None and bytes_ < 1 << 62:  # version 1 says "no limit" with a number near 2**63
                limits.append(bytes_)
    return min(limits, default=None)


def _cgroup_folders(controller: str) -> list[Path]:
    """The control groups of this process, from its own to the root, in version 2 and in `controller` of version 1."""
    mounts: dict[str, tuple[str, Path]] = {}
    for line in (_text("/proc/self/mountinfo") or "").splitlines():
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.split(" ")[:3]
        mount = (fields.split(" ")[3], Path(fields.split(" ")[4]))
        if kind == "cgroup2":
            mounts[""] = mount
        elif kind == "cgroup":
            mounts.update(dict.fromkeys(options.split(","), mount))
    folders = []
    for line in (_text("/proc/self/cgroup") or "").splitlines():
        _, controllers, group = line.split(":", 2)
        names = controllers.split(",")
        if controllers and controller not in names:
            continue
        root, top = mounts.get(names[0] if controllers else "", ("/", Path("/nonexistent")))
        inside = group[len(root):] if root != "/" and group.startswith(root) else group
        folder = top / inside.strip("/")
        folders += [folder, *(parent for parent in folder.parents if parent.is_relative_to(top))]
    return folders


def congestion_available() -> tuple[str, ...] | None:
    """Congestion controls that the kernel has loaded."""
    words = _words("/proc/sys/net/ipv4/tcp_available_congestion_control")
    return tuple(words) if words is not None else None


def congestion_settable() -> tuple[str, ...] | None:
    """Those of the available congestion controls that this process may set, as tried on a socket."""
    available = congestion_available()
    if available is None:
        return None
    settable = []
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        for name in available:
            try:
                probe.setsockopt(socket.IPPROTO_TCP, _TCP_CONGESTION, name.encode())
            except OSError:
                continue
            settable.append(name)
    return tuple(settable)


def loopback_mtu() -> int | None:
    """MTU of lo in bytes."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            answer = fcntl.ioctl(probe, _SIOCGIFMTU, struct.pack("16sI12x", b"lo", 0))
    except OSError:
        return None
    return int(struct.unpack_from("I", answer, 16)[0])


def loopback_offloads() -> dict[str, bool | None]:
    """Offloads of lo by the names that ethtool -k shows; they need no privilege to be read."""
    return {name: _offload(command) for name, command in OFFLOADS.items()}


def _offload(command: int) -> bool | None:
    value = array.array("I", [command, 0])  # struct ethtool_value {cmd, data}
    request = struct.pack("16sP16x", b"lo", value.buffer_info()[0])
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            fcntl.ioctl(probe, _SIOCETHTOOL, ctypes.create_string_buffer(request))
    except OSError:
        return None
    return bool(value[1])


def tcp_metrics() -> tuple[str, ...] | None:
    """What the kernel remembers of connections to 127.0.0.1 (`ip tcp_metrics`), one text an entry."""
    answer = _command("ip", "tcp_metrics", "show", "127.0.0.1")
    return tuple(line.strip() for line in answer.splitlines() if line.strip()) if answer is not None else None


def _threads_per_core() -> int | None:
    siblings = _text("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list")
    if siblings is None:
        return None
    spans = [span.split("-") for span in siblings.split(",")]
    return sum(int(span[-1]) - int(span[0]) + 1 for span in spans)


def _boost() -> bool | None:
    boost = _text("/sys/devices/system/cpu/cpufreq/boost")
    no_turbo = _text("/sys/devices/system/cpu/intel_pstate/no_turbo")
    if boost is not None:
        return boost == "1"
    return no_turbo == "0" if no_turbo is not None else None


def _os_release() -> str | None:
    match = re.search(r'^PRETTY_NAME="?([^"\n]*)', _text("/etc/os-release") or "", re.MULTILINE)
    return match.group(1) if match else None


def _git(*arguments: str) -> str | None:
    if not (ROOT / ".git").exists():
        return None
    return _command("git", "-C", str(ROOT), *arguments)


def _changed(status: str | None) -> bool | None:
    return None if status is None else bool(status)


def _command(*command: str) -> str | None:
    """What a program prints, stripped; None when it is not there or fails."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return None
    # systemd-detect-virt says `none` with status 1
    return done.stdout.strip() if done.returncode == 0 or done.stdout.strip() == "none" else None


def _text(path: str | Path) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        return None


def _words(path: str | Path) -> list[str] | None:
    text = _text(path)
    return text.split() if text is not None else None


def _one_line(text: str | None) -> str | None:
    return " ".join(text.split()) if text is not None else None


def _colon_table(path: str) -> dict[str, str]:
    """`name : value` lines; of a repeated name the first."""
    table: dict[str, str] = {}
    for line in (_text(path) or "").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            table.setdefault(name.strip(), value.strip())
    return table


def _kilobytes(text: str | None) -> int | None:
    number = _number(text.split()[0]) if text else None
    return number * 1024 if number is not None else None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None


def _string(table: object, key: str) -> str | None:
    value = table.get(key) if isinstance(table, Mapping) else None
    return value if isinstance(value, str) else None
