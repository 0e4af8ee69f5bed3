"""A real SLURM cluster on one host, thrown away at the end: munged, slurmctld and a slurmd a node.

All daemons run in the foreground as children of this process, with all their files in one folder: no systemd, cgroups,
accounting or /etc/slurm. Nodes are called like loopback addresses, so that the first of them is one to meet at.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
CLIENTS = ("munge", "sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun")
SEARCHED = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY")

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
FirstJobId={first_job}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={root}/munge/socket,cred_expire=10
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool.%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.%n.pid
SlurmctldLogFile={root}/log/slurmctld.log
SlurmdLogFile={root}/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout=10
KillWait=3
SchedulerParameters=bf_interval=1,sched_interval=2,batch_sched_delay=0,sched_min_interval=0
PropagateResourceLimits=NONE
{nodes}
PartitionName=main Nodes={names} Default=YES MaxTime=1:00:00 State=UP
"""
# cred_expire is the least time between a requeue and the next start; two minutes unless said. The processes of a job
# meet at a port that its number gives (Lightning: 15000 + the last four digits), so clusters number theirs apart.


def missing() -> list[str]:
    """The programs of SLURM that are not installed."""
    return [name for name in (*DAEMONS, *CLIENTS) if shutil.which(name, path=SEARCHED) is None]


def without_slurm() -> dict[str, str]:
    """This process's environment, but for what tells of a cluster that it may run on."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "SBATCH", "SRUN"))}


class Cluster:
    """Two nodes with two processors each, unless said otherwise.

    Attributes:
        nodes: their names.
        environment: in which SLURM's commands reach this cluster.
    """

    def __init__(self, root: Path, nodes: int = 2, processors: int = 2) -> None:
        self.root = root
        self.nodes = [f"127.0.0.{number}" for number in range(1, nodes + 1)]
        self.environment = {**without_slurm(), "PATH": SEARCHED, "SLURM_CONF": str(root / "slurm.conf")}
        self._processors = processors
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Cluster:
        try:
            self._configure()
            munge = self.root / "munge"
            self._start(
                "munged", "--foreground", "--force", f"--socket={munge}/socket", f"--key-file={munge}/key",
                f"--pid-file={munge}/pid", f"--seed-file={munge}/seed", f"--log-file={self.root}/log/munged.log",
            )  # fmt: skip
            self.wait_until(lambda: not subprocess.run(
                ["munge", "-n", f"--socket={munge}/socket"], capture_output=True, check=False, env=self.environment
            ).returncode)  # fmt: skip
            self._start("slurmctld", "-D", "-c", "-f", str(self.root / "slurm.conf"))
            for node in self.nodes:
                self.start_node(node)
            self.wait_until(self.is_idle)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if "slurmctld" in self._daemons:
            with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
                self.clear()
        for name in sorted(self._daemons, key=("slurmctld", "munged").count):  # slurmd first
            self._daemons[name].terminate()
        for daemon in self._daemons.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.wait(10)
            daemon.kill()
            daemon.wait()
        for node in self.nodes:
            _kill(self._steps(node))

    def start_node(self, node: str) -> None:
        """Starts a node's daemon, for the first time or again."""
        (self.root / f"spool.{node}").mkdir(exist_ok=True)
        self._start("slurmd", "-D", "-N", node, "-f", str(self.root / "slurm.conf"), name=node)

    def lose_node(self, node: str) -> None:
        """Ends a node as a power failure does: its daemon, the managers of its steps, and their processes."""
        self._daemons[node].kill()
        self._daemons[node].wait()
        managers = self._steps(node)
        tasks = [
            int(child) for pid in managers for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
        _kill([*managers, *tasks])

    def run(self, *command: str) -> str:
        """What a command of SLURM prints."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, timeout=60)
        assert not done.returncode, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def job(self, number: str) -> dict[str, str]:
        """What SLURM tells of a job."""
        words = self.run("scontrol", "show", "job", "-o", number).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def wait(self, number: str, seconds: float = 120) -> str:
        """The state in which a job ended."""
        self.wait_until(lambda: self.job(number)["JobState"] in ENDED, seconds)
        return self.job(number)["JobState"]

    def clear(self) -> None:
        """Cancels all jobs, and waits until all nodes are idle."""
        self.run("scancel", "--user", _user())
        self.wait_until(self.is_idle)

    def is_idle(self) -> bool:
        """Whether all nodes wait for a job."""
        found = subprocess.run(
            ["sinfo", "-h", "-N", "-o", "%T"], env=self.environment, capture_output=True, text=True, check=False
        )
        return found.stdout.split() == ["idle"] * len(self.nodes)

    def wait_until(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        """Returns when a condition holds."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self._logs()
            time.sleep(0.2)

    def _configure(self) -> None:
        for folder, mode in (("munge", 0o711), ("state", 0o700), ("log", 0o755)):
            (self.root / folder).mkdir(mode=mode)
        self.root.chmod(0o755)  # munge insists that others can pass
        key = self.root / "munge" / "key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o600)
        host = socket.gethostname().split(".")[0]
        ports = _free_ports(1 + len(self.nodes))
        nodes = "\n".join(
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={self._processors}"
            for name, port in zip(self.nodes, ports[1:], strict=True)
        )
        text = CONFIGURATION.format(
            host=host, ports=ports, first_job=1 + secrets.randbelow(9000), user=_user(), root=self.root,
            nodes=nodes, names=",".join(self.nodes),
        )  # fmt: skip
        (self.root / "slurm.conf").write_text(text)
        # read in any case; without it slurmd looks for a mounted cgroup, which a container need not have
        (self.root / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nCgroupAutomount=no\nIgnoreSystemd=yes\n")

    def _start(self, program: str, *arguments: str, name: str | None = None) -> None:
        path = shutil.which(program, path=SEARCHED)
        assert path is not None
        with (self.root / "log" / f"{name or program}.out").open("ab") as log:
            self._daemons[name or program] = subprocess.Popen(
                [path, *arguments], env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=_end_with_parent,  # noqa: PLW1509 (one system call)
            )  # fmt: skip

    def _steps(self, node: str) -> list[int]:
        """The processes that manage steps on a node; each has its log open, and nothing else tells whose it is."""
        log = str(self.root / "log" / f"slurmd.{node}.log")
        return [pid for pid, files in _open_files("slurmstepd") if log in files]

    def _logs(self) -> str:
        return "\n".join(f"--- {path.name}\n{path.read_text()[-1500:]}" for path in (self.root / "log").iterdir())


def _open_files(program: str) -> Iterator[tuple[int, set[str]]]:
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it may end meanwhile
            if (folder / "comm").read_text().startswith(program):
                yield int(folder.name), {str(path.readlink()) for path in (folder / "fd").iterdir()}


def _kill(processes: list[int]) -> None:
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _user() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: a killed test run leaves no daemon
