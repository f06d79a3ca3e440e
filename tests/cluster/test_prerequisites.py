"""A missing prerequisite is named in one line, before anything is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from flink_jobs.cluster.errors import MissingPrerequisiteError
from flink_jobs.cluster.jars import find_jars
from flink_jobs.cluster.prerequisites import find_java

_CHECKOUT = Path(__file__).resolve().parents[2]
_TOOLS = ("awk", "bash", "cat", "dirname", "head", "tail")
_JAVA_17 = "echo 'openjdk version \"17.0.15\" 2025-04-15' >&2"
_JAVA_11 = "echo 'openjdk version \"11.0.2\" 2019-01-15' >&2"
_PYTHON_311 = "case $2 in *version_info*) echo 3.11 ;; esac"
_PYTHON_310 = "case $2 in *version_info*) echo 3.10 ;; esac"
_WITHOUT_VENV = "case $2 in *version_info*) echo 3.11 ;; *) exit 1 ;; esac"
_CHROMIUM = "echo Chromium 140.0"
_DF = "echo header; echo disk 900 800 {free_kib} 9% /"
_GOOD = {
    "chromium": _CHROMIUM,
    "df": _DF.format(free_kib=50_000_000),
    "getconf": "echo glibc 2.36",
    "id": "echo 1000",
    "java": _JAVA_17,
    "mvn": "true",
    "python3.11": _PYTHON_311,
    "uname": "case $1 in -s) echo Linux ;; *) echo x86_64 ;; esac",
}


def _programs(folder: Path, bodies: dict[str, str]) -> Path:
    folder.mkdir(parents=True)
    for name, body in bodies.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    return folder


class Machine:
    """A checkout on a machine that has the given programs and few others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checkout = folder / "checkout"
        self._script = self.checkout / "scripts" / "check_prerequisites.sh"
        self._script.parent.mkdir(parents=True)
        self.has_system("debian", memory_kib=16_000_000)

    def has_system(self, name: str, memory_kib: int) -> None:
        (self.folder / "os-release").write_text(f"ID={name}\n")
        (self.folder / "meminfo").write_text(f"MemTotal: {memory_kib} kB\n")
        text = (_CHECKOUT / "scripts" / "check_prerequisites.sh").read_text()
        for place in ("/etc/os-release", "/proc/meminfo", "/sys/fs/cgroup/memory.max"):
            assert place in text
            text = text.replace(place, str(self.folder / Path(place).name))
        self._script.write_text(text)

    def has_programs(self, **changed: str | None) -> Path:
        programs = {name: body for name, body in {**_GOOD, **changed}.items() if body is not None}
        path = _programs(self.folder / "bin", programs)
        for tool in _TOOLS:
            found = shutil.which(tool)
            assert found is not None
            (path / tool).symlink_to(found)
        return path

    def check(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {"PATH": str(self.folder / "bin"), "HOME": str(self.folder), **environment}
        return subprocess.run(
            ["/bin/sh", str(self._script), *arguments],
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("target", ["setup", "torch", "tests"])
def test_a_complete_machine_passes_without_a_word(machine: Machine, target: str) -> None:
    machine.has_programs()
    ran = machine.check(target)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


@pytest.mark.parametrize("name", ["python3.11", "python3", "python"])
def test_the_script_prints_the_python_to_use(machine: Machine, name: str) -> None:
    path = machine.has_programs(**{"python3.11": None, name: _PYTHON_311})
    assert machine.check("python").stdout == f"{path / name}\n"


def test_the_script_honours_python_java_home_and_chromium(machine: Machine, tmp_path: Path) -> None:
    own = _programs(tmp_path / "my own", {"snake": _PYTHON_311, "browser": _CHROMIUM})
    java_home = _programs(tmp_path / "jdk" / "bin", {"java": _JAVA_17}).parent
    machine.has_programs(**{"python3.11": None, "java": _JAVA_11, "chromium": None})
    chosen = {
        "PYTHON": str(own / "snake"),
        "JAVA_HOME": str(java_home),
        "CHROMIUM": str(own / "browser"),
    }
    assert machine.check("tests", **chosen).returncode == 0
    assert machine.check("python", **chosen).stdout == f"{own / 'snake'}\n"
    assert machine.check("chromium", **chosen).stdout == f"{own / 'browser'}\n"


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"python3.11": None}, "Python 3.11 was not found"),
        ({"python3.11": None, "python3": _PYTHON_310}, "Python 3.11 was not found"),
        ({"python3.11": _WITHOUT_VENV}, "install them (on Debian the package python3.11-venv)"),
        ({"java": None}, "Java 17 was not found"),
        ({"java": _JAVA_11}, "Java 17 is needed"),
        ({"mvn": None}, "Maven was not found"),
        (
            {"mvn": "echo no heap; exit 1"},
            "Maven does not run: make `mvn -version` work. It says: no",
        ),
        ({"uname": "echo Darwin"}, "Linux on x86-64 is needed and this is Darwin"),
        ({"getconf": "exit 1"}, "use a distribution with glibc"),
        ({"df": _DF.format(free_kib=2_000_000)}, "needs 3 GB of free disk space"),
    ],
    ids=[
        *("no python", "python 3.10", "no venv", "no java", "java 11", "no maven", "broken maven"),
        *("no linux", "no glibc", "full disk"),
    ],
)
def test_the_script_names_what_is_missing_in_one_line(
    machine: Machine, changed: dict[str, str | None], named: str
) -> None:
    machine.has_programs(**changed)
    ran = machine.check()
    assert ran.returncode == 1
    assert ran.stdout == ""
    [line] = ran.stderr.splitlines()
    assert named in line


def test_a_home_that_nothing_can_be_written_to_is_named(machine: Machine) -> None:
    machine.has_programs()
    ran = machine.check(HOME="/nonexistent")
    assert ran.stderr.startswith("loudly: HOME=/nonexistent cannot be written to")


def test_pytorch_needs_more_disk_space_than_the_rest(machine: Machine) -> None:
    machine.has_programs(df=_DF.format(free_kib=6_000_000))
    assert machine.check("setup").returncode == 0
    assert "needs 12 GB of free disk space" in machine.check("torch").stderr


def test_what_is_installed_already_is_not_asked_for(machine: Machine) -> None:
    machine.has_programs(**{"python3.11": None, "mvn": None}, df=_DF.format(free_kib=9))
    assert machine.check("torch").returncode == 1
    _programs(machine.checkout / ".venv" / "bin", {"python": "true"})
    (machine.checkout / "build" / "jars").mkdir(parents=True)
    for stamp in (".venv/.package-installed", ".venv/.torch-installed", "build/jars/.checked"):
        (machine.checkout / stamp).touch()
    assert machine.check("torch").returncode == 0


@pytest.mark.parametrize(("memory_kib", "limit"), [(2_000_000, "max"), (16_000_000, "2048000000")])
def test_little_memory_is_a_warning_in_a_container_too(
    machine: Machine, memory_kib: int, limit: str
) -> None:
    machine.has_system("debian", memory_kib)
    (machine.folder / "memory.max").write_text(f"{limit}\n")
    machine.has_programs()
    ran = machine.check()
    assert ran.returncode == 0
    assert ran.stderr.endswith("of memory and there are 2.0 GB.\n")


def test_only_tests_need_chromium(machine: Machine) -> None:
    machine.has_programs(chromium=None)
    assert machine.check("torch").returncode == 0
    assert machine.check("tests").returncode == 1


@pytest.mark.parametrize("name", ["chromium", "chromium-browser", "google-chrome"])
def test_chromium_is_found_by_its_usual_names(machine: Machine, name: str) -> None:
    path = machine.has_programs(**{"chromium": None, name: _CHROMIUM})
    assert machine.check("chromium").stdout == f"{path / name}\n"


def test_chromium_from_a_snap_is_refused_for_it_sees_no_temporary_file(machine: Machine) -> None:
    machine.has_programs(chromium="echo Chromium 140.0 snap")
    assert machine.check("tests").returncode == 1


@pytest.mark.parametrize(
    ("system", "user", "said"),
    [
        ("debian", "1000", "run `sudo apt-get install -y --no-install-recommends chromium`."),
        ("ubuntu", "1000", "install Chromium or Chrome, no snap, or set CHROMIUM to one."),
        ("ubuntu", "0", "install Chromium or Chrome, no snap, or set CHROMIUM to one."),
    ],
)
def test_without_chromium_one_line_says_how_to_get_it_and_nothing_is_installed(
    machine: Machine, system: str, user: str, said: str
) -> None:
    machine.has_system(system, memory_kib=16_000_000)
    machine.has_programs(chromium=None, id=f"echo {user}", **{"apt-get": "touch $HOME/installed"})
    ran = machine.check("tests")
    assert ran.returncode == 1
    assert ran.stderr == f"loudly: tests of pages need Chromium: {said}\n"
    assert not (machine.folder / "installed").exists()


def test_as_root_on_debian_chromium_is_installed_once(machine: Machine) -> None:
    path = machine.folder / "bin"
    machine.has_programs(
        chromium=None,
        id="echo 0",
        **{"apt-get": f"echo $* >> $HOME/asked; /bin/cp {path}/browser {path}/chromium"},
        browser=_CHROMIUM,
    )
    ran = machine.check("tests")
    assert (ran.returncode, ran.stderr.count("Installing Chromium")) == (0, 1)
    assert machine.check("tests").stderr == ""
    update, install = (machine.folder / "asked").read_text().splitlines()
    assert update.endswith("update")
    assert install.endswith("install -y --no-install-recommends chromium")


def test_a_failed_installation_of_chromium_says_why(machine: Machine) -> None:
    machine.has_programs(
        chromium=None, id="echo 0", **{"apt-get": "echo E: no route to host >&2; exit 100"}
    )
    ran = machine.check("tests")
    assert ran.returncode == 1
    assert ran.stderr.endswith("It says: E: no route to host\n")


def test_continuous_integration_has_the_same_one_rule_for_chromium() -> None:
    text = (_CHECKOUT / ".ci" / "run").read_text()
    assert "check_prerequisites.sh tests" in text
    assert "apt-get" not in text


def test_java_home_goes_before_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = _programs(tmp_path / "jdk" / "bin", {"java": _JAVA_17}).parent
    monkeypatch.setenv("PATH", str(_programs(tmp_path / "bin", {"java": _JAVA_11})))
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert find_java() == home / "bin" / "java"


@pytest.mark.parametrize(
    ("programs", "named"),
    [
        ({}, "Java 17 is needed and was not found: install"),
        ({"java": _JAVA_11}, "is version 11: install"),
        ({"java": "exit 1"}, "could not be run: install"),
    ],
    ids=["none", "java 11", "broken"],
)
def test_a_java_that_cannot_be_used_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, programs: dict[str, str], named: str
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(_programs(tmp_path / "bin", programs)))
    with pytest.raises(MissingPrerequisiteError, match=named):
        find_java()


def test_missing_jars_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOUDLY_JARS", str(tmp_path))
    with pytest.raises(MissingPrerequisiteError, match=f"no jars in {tmp_path}/kafka: run `make"):
        find_jars("kafka")
