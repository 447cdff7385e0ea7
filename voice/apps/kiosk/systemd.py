"""The kiosk as a service of systemd: its unit file, and writing it where it belongs.

A unit of the user has the user's sound server, and runs while the user is logged in (or always,
with lingering). A unit of the system has nobody's: it uses the sound card itself, as a user that
exists only while it runs.

What is not forbidden, and why. Writable code (`MemoryDenyWriteExecute`): the models' kernels are
compiled while they run. Real-time threads (`RestrictRealtime`): sound has them. `/proc/meminfo` and
`/proc/cpuinfo` (`ProcSubset`): the model is chosen by them. Sandboxes made of name spaces, for a
unit of the user: without privileges they are not to be had everywhere.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import platformdirs

from voice.errors import UsageError

NAME: Final = "voice-kiosk"

_START: Final = ["enable", "--now", "--no-block", NAME]
"""Not waited for: it is ready only when it has its models and devices."""

_RUNNING: Final = Path("/run/systemd/system")
"""A folder that is there where systemd runs the machine."""

_BACK_OFF_SINCE: Final = 254
"""The first version of systemd that waits longer before each further restart."""

_SERVICE: Final = """\
Type=notify
NotifyAccess=main
ExecStart={command}
ExecReload=/bin/kill -HUP $MAINPID
KillMode=mixed
KillSignal=SIGTERM
# The first start fetches models; a start that hangs, or finds no microphone, is begun anew.
TimeoutStartSec=15min
TimeoutStopSec=5s
WatchdogSec=30s
Restart=always
{back_off}
# A configuration that cannot be used does not get better by itself.
RestartPreventExitStatus=2
# Keys and other settings, one NAME=value a line; only its owner should be able to read it.
EnvironmentFile=-{environment_file}
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
RestrictNamespaces=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""

_USER: Final = """\
[Unit]
Description=Voice kiosk
After=pipewire-pulse.socket pulseaudio.socket wireplumber.service
StartLimitIntervalSec=0

[Service]
{service}
[Install]
WantedBy=default.target
"""

_SYSTEM: Final = """\
[Unit]
Description=Voice kiosk
Wants=network-online.target
After=network-online.target sound.target
StartLimitIntervalSec=0

[Service]
{service}SystemCallFilter=~@privileged
DynamicUser=yes
SupplementaryGroups=audio
DevicePolicy=closed
DeviceAllow=char-alsa rw
StateDirectory=voice
CacheDirectory=voice
RuntimeDirectory=voice
Environment=HOME=%S/voice VOICE_CACHE=%C/voice XDG_RUNTIME_DIR=%t/voice
WorkingDirectory=%S/voice
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome={protect_home}
ProtectProc=invisible
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True, slots=True)
class Service:
    """What a unit file depends on."""

    user: bool
    """A service of the user's; else the system's."""

    program: Path
    """The `voice` command."""

    config: Path | None
    systemd_version: int

    @property
    def folder(self) -> Path:
        """Where unit files of its kind lie."""
        if self.user:
            return platformdirs.user_config_path("systemd") / "user"
        return Path("/etc/systemd/system")

    @property
    def environment_file(self) -> Path:
        """Where the operator puts keys; it need not be there."""
        folder = platformdirs.user_config_path("voice") if self.user else Path("/etc/voice")
        return folder / "kiosk.env"

    @property
    def systemctl(self) -> list[str]:
        """The command that speaks to its manager."""
        return ["systemctl", "--user"] if self.user else ["systemctl"]


def unit(service: Service) -> str:
    """The text of the unit file."""
    command = [str(service.program), "kiosk"]
    if service.config:
        command += ["--config", str(service.config)]
    back_off = "RestartSec=5s"
    if service.systemd_version >= _BACK_OFF_SINCE:
        back_off = "RestartSec=1s\nRestartSteps=6\nRestartMaxDelaySec=1min"
    text = _SERVICE.format(
        command=" ".join(map(_quoted, command)),
        back_off=back_off,
        environment_file=str(service.environment_file).replace("%", "%%"),
    )
    if service.user:
        return _USER.format(service=text)
    at_home = any(service.program.is_relative_to(home) for home in ("/home", "/root", "/run/user"))
    return _SYSTEM.format(service=text, protect_home="read-only" if at_home else "yes")


def install(user: bool, config: Path | None, start: bool = False) -> None:
    """Write the unit file, and say what to do next; `start` does it. Raises `UsageError`."""
    service = _service(user, config)
    path = service.folder / f"{NAME}.service"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(unit(service), encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"the service cannot be written to {path}: {error.strerror}",
            "see that the folder is yours" if user else "run it as root",
        ) from error
    print(f"wrote {path}")
    _tell(service, ["daemon-reload"])
    if start:
        _tell(service, _START)
        print(f"{NAME} begins, now and with {'your session' if user else 'the machine'}")
    print(next_steps(service, started=start))


def next_steps(service: Service, started: bool) -> str:
    """What the operator has yet to do."""
    systemctl, journal = " ".join(service.systemctl), "--user " if service.user else ""
    start = f"{systemctl} {' '.join(_START)}"
    steps = [] if started else [("start it (models are fetched)", start)]
    if service.user:
        steps.append(("keep it running without a login", "sudo loginctl enable-linger $USER"))
    steps += [
        ("give it a key", f"put OPENAI_API_KEY=… into {service.environment_file} (mode 600)"),
        ("see how it is", f"{systemctl} status {NAME}"),
        ("read its log", f"journalctl {journal}-u {NAME} -f"),
        ("apply a changed configuration", f"{systemctl} reload {NAME}"),
    ]
    return "\n".join(f"  {what + ':':34} {how}" for what, how in steps)


def _service(user: bool, config: Path | None) -> Service:
    """What is to be installed on this machine. Raises `UsageError` where it cannot be."""
    if not (shutil.which("systemctl") and _RUNNING.is_dir()):
        raise UsageError(
            "this machine was not started by systemd",
            "let whatever starts programs here run `voice kiosk`; it needs no terminal",
        )
    if not user and os.geteuid() != 0:
        raise UsageError("only root can install a service of the system", "use sudo, or --user")
    if config and not config.is_file():
        raise UsageError(f"there is no configuration at {config}", "name one with --config")
    program = Path(sys.executable).with_name("voice")
    if not program.exists():
        raise UsageError(f"there is no {program}", "install the package `voice` beside its Python")
    config = config.resolve() if config else None
    if not user:
        _check_readable(program, Path(sys.executable).resolve(), *([config] if config else []))
    return Service(user, program, config, _version())


def _check_readable(*paths: Path) -> None:
    """A service of the system runs as a user of its own, who must get at its files."""
    for path in paths:
        for one in (path, *path.parents):
            wanted = 0o5 if one.is_dir() else 0o4
            if one.stat().st_mode & wanted != wanted:
                raise UsageError(
                    f"other users cannot read {one}, and the service is one",
                    "install voice and its configuration below /opt or /etc, or use --user",
                )


def _version() -> int:
    told = _run(["systemctl", "--version"])
    found = re.match(r"systemd (\d+)", told)
    return int(found[1]) if found else 0


def _tell(service: Service, words: list[str]) -> None:
    _run([*service.systemctl, *words])


def _run(command: list[str]) -> str:
    """What a command prints. Raises `UsageError` where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        problem = done.stderr.strip() or f"exit status {done.returncode}"
        raise UsageError(
            f"`{' '.join(command)}` failed: {problem}",
            "do it by hand from a login of the user who is to run the kiosk",
        )
    return done.stdout


def _quoted(word: str) -> str:
    """One word of a command line in a unit file."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if re.search(r"[\s\"'\\;]", escaped) else escaped
