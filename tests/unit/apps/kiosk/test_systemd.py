"""The unit files, and where they are not written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from voice.apps.kiosk import systemd
from voice.apps.kiosk.systemd import Service, install, next_steps, unit
from voice.errors import UsageError

PROGRAM = Path("/opt/voice/bin/voice")


def service(user: bool, **changed: object) -> Service:
    given: dict[str, object] = {"program": PROGRAM, "config": None, "systemd_version": 252}
    return Service(user=user, **(given | changed))  # type: ignore[arg-type]


def keys(text: str) -> dict[str, str]:
    """The last value of each key."""
    lines = [line for line in text.splitlines() if "=" in line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


@pytest.mark.parametrize("user", [True, False])
def test_a_service_is_watched_restarted_and_reloaded(user: bool) -> None:
    found = keys(unit(service(user)))
    assert found["Type"] == "notify"
    assert found["WatchdogSec"] == "30s"
    assert found["Restart"] == "always"
    assert found["StartLimitIntervalSec"] == "0"  # it never gives up
    assert found["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert found["ExecStart"] == "/opt/voice/bin/voice kiosk"
    assert found["NoNewPrivileges"] == "yes"


def test_keys_come_from_a_file_that_need_not_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/home/me/.config")
    assert keys(unit(service(False)))["EnvironmentFile"] == "-/etc/voice/kiosk.env"
    assert keys(unit(service(True)))["EnvironmentFile"] == "-/home/me/.config/voice/kiosk.env"
    assert "secret" not in unit(service(True)) + unit(service(False))


def test_a_service_of_the_system_gets_at_sound_and_little_else() -> None:
    found = keys(unit(service(False)))
    assert found["DynamicUser"] == "yes"
    assert found["SupplementaryGroups"] == "audio"
    assert found["DeviceAllow"] == "char-alsa rw"
    assert found["ProtectSystem"] == "strict"
    assert "VOICE_CACHE=%C/voice" in found["Environment"]
    assert "DynamicUser" not in keys(unit(service(True)))


def test_a_program_in_somebodys_home_can_be_read() -> None:
    at_home = service(False, program=Path("/home/me/voice/.venv/bin/voice"))
    assert keys(unit(at_home))["ProtectHome"] == "read-only"
    assert keys(unit(service(False)))["ProtectHome"] == "yes"


def test_restarts_are_rarer_and_rarer_where_systemd_knows_how() -> None:
    assert "RestartSteps" not in unit(service(True))
    assert "RestartMaxDelaySec" in keys(unit(service(True, systemd_version=254)))


def test_a_path_may_hold_what_means_something_to_systemd() -> None:
    config = Path('/etc/my "kiosk"/100%.toml')
    command = keys(unit(service(True, config=config)))["ExecStart"]
    assert command == r'/opt/voice/bin/voice kiosk --config "/etc/my \"kiosk\"/100%%.toml"'


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze here")
@pytest.mark.parametrize("user", [True, False])
def test_systemd_understands_it(user: bool, tmp_path: Path) -> None:
    path = tmp_path / "voice-kiosk.service"
    path.write_text(unit(service(user, program=Path(sys.executable))))
    command = ["systemd-analyze", *(["--user"] if user else []), "verify", str(path)]
    environment = os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if "Failed to initialize manager" in done.stderr:
        pytest.skip(f"systemd-analyze does not work here: {done.stderr}")
    about_it = [line for line in done.stderr.splitlines() if "voice-kiosk" in line]
    assert about_it == []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A machine with systemd, whose commands are only noted."""
    ran: list[list[str]] = []

    def run(command: list[str]) -> str:
        ran.append(command)
        return "systemd 252 (252.38)\n"

    monkeypatch.setattr(systemd, "_run", run)
    monkeypatch.setattr(systemd, "_RUNNING", tmp_path)
    monkeypatch.setattr(systemd.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return ran


def test_a_service_of_the_user_is_written_and_the_next_steps_are_told(
    machine: list[list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "kiosk.toml"
    config.touch()
    install(user=True, config=config)
    path = tmp_path / "config/systemd/user/voice-kiosk.service"
    assert f"kiosk --config {config}" in path.read_text()
    assert machine[-1] == ["systemctl", "--user", "daemon-reload"]
    said = capsys.readouterr().out
    assert str(path) in said
    assert "systemctl --user enable --now --no-block voice-kiosk" in said


def test_it_is_started_where_that_is_asked(
    machine: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    install(user=True, config=None, start=True)
    assert machine[-1] == ["systemctl", "--user", "enable", "--now", "--no-block", "voice-kiosk"]
    assert "enable --now" not in capsys.readouterr().out


def test_a_machine_without_systemd(machine: list[list[str]], monkeypatch: Any) -> None:
    monkeypatch.setattr(systemd, "_RUNNING", Path("/no/such/folder"))
    with pytest.raises(UsageError, match=r"not started by systemd.*voice kiosk"):
        install(user=True, config=None)
    assert machine == []


def test_only_root_installs_for_the_system(machine: list[list[str]], monkeypatch: Any) -> None:
    monkeypatch.setattr(systemd.os, "geteuid", lambda: 1000)
    with pytest.raises(UsageError, match=r"only root.*--user"):
        install(user=False, config=None)


def test_a_service_of_the_system_must_be_able_to_read_its_files(
    machine: list[list[str]], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(systemd.os, "geteuid", lambda: 0)
    program = tmp_path / "bin" / "voice"
    program.parent.mkdir(mode=0o700)
    program.touch()
    monkeypatch.setattr(systemd.sys, "executable", str(program.with_name("python")))
    with pytest.raises(UsageError, match=r"other users cannot read .*/opt"):
        install(user=False, config=None)


def test_a_configuration_that_is_not_there(machine: list[list[str]], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no configuration at .*none\.toml"):
        install(user=True, config=tmp_path / "none.toml")


def test_a_login_is_not_needed_for_long() -> None:
    assert "enable-linger" in next_steps(service(True), started=True)
    assert "linger" not in next_steps(service(False), started=True)
