"""Unit tests of the site file: every error is one friendly sentence, and nothing slips through."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import os
import ssl
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cube_acceptance.site import (
    Cloud,
    Cube,
    LoadedSite,
    Person,
    Site,
    SiteError,
    check_text,
    diag_ports,
    load_site,
    parse_version,
    site_for_cube,
    values,
)
from cube_acceptance.site import load as loading
from cube_acceptance.site import schema as schemas

PROJECT = Path(__file__).parents[2]
EXAMPLES = sorted((PROJECT / "fixtures" / "sites").glob("*.toml"))
DESK_EXAMPLES = sorted((PROJECT / "examples" / "sites").glob("*.toml"))
CUBE = '[[cube]]\naddress = "10.20.0.50"\n'
ENABLED = f'ssh = "enabled"\nssh_fingerprint = "SHA256:{"A" * 43}"\n'
WAIVER = """
[[waiver]]
requirement = "NTP-01"
justification = "New server next month"
approver = "A. Approver"
expires = 2027-03-31
"""


Load = Callable[[str | bytes], LoadedSite]
Complain = Callable[[str | bytes], str]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load a site file with this content."""

    def load(content: str | bytes) -> LoadedSite:
        path = tmp_path / "werk.toml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return load_site(path)

    return load


@pytest.fixture
def complaint(load: Load) -> Complain:
    """Load a bad site file; give the error's text without the file."""

    def complaint(content: str | bytes) -> str:
        with pytest.raises(SiteError) as caught:
            load(content)
        assert caught.value.file.endswith("werk.toml")
        return str(caught.value).removeprefix(caught.value.file).removeprefix(": ")

    return complaint


class TestExamples:
    """The files that a user starts from."""

    def test_exist(self) -> None:
        """An empty folder would make the next tests vacuous."""
        names = [path.stem for path in EXAMPLES]

        assert names == ["fleet", "lab", "login", "minimal", "readiness", "werk-ulm"]

    @pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
    def test_load(self, path: Path) -> None:
        """An example that does not load is worse than none."""
        loaded = load_site(path)

        assert loaded.name == path.name
        assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()

    @pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
    def test_survive_json(self, path: Path) -> None:
        """A site travels to worker processes and into the evidence."""
        loaded = load_site(path)

        again = msgspec.json.decode(msgspec.json.encode(loaded), type=LoadedSite)

        assert again == loaded

    def test_full_example_reaches_the_model(self) -> None:
        """Every table of the file ends up in the field of that name."""
        loaded = load_site(next(path for path in EXAMPLES if path.stem == "werk-ulm"))

        assert loaded.site.site.name == "Werk Ulm"
        assert loaded.site.people.witness == Person(
            name="Zoran Zeuge", organisation="Möbelwerk Beispiel GmbH, Instandhaltung"
        )
        assert loaded.site.vantage.network == "10.20.0.0/24"
        assert loaded.site.cubes[0].hostname == "cube-4711"

    @pytest.mark.parametrize("path", [*EXAMPLES, *DESK_EXAMPLES], ids=lambda path: path.stem)
    def test_accept_nothing(self, path: Path) -> None:
        """Who copies an example must not accept a failure that nobody has looked at."""
        assert load_site(path).site.waivers == ()

    def test_the_waiver_shown_is_a_right_one(self, load: Load) -> None:
        """It is a comment, and loads once somebody takes the signs of comment away."""
        path = next(path for path in EXAMPLES if path.stem == "werk-ulm")
        before, shown = path.read_text("utf-8").split("# [[waiver]]\n")
        table = "[[waiver]]\n" + "".join(
            line.removeprefix("# ") for line in shown.splitlines(keepends=True)
        )

        (waiver,) = load(before + table).site.waivers

        assert waiver.expires == dt.date(2027, 6, 30)


class TestDefaults:
    """Everything but the CUBE's address has a default."""

    def test_of_a_file_with_one_address(self, load: Load) -> None:
        """The shortest file means what the documentation says."""
        loaded = load(CUBE)

        assert loaded.site == Site(cubes=(Cube(address="10.20.0.50"),))
        assert loaded.site.stage == "acceptance"
        assert loaded.site.language == "de"
        assert loaded.site.cloud.hosts == ("disco.tapio.one", "connect.homag.cloud")
        assert loaded.site.cloud.ping_target == "disco.tapio.one"
        assert loaded.site.ntp.tolerance_s == 10
        assert loaded.site.cubes[0].ssh == "disabled"
        assert loaded.site.people.operator is None
        assert loaded.ca_pem == ""

    def test_readiness_needs_no_cube(self, load: Load) -> None:
        """Before a CUBE is there, a file without any is complete."""
        assert load('stage = "readiness"').site.cubes == ()

    def test_empty_text_is_as_good_as_none(self, load: Load) -> None:
        """A form that is filled in half leaves empty texts behind."""
        content = CUBE + 'name = ""\nversion = ""\nmac = ""\n[cloud]\nping = ""\nca_file = ""\n'

        assert load(content).site == load(CUBE).site


class TestCube:
    """What a CUBE makes of what was written."""

    def test_is_named_by_its_address(self) -> None:
        """A certificate needs something to call it."""
        assert Cube(address="10.0.0.1").name == "10.0.0.1"
        assert Cube(address="10.0.0.1", name="saw").name == "saw"

    def test_spells_its_hardware_address_in_one_way(self) -> None:
        """Windows and type plates write hyphens and capitals."""
        assert Cube(address="10.0.0.1", mac="AA-BB-CC-DD-EE-0F").mac == "aa:bb:cc:dd:ee:0f"


class TestCloud:
    """The names that are tested."""

    def test_hosts_are_listed_once(self) -> None:
        """One host of both services is one case, however it is spelled."""
        cloud = Cloud(tapio=("b.example", "A.example"), homag=("a.example", "c.example"))

        assert cloud.hosts == ("b.example", "A.example", "c.example")

    def test_ping_target(self) -> None:
        """The first tapio host, unless the file says otherwise."""
        assert Cloud(tapio=("b.example", "a.example")).ping_target == "b.example"
        assert Cloud(ping="p.example").ping_target == "p.example"


class TestParseVersion:
    """Versions compare by number."""

    @pytest.mark.parametrize(
        ("text", "numbers"),
        [
            ("0.129.7", (0, 129, 7)),
            ("v0.129.10", (0, 129, 10)),
            ("V 0.131.0", (0, 131)),
            ("Version 0.131.2", (0, 131, 2)),
            (" 0.130 ", (0, 130)),
            ("0.0", ()),
            ("1.0.0-rc1", (1,)),
            ("0.131.2+build.7", (0, 131, 2)),
            ("0.131.2 (stable)", (0, 131, 2)),
        ],
    )
    def test_reads(self, text: str, numbers: tuple[int, ...]) -> None:
        """Release notes, pages and people spell the same version differently."""
        assert parse_version(text) == numbers

    @pytest.mark.parametrize(
        "text", ["", "131", "latest", "0.131.x", "0.131rc", "0..1", ".1", "0.1.", "1" * 10 + ".1"]
    )
    def test_refuses(self, text: str) -> None:
        """A guess about a version decides which port is tested."""
        assert parse_version(text) is None

    @given(st.text(max_size=40))
    def test_never_raises(self, text: str) -> None:
        """It also reads what a CUBE's page shows."""
        assert parse_version(text) is None or isinstance(parse_version(text), tuple)


class TestDiagPorts:
    """DIAG-01's port follows the version."""

    @pytest.mark.parametrize(
        ("version", "ports"),
        [
            ("0.99.12", (45001,)),
            ("0.129", (45001,)),
            ("0.129.7", (45001,)),
            ("0.129.7.0", (45001,)),
            ("0.129.7.1", (80,)),
            ("0.129.8", (80,)),
            ("v0.129.10", (80,)),
            ("0.130", (80,)),
            ("1.0.0-rc1", (80,)),
            ("", (45001, 80)),
        ],
    )
    def test_by_number(self, version: str, ports: tuple[int, ...]) -> None:
        """0.129.7 is the last old one, and 0.129.10 is later than it."""
        assert diag_ports(version) == ports


class TestFile:
    """Everything that can be wrong with the file itself."""

    def test_missing(self, tmp_path: Path) -> None:
        """The commonest mistake is a path from another folder."""
        with pytest.raises(SiteError, match=r"gone\.toml: there is no such file\. A relative"):
            load_site(tmp_path / "gone.toml")

    def test_folder(self, tmp_path: Path) -> None:
        """A folder instead of a file in it."""
        with pytest.raises(SiteError, match="is a folder, not a file"):
            load_site(tmp_path)

    def test_device(self) -> None:
        """A device might never end."""
        with pytest.raises(SiteError, match="is a device, not a file"):
            load_site(Path(os.devnull))

    def test_file_as_folder(self, tmp_path: Path) -> None:
        """The system's own words are passed on."""
        (tmp_path / "file").touch()

        with pytest.raises(SiteError, match="cannot be read: Not a directory"):
            load_site(tmp_path / "file" / "site.toml")

    def test_impossible_name(self) -> None:
        """A name that no system accepts is no reason for a traceback."""
        with pytest.raises(SiteError, match="cannot be read: "):
            load_site(Path("a\0b"))

    def test_unreadable(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Root may read everything, so the refusal is played."""

        def refuse(*_args: object) -> None:
            raise PermissionError(13, "Permission denied")

        path = tmp_path / "site.toml"
        path.touch()
        monkeypatch.setattr(Path, "open", refuse)

        with pytest.raises(SiteError, match="cannot be read: Permission denied"):
            load_site(path)

    def test_too_large(self, complaint: Complain) -> None:
        """Some other file was named."""
        assert complaint(b"#" * (loading.FILE_LIMIT + 1)).startswith("is larger than 1048576 bytes")

    def test_as_large_as_can_be(self, load: Load) -> None:
        """The limit itself is allowed."""
        content = CUBE.encode()

        assert load(content + b"#" * (loading.FILE_LIMIT - len(content))).site.cubes

    def test_not_utf8(self, complaint: Complain) -> None:
        """An editor saved it in the code page of the country; the line helps to find where."""
        content = CUBE.encode() + 'name = "Säge"'.encode("cp1252")

        assert complaint(content) == "line 3 is not UTF-8. Save the file as UTF-8."

    def test_utf8_with_signature(self, load: Load) -> None:
        """Windows editors put a signature in front."""
        assert load(b"\xef\xbb\xbf" + CUBE.replace("\n", "\r\n").encode()).site.cubes

    def test_syntax(self, complaint: Complain) -> None:
        """The line is named."""
        assert "is not valid TOML: " in complaint(CUBE + "name = saw")
        assert "(at line 3, column 8)" in complaint(CUBE + "name = saw")

    def test_double_key(self, complaint: Complain) -> None:
        """TOML itself forbids it; the sentence says so."""
        text = complaint(CUBE + 'name = "a"\nname = "b"')

        assert "Cannot overwrite a value" in text
        assert "a key or [table] stands only once" in text

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            ("[[cube]]\naddress = „10.20.0.50“", "line 2 has typographic quotes. Write straight"),
            ("[cloud]\ntapio = [ “disco.tapio.one” ]", "line 2 has typographic quotes"),
            ("site:\n  name: Werk\n", "is written in YAML, not in TOML. Write `name"),
            ("cube:\n- address: 10.20.0.50 # „\n", "is written in YAML"),
            ("---\nx = 1\n", "is written in YAML"),
        ],
    )
    def test_what_is_written_in_its_place(
        self, complaint: Complain, content: str, said: str
    ) -> None:
        """A word processor's quotes, and another language, have a hint of their own."""
        assert said in complaint(content)

    def test_number_without_end(self, complaint: Complain) -> None:
        """Python refuses to read it, with another exception than for syntax."""
        assert "is not valid TOML" in complaint("a = " + "1" * 5000)

    def test_nested_without_end(self, complaint: Complain) -> None:
        """Python's parser recurses."""
        depth = sys.getrecursionlimit() * 2

        assert "is nested too deeply" in complaint("a = " + "[" * depth + "]" * depth)

    @pytest.mark.parametrize("line", ["a" + ".a" * 5000 + " = 1", "[a" + ".a" * 5000 + "]"])
    def test_key_without_end(self, complaint: Complain, line: str) -> None:
        """Python's parser takes minutes for what grows with the square of its length."""
        assert "has a line with more than 100 dots" in complaint(CUBE + line)

    def test_dots_in_a_comment(self, load: Load) -> None:
        """A line that somebody drew is no key."""
        assert load("# " + "." * 200 + "\n" + CUBE).site.cubes


class TestShape:
    """Unknown and missing keys, wrong types, wrong brackets."""

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            (
                CUBE + 'hostnam = "a"',
                "cube[1].hostnam: there is no such key. Did you mean `hostname`?",
            ),
            ("cubes = []", "cubes: there is no such key. Did you mean `cube`?"),
            (
                CUBE + 'stage = "readiness"',
                (
                    "cube[1].stage: there is no such key. "
                    "It belongs at the top of the file, before the first [table]."
                ),
            ),
            (
                'name = "x"',
                "name: there is no such key. It belongs into [site] or into [[cube]].",
            ),
            ("[dns]\nzzz = 1", "dns.zzz: there is no such key. Known here: servers."),
            ('"a\\u001bb" = 1', "'a\\x1bb': there is no such key. Known here: stage,"),
            ("[[cube]]\nname = 'a'", 'cube[1].address: is missing. Write address = "10.20.0.50".'),
            ("[[cube]]\naddress = ''", "cube[1].address: is empty. Write"),
            ("", 'cube: is missing. Write [[cube]] and address = "10.20.0.50", or stage ='),
            (
                "[cube]\naddress = '10.0.0.1'",
                "cube: is a table, not a list. Write [[cube]] in double",
            ),
            ("[[site]]\nname = 'x'", "site: is a list, not a table. Write [site] once, in single"),
            ("site = 'x'", "site: is a text, not a table."),
            ("cube = ['10.0.0.1']", "cube[1]: is a text, not a table."),
            ("[people]\noperator = 'me'", "people.operator: is a text, not a table."),
            (
                "[cloud]\ntapio = 'a.example'",
                "cloud.tapio: is a text, not a list. Write it as a list:",
            ),
            (
                "[cloud]\ntapio = [1]",
                "cloud.tapio[1]: is a whole number, not a text. Put it in double",
            ),
            ("[cloud]\ntapio = ['']", "cloud.tapio[1]: is empty. Fill it in or take it out."),
            (
                "[cloud]\nhomag = []",
                "cloud.homag: is empty. Name at least one or leave the key out.",
            ),
            (
                "[cloud]\nallow_private = 'yes'",
                "cloud.allow_private: is a text, not true or false.",
            ),
            (
                "[cloud]\nallow_private = 1",
                "cloud.allow_private: is a whole number, not true or false.",
            ),
            ("[ntp]\ntolerance_s = '10'", "ntp.tolerance_s: is a text, not a number."),
            ("[ntp]\ntolerance_s = true", "ntp.tolerance_s: is true or false, not a number."),
            (
                CUBE + "version = 0.131",
                "cube[1].version: is a number, not a text. Put it in double",
            ),
            (CUBE + "version = 2026-01-01", "cube[1].version: is a date, not a text."),
            (CUBE + "version = 07:30:00", "cube[1].version: is a time, not a text."),
            (
                "stage = 'accept'",
                "stage: is 'accept', which means nothing here. Write \"acceptance\"",
            ),
            (
                "language = 1",
                'language: is a whole number, which means nothing here. Write "de" or "en".',
            ),
            ("ssh = 'on'", "ssh: there is no such key. It belongs into [[cube]]."),
        ],
    )
    def test_is_explained(self, complaint: Complain, content: str, expected: str) -> None:
        """The sentence names the key and what to write."""
        assert complaint(content).startswith(expected)


class TestValues:
    """What a value may be."""

    @pytest.mark.parametrize(
        ("address", "expected"),
        [
            ("10.20.0", "'10.20.0' is not an IPv4 address. Write an IPv4 address such as"),
            ("10.20.0.256", "'10.20.0.256' is not an IPv4 address. Write an IPv4 address such as"),
            (
                "10.020.0.5",
                "'10.020.0.5' is not an IPv4 address. Write its numbers without leading",
            ),
            ("fe80::1", "'fe80::1' is an IPv6 address. Everything here is tested over IPv4"),
            ("cube-4711", "'cube-4711' is a name. Write an IPv4 address"),
            (
                "10.20.0.50/24",
                (
                    "'10.20.0.50/24' is not an IPv4 address. "
                    'Write an IPv4 address such as "10.20.0.50", without scheme, port'
                ),
            ),
            ("http://10.20.0.50", "'http://10.20.0.50' is not an IPv4 address"),
            (
                "10.20.0.50:80",
                (
                    "'10.20.0.50:80' is not an IPv4 address. "
                    'Write an IPv4 address such as "10.20.0.50", without scheme, port'
                ),
            ),
            (" 10.20.0.50", "' 10.20.0.50' is not an IPv4 address"),
            ("\uff110.20.0.50", "'\uff110.20.0.50' is not an IPv4 address"),
            ("0.0.0.1", "0.0.0.1 is an address of no network, not the address of a host"),
            ("127.0.0.1", "127.0.0.1 is this computer itself"),
            ("224.0.0.251", "224.0.0.251 is a multicast address"),
            ("240.0.0.1", "240.0.0.1 is a reserved address"),
            ("255.255.255.255", "255.255.255.255 is a broadcast address"),
            ("9" * 100, "'" + "9" * 60 + "…' is not an IPv4 address"),
        ],
    )
    def test_address(self, complaint: Complain, address: str, expected: str) -> None:
        """One IPv4 host, the same for CUBEs, DNS and time servers."""
        quoted = json.dumps(address, ensure_ascii=False)

        assert complaint(f"[[cube]]\naddress = {quoted}").startswith(f"cube[1].address: {expected}")
        assert complaint(f"{CUBE}[dns]\nservers = [{quoted}]").startswith(
            f"dns.servers[1]: {expected}"
        )

    @pytest.mark.parametrize("address", ["10.0.0.1", "169.254.1.2", "100.64.0.1", "203.0.113.9"])
    def test_address_anywhere(self, load: Load, address: str) -> None:
        """Plants use every kind of address, a self-assigned one included."""
        assert load(f'[[cube]]\naddress = "{address}"').site.cubes[0].address == address

    @pytest.mark.parametrize(
        ("network", "expected"),
        [
            (
                "10.20.0.5/24",
                "'10.20.0.5/24' is an address within a network. Write \"10.20.0.0/24\".",
            ),
            ("10.20.0.0/024", "'10.20.0.0/024' is not an IPv4 network"),
            ("10.20.0.0/33", "'10.20.0.0/33' is not an IPv4 network"),
            ("10.20.0.0", "'10.20.0.0' is not an IPv4 network"),
            ("10.20.0.0/255.255.255.0", "'10.20.0.0/255.255.255.0' is not an IPv4 network"),
            ("fe80::/64", "'fe80::/64' is not an IPv4 network"),
            ("0.0.0.0/0", "'0.0.0.0/0' is no plant's network"),
            ("10.0.0.0/7", "'10.0.0.0/7' is no plant's network"),
            ("10.20.0.50/32", "'10.20.0.50/32' is no plant's network"),
        ],
    )
    def test_network(self, complaint: Complain, network: str, expected: str) -> None:
        """A network in CIDR notation; with host bits set, the right one is named."""
        text = complaint(f'{CUBE}[vantage]\nnetwork = "{network}"')

        assert text.startswith(f"vantage.network: {expected}")

    @pytest.mark.parametrize(
        ("host", "expected"),
        [
            ("*.tapio.one", "is a pattern, not a name. Write each host name"),
            ("https://disco.tapio.one", "is more than a host name"),
            ("disco.tapio.one:443", "is more than a host name"),
            ("disco.tapio.one/path", "is more than a host name"),
            ("disco.tapio.one.", "ends with a dot. Write the name without it."),
            ("prüf.tapio.one", "is not ASCII. Write the xn-- form of the name."),
            ("10.20.0.1", "is an address, or part of one"),
            ("2001:db8::1", "is more than a host name"),
            ("tapio", "has no domain"),
            ("disco..one", "is not a host name"),
            ("-disco.tapio.one", "is not a host name"),
            ("disco.tapio-.one", "is not a host name"),
            ("dis co.tapio.one", "is not a host name"),
            ("dis_co.tapio.one", "is not a host name"),
            ("a" * 64 + ".one", "is not a host name"),
        ],
    )
    def test_host(self, complaint: Complain, host: str, expected: str) -> None:
        """A full host name: the source page's pattern, a URL or an address is none."""
        for key, value in (("tapio", f'["{host}"]'), ("ping", f'"{host}"')):
            text = complaint(f"{CUBE}[cloud]\n{key} = {value}")

            assert text.startswith(f"cloud.{key}")
            assert f": '{host[: values.SHOWN]}" in text
            assert f"' {expected}" in text

    def test_host_with_capitals(self, load: Load) -> None:
        """DNS knows no case; the name is kept as it was written."""
        loaded = load(f'{CUBE}[cloud]\ntapio = ["Disco.Tapio.One"]')

        assert loaded.site.cloud.ping_target == "Disco.Tapio.One"

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            (
                'hostname = "cube-4711.local"',
                (
                    "hostname: 'cube-4711.local' has more than one label. "
                    'Write only the first one: "cube-4711".'
                ),
            ),
            ('hostname = "cube 4711"', "hostname: 'cube 4711' is not a host name."),
            ('hostname = "-.local"', "hostname: '-.local' is not a host name."),
            ('hostname = "cube_1"', "hostname: 'cube_1' is not a host name."),
            (f'hostname = "{"a" * 64}"', f"hostname: '{'a' * 60}…' is not a host name."),
            ('mac = "aabbccddeeff"', "mac: 'aabbccddeeff' is not a MAC address."),
            ('mac = "aa:bb:cc:dd:ee"', "mac: 'aa:bb:cc:dd:ee' is not a MAC address."),
            ('mac = "aa:bb-cc:dd:ee:ff"', "mac: 'aa:bb-cc:dd:ee:ff' is not a MAC address."),
            ('mac = "aa:bb:cc:dd:ee:fg"', "mac: 'aa:bb:cc:dd:ee:fg' is not a MAC address."),
            *(
                (f'mac = "{mac}"', f"mac: '{mac}' is no device's MAC address. Write the CUBE's")
                for mac in ("00:00:00:00:00:00", "FF-FF-FF-FF-FF-FF", "01:00:5e:00:00:fb")
            ),
            ('version = "latest"', "version: 'latest' is not a version number."),
            (
                'ssh_fingerprint = "SHA256:AAAA"',
                "ssh_fingerprint: 'SHA256:AAAA' is not a SHA-256 fingerprint.",
            ),
            (
                f'ssh_fingerprint = "MD5:{"A" * 43}"',
                f"ssh_fingerprint: 'MD5:{'A' * 43}' is not a SHA-256 fingerprint.",
            ),
            ('name = "Site"', "name: 'Site' is the suite's word for the whole site."),
        ],
    )
    def test_cube(self, complaint: Complain, line: str, expected: str) -> None:
        """What identifies a CUBE is checked before it decides a case."""
        assert complaint(CUBE + line).startswith(f"cube[1].{expected}")

    @pytest.mark.parametrize(
        "line",
        [
            'hostname = "CUBE-4711"',
            'hostname = "4711"',
            f'hostname = "{"a" * 63}"',
            'mac = "AA-BB-CC-DD-EE-FF"',
            f'ssh_fingerprint = "SHA256:{"A" * 43}"',
            'ssh = "enabled"',
            'name = "Säge, Halle 3 [neu]"',
            'page_contains = "IoT CUBE"\nserial = "4711 / 0815"',
        ],
    )
    def test_cube_accepts(self, load: Load, line: str) -> None:
        """Strict is not the same as narrow."""
        assert load(CUBE + line).site.cubes

    @pytest.mark.parametrize(
        ("lines", "expected"),
        [
            ('ssh = "disabled"', "login: has no shell to log in at. Write ssh = "),
            ('ssh = "enabled"', "login: has no pinned host key, so anybody could take the login."),
        ],
    )
    def test_login_at_nobody_known(self, complaint: Complain, lines: str, expected: str) -> None:
        """A login goes to the shell that is meant, or nowhere."""
        login = 'login = { user = "service", key = "keys/cube" }'

        assert complaint(f"{CUBE}{lines}\n{login}").startswith(f"cube[1].{expected}")

    @pytest.mark.parametrize(
        ("login", "expected"),
        [
            ('user = "service"', "login: names neither key nor password."),
            (
                'user = "service", key = "k", password_env = "P"',
                "login: names a key and a password.",
            ),
            ('key = "k"', 'login.user: is missing. Write user = "service".'),
            ('user = "service", password = "geheim"', "login.password: there is no such key."),
            (
                'user = "service", password_env = "gehe1m!"',
                "login.password_env: is not the name of an environment variable.",
            ),
        ],
    )
    def test_login(self, complaint: Complain, login: str, expected: str) -> None:
        """One secret, and none of it in the file or in a complaint about it."""
        text = complaint(f"{CUBE}{ENABLED}login = {{ {login} }}")

        assert text.startswith(f"cube[1].{expected}")
        assert "gehe" not in text

    @pytest.mark.parametrize("secret", ['key = "keys/cube"', 'password_env = "CUBE_PASSWORD"'])
    def test_login_accepts(self, load: Load, secret: str) -> None:
        """By key or by password."""
        loaded = load(f'{CUBE}{ENABLED}login = {{ user = "service", {secret} }}')

        assert loaded.site.cubes[0].login
        assert loaded.site.cubes[0].login.user == "service"

    @pytest.mark.parametrize("seconds", ["0", "-1", "nan", "3601", "inf", "0x" + "f" * 9000])
    def test_tolerance(self, complaint: Complain, seconds: str) -> None:
        """A tolerance without bounds would accept any time."""
        text = complaint(f"{CUBE}[ntp]\ntolerance_s = {seconds}")

        assert text == "ntp.tolerance_s: is out of range. Write a number from 0.001 to 3600."

    def test_what_only_the_library_objects_to(self) -> None:
        """A check of ours that is less strict than the model is no traceback."""
        with pytest.raises(SiteError, match="is not as it has to be"):
            loading._convert(loading._Place("any.toml"), {"ntp": {"tolerance_s": 0.0}})

    @pytest.mark.parametrize("seconds", ["0.001", "10", "3600"])
    def test_tolerance_accepts(self, load: Load, seconds: str) -> None:
        """Whole numbers are numbers, and the limits belong to what is allowed."""
        loaded = load(f"{CUBE}[ntp]\ntolerance_s = {seconds}")

        assert loaded.site.ntp.tolerance_s == float(seconds)


class TestCheckText:
    """A text shows on paper what it says."""

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("x" * 201, "has 201 characters"),
            ("a\nb", "contains a control or invisible character"),
            ("a\x1b[31m", "contains a control or invisible character"),
            ("a\x7f", "contains a control or invisible character"),
            ("a\u2028b", "contains a control or invisible character"),
            ("a\u202eb", "contains a control or invisible character"),
            ("a\u2066b", "contains a control or invisible character"),
            ("  ", "is blank"),
            ("\u200c\u00a0", "is blank"),
        ],
    )
    def test_objects(self, text: str, problem: str) -> None:
        """Long, invisible and turning characters do not belong on a certificate."""
        found = check_text(text)

        assert found.problem == problem

    @pytest.mark.parametrize(
        "text", ["", "x" * 200, "Möbelwerk „Süd“ & Söhne <1>", "می‌خواهم", "工場"]
    )
    def test_accepts(self, text: str) -> None:
        """Names of people and plants in every script."""
        assert check_text(text) is None

    def test_stands_before_everything_else(self, complaint: Complain) -> None:
        """An escape sequence must not reach the terminal, wherever it stands."""
        text = complaint('[[cube]]\naddress = "\\u001b[2J"')

        assert text.startswith("cube[1].address: contains a control or invisible character.")


class TestDoubles:
    """The same thing written twice is a mistake in one of the two places."""

    @pytest.mark.parametrize(
        ("first", "second", "key"),
        [
            ('address = "10.20.0.50"', 'address = "10.20.0.50"', "address"),
            (
                'address = "10.20.0.50"\nname = "Saw 1"',
                'address = "10.20.0.51"\nname = "saw  1"',
                "name",
            ),
            ('address = "10.20.0.50"', 'address = "10.20.0.51"\nname = "10.20.0.50"', "name"),
            (
                'address = "10.20.0.50"\nhostname = "a"',
                'address = "10.20.0.51"\nhostname = "A"',
                "hostname",
            ),
            (
                'address = "10.20.0.50"\nserial = "a"',
                'address = "10.20.0.51"\nserial = "a"',
                "serial",
            ),
            (
                'address = "10.20.0.50"\nmac = "aa:bb:cc:dd:ee:ff"',
                'address = "10.20.0.51"\nmac = "AA-BB-CC-DD-EE-FF"',
                "mac",
            ),
        ],
    )
    def test_cubes(self, complaint: Complain, first: str, second: str, key: str) -> None:
        """Results are filed by name, and a copied table is easily left unchanged."""
        text = complaint(f"[[cube]]\n{first}\n[[cube]]\n{second}")

        assert text.startswith(f"cube[2].{key}: ")
        assert f"stands in cube[1].{key} already" in text

    def test_hosts(self, complaint: Complain) -> None:
        """Two cases of one name would hide one of them."""
        text = complaint(f'{CUBE}[cloud]\nhomag = ["a.example", "b.example", "A.EXAMPLE"]')

        assert "cloud.homag[3]: 'A.EXAMPLE' stands in cloud.homag[1] already" in text

    def test_servers(self, complaint: Complain) -> None:
        """The second one was meant to be another."""
        text = complaint(f'{CUBE}[ntp]\nservers = ["10.0.0.1", "10.0.0.1"]')

        assert text.startswith("ntp.servers[2]: '10.0.0.1' stands in ntp.servers[1] already")

    def test_too_many_servers(self, complaint: Complain) -> None:
        """Every one is asked, so a list has an end."""
        servers = ", ".join(f'"10.0.0.{number}"' for number in range(1, 10))

        text = complaint(f"{CUBE}[dns]\nservers = [{servers}]")

        assert text.startswith("dns.servers: has 9 entries. Name at most 8.")

    @pytest.mark.parametrize("count", [0, 8])
    def test_as_many_servers_as_allowed(self, load: Load, count: int) -> None:
        """None at all is what most files say, and the limit itself is allowed."""
        servers = [f"10.0.0.{number}" for number in range(1, count + 1)]

        assert len(load(f"{CUBE}[dns]\nservers = {servers}").site.dns.servers) == count

    def test_waivers(self, complaint: Complain) -> None:
        """Which of the two would hold?"""
        text = complaint(CUBE + WAIVER + WAIVER)

        assert "waiver[2].requirement: 'NTP-01' stands in waiver[1].requirement already" in text


class TestNetworkOfTheCube:
    """The network is the CUBE's, and proves that the computer stands in it as well."""

    @pytest.mark.parametrize(
        ("network", "expected"),
        [
            ("10.21.0.0/24", "10.20.0.50 is not in 10.21.0.0/24, the network of"),
            ("10.20.0.48/30", ""),
            ("10.0.0.0/8", ""),
            ("10.20.0.50/31", "'10.20.0.50/31' is no plant's network"),
        ],
    )
    def test_contains_it(
        self, load: Load, complaint: Complain, network: str, expected: str
    ) -> None:
        """Any network of a plant that it is in will do."""
        content = f'{CUBE}[vantage]\nnetwork = "{network}"'

        assert expected in complaint(content) if expected else load(content)

    @pytest.mark.parametrize("address", ["10.20.0.0", "10.20.0.255"])
    def test_has_two_addresses_for_nobody(self, complaint: Complain, address: str) -> None:
        """Neither the network's own nor the broadcast address can be a CUBE's."""
        content = f'[[cube]]\naddress = "{address}"\n[vantage]\nnetwork = "10.20.0.0/24"'

        assert complaint(content).startswith(
            f"cube[1].address: {address} is the first or the last address of 10.20.0.0/24"
        )


class TestWaiver:
    """A waiver is a decision of somebody, about something, until a day."""

    def test_loads(self, load: Load) -> None:
        """The verdict finds all four parts."""
        (waiver,) = load(CUBE + WAIVER).site.waivers

        assert waiver.requirement == "NTP-01"
        assert waiver.expires == dt.date(2027, 3, 31)

    def test_may_be_for_one_cause(self, load: Load) -> None:
        """Several of one requirement are told apart by it."""
        other = WAIVER + 'cause = "no-answer"\n'

        assert [one.cause for one in load(CUBE + WAIVER + other).site.waivers] == ["", "no-answer"]

    def test_may_have_expired(self, load: Load) -> None:
        """An old file still loads; the verdict then knows no waiver."""
        assert load(CUBE + WAIVER.replace("2027", "2020")).site.waivers

    @pytest.mark.parametrize(
        ("old", "new", "expected"),
        [
            ("NTP-01", "NTP-1", "requirement: 'NTP-1' is no requirement. Did you mean \"NTP-01\"?"),
            (
                "NTP-01",
                "ntp-01",
                "requirement: 'ntp-01' is no requirement. Did you mean \"NTP-01\"?",
            ),
            ("NTP-01", "zzz", "requirement: 'zzz' is no requirement. Known: CONN-01, DHCP-01, "),
            ("NTP-01", "PING-01", "requirement: PING-01 is optional, and only a required entry"),
            (
                "expires",
                'cube = "line-1"\nexpires',
                "cube: NTP-01 is about the site and not about one CUBE. Take it out",
            ),
            (
                'requirement = "NTP-01"',
                'requirement = "CONN-01"\ncube = "x"',
                "cube: there is no CUBE 'x'. Known: ",
            ),
            (
                "expires",
                'cause = "expired"\nexpires',
                "cause: NTP-01 cannot fail with 'expired'. Known: not-offered, no-answer, ",
            ),
            ('"A. Approver"', '""', 'approver: is empty. Write approver = "..."'),
            ('"New server next month"', '" "', "justification: is blank."),
            ("expires = 2027-03-31", "", "expires: is missing. Write expires = 2027-03-31."),
            (
                "2027-03-31",
                '"2027-03-31"',
                "expires: is a text, not a date. Write it as 2027-03-31",
            ),
            ("2027-03-31", "2027-03-31T00:00:00", "expires: is a date with a time, not a date."),
        ],
    )
    def test_is_refused(self, complaint: Complain, old: str, new: str, expected: str) -> None:
        """Half a waiver is none."""
        text = complaint(CUBE + WAIVER.replace(old, new))

        assert text.startswith(f"waiver[1].{expected}")


class TestCaFile:
    """Trust that the site file asks for."""

    @pytest.fixture
    def pem(self) -> bytes:
        """The certificate of a throw-away authority."""
        return trustme.CA().cert_pem.bytes()

    def write(self, folder: Path, content: bytes) -> Path:
        """Write a CA file and a site file that names it."""
        (folder / "lab-ca.pem").write_bytes(content)
        path = folder / "site.toml"
        path.write_text(f'{CUBE}[cloud]\nca_file = "lab-ca.pem"', encoding="utf-8")
        return path

    def test_is_relative_to_the_site_file(self, tmp_path: Path, pem: bytes) -> None:
        """The working directory is another one."""
        loaded = load_site(self.write(tmp_path, pem))

        assert loaded.ca_pem.strip() == pem.decode().strip()

    def test_leaves_everything_else_behind(self, tmp_path: Path, pem: bytes) -> None:
        """A private key in the same file must not reach the evidence, nor a comment the parser."""
        key = b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
        content = "# Prüf-CA\r\n".encode("cp1252") + key + pem.replace(b"\n", b"\r\n") + pem

        loaded = load_site(self.write(tmp_path, content))

        assert loaded.ca_pem.count("BEGIN") == loaded.ca_pem.count("BEGIN CERTIFICATE") == 2
        assert "\r" not in loaded.ca_pem
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=loaded.ca_pem)
        assert context.get_ca_certs()

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\x30\x82\x01\x00",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            b"-----BEGIN CERTIFICATE-----\n\xff\n-----END CERTIFICATE-----\n",
        ],
        ids=["empty", "der", "no-certificate-inside", "no-base64"],
    )
    def test_without_a_certificate(self, tmp_path: Path, content: bytes) -> None:
        """Trusting nothing would fail every host for the wrong reason."""
        with pytest.raises(SiteError, match=r"cloud\.ca_file: 'lab-ca\.pem' holds no readable"):
            load_site(self.write(tmp_path, content))

    def test_missing(self, tmp_path: Path, pem: bytes) -> None:
        """The sentence says where it was looked for."""
        path = self.write(tmp_path, pem)
        (tmp_path / "lab-ca.pem").unlink()

        with pytest.raises(
            SiteError,
            match=r"cloud\.ca_file: there is no such file\. A relative path starts at the site",
        ):
            load_site(path)


class TestSiteForCube:
    """The site of --cube."""

    def test_has_every_default(self) -> None:
        """One address is enough."""
        loaded = site_for_cube("192.168.10.50")

        assert loaded == LoadedSite(site=Site(cubes=(Cube(address="192.168.10.50"),)))
        assert loaded.name == loaded.sha256 == ""

    @pytest.mark.parametrize("address", ["", "cube-4711", "10.0.0", "127.0.0.1", "a\x1bb", "::1"])
    def test_names_the_option(self, address: str) -> None:
        """There is no file to name."""
        with pytest.raises(SiteError) as caught:
            site_for_cube(address)

        assert str(caught.value).startswith("--cube: ")
        assert "\x1b" not in str(caught.value)


class TestSiteError:
    """The error that a user reads."""

    def test_keeps_its_parts(self) -> None:
        """Who shows it differently finds the parts."""
        error = SiteError(file="f", key="k", problem="p", hint="h")

        assert (error.file, error.key, error.problem, error.hint) == ("f", "k", "p", "h")
        assert str(error) == "f: k: p. h."


class TestSchema:
    """The schema that editors use."""

    def test_is_a_schema(self) -> None:
        """Editors reject what is none."""
        jsonschema.Draft202012Validator.check_schema(schemas.document())

    def test_forbids_unknown_keys_everywhere(self) -> None:
        """As the loader does."""
        schema = schemas.document()
        tables = [schema, *schema["$defs"].values()]

        assert all(table["additionalProperties"] is False for table in tables)

    def test_describes_every_key(self) -> None:
        """What an editor shows beside a key."""
        schema = schemas.document()
        for table in [schema, *schema["$defs"].values()]:
            for key, entry in table["properties"].items():
                described = entry if "description" in entry else self.resolve(schema, entry)

                assert described["description"].endswith("."), key

    def resolve(self, schema: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
        """Follow a reference."""
        table: dict[str, Any] = schema["$defs"][entry["$ref"].rpartition("/")[2]]
        return table

    @pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
    def test_accepts_the_examples(self, path: Path) -> None:
        """Editors must not paint a good file red."""
        document = tomllib.loads(path.read_text(encoding="utf-8"))

        jsonschema.validate(json.loads(json.dumps(document, default=str)), schemas.document())

    @pytest.mark.parametrize(
        "document",
        [
            {},
            {"cube": []},
            {"cube": [{}]},
            {"cube": [{"address": "cube"}]},
            {"cube": [{"address": "10.0.0.1", "hostname": "a.local"}]},
            {"cube": [{"address": "10.0.0.1", "ssh": "on"}]},
            {"stage": "readiness", "cloud": {"tapio": ["*.tapio.one"]}},
            {"stage": "readiness", "cloud": {"tapio": []}},
            {"stage": "readiness", "ntp": {"tolerance_s": 0}},
            {"stage": "readiness", "people": {"operator": None}},
            {"stage": "readiness", "waiver": [{"requirement": "NTP-01"}]},
            {"stage": "readiness", "cubes": []},
        ],
    )
    def test_refuses_what_the_loader_refuses(self, document: dict[str, Any]) -> None:
        """An editor finds the plain mistakes before the first run."""
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(document, schemas.document())


KEYS = st.sampled_from(
    sorted(
        {
            field.encode_name
            for table in loading._TABLES.values()
            for field in msgspec.structs.fields(table)
        }
    )
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=300)
    | st.dates()
    | st.datetimes()
    | st.times()
    | st.sampled_from(["10.20.0.50", "disco.tapio.one", "cube-4711", "enabled", "NTP-01", "0.1"])
)
VALUES = st.recursive(
    LEAVES.filter(lambda value: value is not None),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(KEYS | st.text(max_size=20), VALUES, max_size=5)


class TestAnything:
    """Whatever the file holds, it is a site or a sentence, never a traceback."""

    def load(self, folder: Path, content: bytes) -> None:
        """Load it and check that one of the two came out."""
        path = folder / "any.toml"
        path.write_bytes(content)
        try:
            loaded = load_site(path)
        except SiteError as error:
            sentence = str(error).removeprefix(str(path))
            assert sentence.startswith(": ")
            assert sentence.isprintable()
        else:
            assert msgspec.json.decode(msgspec.json.encode(loaded), type=LoadedSite) == loaded

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
    def test_bytes(self, tmp_path: Path, content: bytes) -> None:
        """Not TOML, mostly."""
        self.load(tmp_path, content)

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.lists(
            st.sampled_from(
                [
                    '[[cube]]\naddress = "10.20.0.50"', "[site]", "[cloud]", "[ntp]", "[[waiver]]",
                    "[people.operator]", 'name = "x"', 'stage = "readiness"', "tolerance_s = nan",
                    'servers = ["10.0.0.1"]', "expires = 2027-01-01", "cube = 1", "a.b.c = {}",
                    'requirement = "NTP-01"', 'justification = ""', "ping = [[]]",
                ]
            ),
            max_size=8,
        )
    )  # fmt: skip
    def test_lines_in_any_order(self, tmp_path: Path, lines: list[str]) -> None:
        """Valid TOML that makes no sense."""
        self.load(tmp_path, "\n".join(lines).encode())

    @settings(suppress_health_check=[HealthCheck.too_slow])
    @given(DOCUMENTS)
    def test_documents(self, document: dict[str, Any]) -> None:
        """Every type of TOML in every place of the model."""
        with contextlib.suppress(SiteError):
            place = loading._Place("any.toml")
            loading._check_value(place, document, msgspec.inspect.type_info(Site))
            site = loading._convert(place, document)
            loading._check_cubes(place, site)
            loading._check_waivers(place, site)
