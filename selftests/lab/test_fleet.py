"""The example playbook, run for real: over SSH to a probe host in each of two plants."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from cube_acceptance import verify
from selftests.lab.condition import Condition
from selftests.lab.daemons import alone, search_path
from selftests.lab.plant import run
from selftests.lab.session import PACE_FOLDER, PROJECT, as_toml, plant_under, site_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selftests.lab.certificates import Authorities
    from selftests.lab.plant import Plant

PLAYBOOK = PROJECT / "examples" / "ansible" / "acceptance.yml"
LIMIT_S = 240.0

PLANTS = {
    "plant-a": Condition(id="healthy", field="Nothing is wrong.", site={"site": {"name": "A"}}),
    "plant-b": Condition(
        id="no-time",
        field="The firewall drops NTP.",
        site={"site": {"name": "B"}},
        firewall=("gateway input udp dport 123 drop",),
    ),
}
UNREACHABLE = "plant-c"
"""A site whose probe host is off."""


class Campaign(NamedTuple):
    """What the playbook left."""

    status: int
    said: str
    folder: Path

    def run_of(self, plant: str) -> Path:
        """Return the one run that was brought home from a plant."""
        (folder,) = (self.folder / plant).iterdir()
        return folder


def playbook_program() -> str:
    """Find ansible-playbook beside this interpreter or on the search path; else empty."""
    beside = Path(sys.executable).with_name("ansible-playbook")
    return str(beside) if beside.exists() else shutil.which("ansible-playbook") or ""


@pytest.fixture(scope="module")
def program() -> str:
    """Skip where Ansible is missing; fail in CI, which has to provide for it."""
    found = playbook_program()
    if not found and os.environ.get("CI") == "true":
        pytest.fail("ansible-core is not installed")
    if not found:
        pytest.skip("ansible-core is not installed")
    return found


@pytest.fixture(scope="module")
def campaign(
    program: str, authorities: Authorities, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Campaign]:
    """Run the playbook on a computer that has a wire to the probe host of every plant."""
    scratch = tmp_path_factory.mktemp("fleet")
    client_key = scratch / "client"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(client_key)])
    with ExitStack() as stack:
        plants = {
            name: stack.enter_context(plant_under(condition, authorities))
            for name, condition in PLANTS.items()
        }
        first = next(iter(plants.values()))
        first._add_namespace("office")
        known, hosts = [], {}
        for number, (name, plant) in enumerate(plants.items()):
            address = f"10.99.{number}.2"
            first.ip(
                "office",
                f"link add to-{name} type veth peer name eth9 netns {plant.namespace('laptop')}",
                f"addr add 10.99.{number}.1/30 dev to-{name}",
                f"link set to-{name} up",
            )
            plant.ip("laptop", f"addr add {address}/30 dev eth9", "link set eth9 up")
            known.append(f"{address} {probe_host(plant, address, client_key)}")
            site = plant.folder / "site.toml"  # its CA file stands beside it only at home
            entry = site_file(PLANTS[name])
            entry["cloud"]["ca_file"] = str(plant.folder / "lab-ca.pem")
            site.write_text(as_toml(entry))
            hosts[name] = {
                "ansible_host": address,
                "ansible_remote_tmp": str(plant.folder / "ansible"),
                "cube_folder": str(plant.folder / "probe"),
                "cube_site_file": str(site),
            }
        hosts[UNREACHABLE] = {"ansible_host": "10.99.0.3", "cube_site_file": "/nowhere"}
        (scratch / "known_hosts").write_text("\n".join(known) + "\n")
        inventory = scratch / "inventory.json"
        inventory.write_text(json.dumps(inventory_of(hosts, scratch, client_key)))
        yield play(program, first, inventory, scratch)


def inventory_of(
    hosts: dict[str, dict[str, str]], scratch: Path, client_key: Path
) -> dict[str, Any]:
    """Write the inventory; the probe hosts use this computer's suite and interpreter."""
    options = f"-o UserKnownHostsFile={scratch}/known_hosts -o GlobalKnownHostsFile=/dev/null"
    here = {
        "cube_install": False,
        "cube_suite": str(PROJECT),
        "cube_fleet": str(scratch / "fleet"),
        "cube_home_python": sys.executable,
        "cube_language": "en",
        "cube_probe_suite": str(PROJECT),
        "cube_probe_python": sys.executable,
        "ansible_python_interpreter": sys.executable,
    }
    there = {
        "ansible_user": "root",
        "ansible_become": False,
        "ansible_ssh_private_key_file": str(client_key),
        "ansible_ssh_common_args": f"-F none {options} -o IdentitiesOnly=yes",
    }
    return {"all": {"vars": here, "children": {"probes": {"hosts": hosts, "vars": there}}}}


def probe_host(plant: Plant, address: str, client_key: Path) -> str:
    """Start a laptop's SSH server, and give its host key."""
    key = plant.folder / "probe_host_key"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)])
    configuration = plant.folder / "probe.conf"
    configuration.write_text(
        f"ListenAddress {address}\nHostKey {key}\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {client_key}.pub\nPasswordAuthentication no\n"
        "PermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n"
    )
    pace = plant.folder / "pace"  # each plant's CUBE is another one, at the same address
    pace.mkdir()
    pace.chmod(0o1777)
    server = alone(
        host="laptop",
        name="probe",
        hostname="probe",
        setup=(
            "mkdir -m 0755 /run/sshd;"
            f"mkdir -p -m 1777 {PACE_FOLDER}; mount --bind {pace} {PACE_FOLDER}"
        ),
        command=f"{shutil.which('sshd', path=search_path())} -D -e -f {configuration}",
        sockets=("tcp 22",),
    )
    plant.start([server])
    return " ".join(key.with_suffix(".pub").read_text().split()[:2])


def play(program: str, plant: Plant, inventory: Path, scratch: Path) -> Campaign:
    """Run the playbook in the office's namespace."""
    kept = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("PYTEST", "COV_", "ANSIBLE", "SSH_"))
    }
    settings = scratch / "ansible.cfg"
    places = {
        "HOME": str(scratch),
        "ANSIBLE_HOME": str(scratch / "ansible"),
        "ANSIBLE_CONFIG": str(settings),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(plant.folder / "cp"),
        "ANSIBLE_TIMEOUT": "5",
        "LC_ALL": "C.UTF-8",
    }
    settings.touch()  # none of this computer's own are read then
    done = subprocess.run(
        plant.inside("office", program, "-i", str(inventory), str(PLAYBOOK)),
        env=kept | places,
        cwd=scratch,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    folders = list((scratch / "fleet").glob("*"))
    assert len(folders) == 1, done.stdout
    return Campaign(done.returncode, done.stdout, folders[0])


@pytest.mark.quick
class TestPlaybook:
    """A campaign over a healthy plant, one behind a firewall, and one that cannot be reached."""

    def test_status(self, campaign: Campaign) -> None:
        """Ansible does not end well unless every site is accepted."""
        assert campaign.status != 0, campaign.said

    def test_certificates(self, campaign: Campaign) -> None:
        """What was brought home is whole: it verifies in full, judged again."""
        for plant in PLANTS:
            findings = verify.verify(campaign.run_of(plant))

            assert [finding for finding in findings if finding.wrong] == [], campaign.said

    def test_table(self, campaign: Campaign) -> None:
        """The table has every site, also the one whose probe host did not answer."""
        folders = [str(campaign.folder / name) for name in (*PLANTS, UNREACHABLE)]
        done = subprocess.run(
            [sys.executable, "-m", "cube_acceptance", "summary", "--format", "json", *folders],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        table = json.loads(done.stdout)
        verdicts = {entry["site"]: entry["verdict"] for entry in table["certificates"]}

        assert done.returncode == 1
        assert verdicts == {"A": "accepted", "B": "rejected", UNREACHABLE: "missing"}

    def test_page(self, campaign: Campaign) -> None:
        """The playbook leaves the table as a page, and shows it."""
        page = (campaign.folder / "summary.html").read_text()

        assert "<caption>" in page
        assert "Rejected: 1 · No certificate: 1 · Accepted: 1" in campaign.said
