"""Web servers and a proxy by other authors: Apache httpd and squid, as packages in unpacked form.

What they have in common over all conditions stands here; a condition gives what differs, in the
server's own words. Both run as one process, since what they start would outlive a plant's stop.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from selftests.lab.plant import GATEWAY, Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from selftests.lab.condition import Condition
    from selftests.lab.plant import Plant

MODULES = (
    *("mpm_event", "authz_core", "mime", "dir", "alias", "headers", "rewrite", "reqtimeout"),
    *("ssl", "socache_shmcb", "env", "http2", "auth_basic", "authn_core", "authz_user"),
)
"""The modules of Apache's that a condition may use."""

WITHOUT_ROOT = (
    *("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"),
    *("--inh-caps", "+net_bind_service,+dac_override"),
    *("--ambient-caps", "+net_bind_service,+dac_override"),
)
"""Squid refuses to be root; as nobody it still has to reach the plant's folder and port 80."""

AUTHORITY = (
    "openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj '/CN=proxy.plant.example/O=Plant'"
    " -addext basicConstraints=critical,CA:TRUE -addext keyUsage=keyCertSign,digitalSignature"
    " -keyout {folder}/bump.key -out {folder}/bump-ca.pem;"
    " cat {folder}/bump.key {folder}/bump-ca.pem >{folder}/bump.pem"
)
"""What squid signs the certificates with that it makes."""

_LISTENS = re.compile(r"^\s*Listen ([\d.]+:\d+)", re.MULTILINE)
_PORTS = re.compile(r"^\s*https?_port ([\d.]+:\d+)", re.MULTILINE)


def servers(plant: Plant, condition: Condition, unpacked: Path) -> Iterator[Server]:
    """Yield those that a condition has."""
    made = ((condition.further_httpd, httpd), (condition.further_squid, squid))
    for texts, make in made:
        for host, text in texts.items():
            given = text.replace("{folder}", str(plant.folder)).replace("{unpacked}", str(unpacked))
            yield make(plant, host, given, unpacked)


def httpd(plant: Plant, host: str, text: str, unpacked: Path) -> Server:
    """Apache httpd with a condition's own directives behind what it cannot do without."""
    folder = plant.folder / f"httpd-{host}"
    folder.mkdir()
    (folder / "index.html").write_text("<!doctype html><title>IoT CUBE diagnosis</title>")
    modules = unpacked / "usr/lib/apache2/modules"
    common = [
        *(f"LoadModule {name}_module {modules}/mod_{name}.so" for name in MODULES),
        f"ServerRoot {folder}",
        f"DefaultRuntimeDir {folder}",
        f"PidFile {folder}/httpd.pid",
        f"Mutex file:{folder} default",
        f"ErrorLog {folder}/error.log",
        f"DocumentRoot {folder}",
        "ServerName plant.example",
        "TypesConfig /dev/null",
        "AddType text/html .html",
    ]
    configuration = folder / "httpd.conf"
    configuration.write_text("\n".join([*common, text]) + "\n")
    return Server(
        host=host,
        name=f"httpd-{host}",
        command=(*found(unpacked), "apache2", "-X", "-f", str(configuration)),
        sockets=tuple(f"tcp {place}" for place in _LISTENS.findall(text)),
    )


def squid(plant: Plant, host: str, text: str, unpacked: Path) -> Server:
    """Squid, which speaks TLS by OpenSSL, with a condition's own directives."""
    folder = plant.folder / f"squid-{host}"
    folder.mkdir()
    common = [
        "pid_filename none",
        "access_log none",
        f"cache_log {folder}/cache.log",
        f"coredump_dir {folder}",
        "cache deny all",
        "cache_mem 0",
        "pinger_enable off",
        "shutdown_lifetime 0 seconds",
        f"dns_nameservers {GATEWAY}",
        "visible_hostname proxy.plant.example",
        f"icon_directory {unpacked}/usr/share/squid/icons",
        f"mime_table {unpacked}/usr/share/squid/mime.conf",
        f"error_directory {unpacked}/usr/share/squid-langpack/de",
        f"err_page_stylesheet {unpacked}/etc/squid/errorpage.css",
        f"unlinkd_program {unpacked}/usr/lib/squid/unlinkd",
    ]
    configuration = folder / "squid.conf"
    configuration.write_text("\n".join([*common, text]) + "\n")
    program = str(unpacked / "usr/sbin/squid")  # another one may be installed, without OpenSSL
    helper = f"{unpacked}/usr/lib/squid/security_file_certgen"
    serve = shlex.join([*WITHOUT_ROOT, program, "-N", "-f", str(configuration)])
    steps = ["set -e", "mount -t tmpfs -o mode=1777 tmpfs /dev/shm"]  # what it would leave there
    if helper in text:
        steps.append(AUTHORITY.format(folder=plant.folder))
        steps.append(f"{helper} -c -s {folder}/certificates -M 4MB")
    script = "; ".join([*steps, f"chown -R 65534:65534 {folder}", f"exec {serve}"])
    return Server(
        host=host,
        name=f"squid-{host}",
        command=(
            *("unshare", "-m", "--propagation", "private"),
            *(*found(unpacked), "sh", "-c", script),
        ),
        sockets=tuple(f"tcp {place}" for place in _PORTS.findall(text)),
    )


def found(unpacked: Path) -> tuple[str, ...]:
    """Return what lets a program find what was unpacked beside it."""
    libraries = ":".join(str(path) for path in sorted(unpacked.glob("usr/lib/*-linux-*")))
    return (
        "env",
        f"PATH={unpacked}/usr/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
        f"LD_LIBRARY_PATH={libraries}",
    )
