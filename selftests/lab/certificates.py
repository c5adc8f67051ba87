"""Throw-away certificates for the cloud: a good one and the bad ones that the field knows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from pathlib import Path

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Authorities:
    """The CA that the site file trusts, and one that only a company's computers trust."""

    lab: trustme.CA
    inspection: trustme.CA

    @classmethod
    def make(cls) -> Authorities:
        """Make both anew."""
        return cls(
            trustme.CA(organization_name="Lab CA"),
            trustme.CA(organization_name="Inspecting Firewall"),
        )

    def write(self, folder: Path) -> None:
        """Write both roots as PEM files."""
        self.lab.cert_pem.write_to_path(folder / "lab-ca.pem")
        self.inspection.cert_pem.write_to_path(folder / "inspection-ca.pem")

    def issue(self, kind: str, host: str, folder: Path) -> tuple[Path, Path]:
        """Write a certificate chain and its key for a host; give both paths.

        Kinds: ``good``, ``short`` (a week left), ``expired``, ``not-yet-valid``,
        ``wrong-name``, ``wildcard``, ``other-ca`` (an inspecting firewall's),
        ``self-signed``, ``intermediate`` and ``no-intermediate`` (it is not sent).
        """
        now = datetime.now(UTC)
        parent = host.partition(".")[2]
        match kind:
            case "good":
                leaf = self.lab.issue_cert(host)
            case "short":
                leaf = self.lab.issue_cert(host, not_after=now + 7 * DAY)
            case "expired":
                leaf = self.lab.issue_cert(host, not_before=now - 90 * DAY, not_after=now - DAY)
            case "not-yet-valid":
                leaf = self.lab.issue_cert(host, not_before=now + DAY, not_after=now + 90 * DAY)
            case "wrong-name":
                leaf = self.lab.issue_cert("portal.example.com")
            case "wildcard":
                leaf = self.lab.issue_cert(f"*.{parent}")
            case "other-ca":
                leaf = self.inspection.issue_cert(host)
            case "self-signed":
                leaf = trustme.CA(organization_name="Itself").issue_cert(host)
            case "intermediate" | "no-intermediate":
                leaf = self.lab.create_child_ca().issue_cert(host)
            case _:
                raise ValueError(f"no such certificate: {kind}")
        chain = leaf.cert_chain_pems[:1] if kind == "no-intermediate" else leaf.cert_chain_pems
        certificate = folder / f"{host}.pem"
        key = folder / f"{host}.key"
        certificate.write_bytes(b"".join(pem.bytes() for pem in chain))
        leaf.private_key_pem.write_to_path(key)
        return certificate, key
