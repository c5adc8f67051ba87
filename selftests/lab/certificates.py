"""Throw-away certificates for the cloud: a good one and the bad ones that the field knows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

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
        ``self-signed``, ``intermediate``, ``no-intermediate`` (it is not sent),
        ``expired-intermediate``, ``expired-root`` (in ``old-ca.pem``, beside the good one),
        ``issuing-ca`` (only the intermediate is in ``issuing-ca.pem``, beside the good one) and
        ``name-in-subject`` (as before 2000).
        """
        leaf = self._of_another(kind, host, folder) or self._of_the_lab(kind, host)
        chain = leaf.cert_chain_pems[:1] if kind == "no-intermediate" else leaf.cert_chain_pems
        certificate = folder / f"{host}.pem"
        key = folder / f"{host}.key"
        certificate.write_bytes(b"".join(pem.bytes() for pem in chain))
        leaf.private_key_pem.write_to_path(key)
        return certificate, key

    def _of_the_lab(self, kind: str, host: str) -> trustme.LeafCert:
        now = datetime.now(UTC)
        if kind == "name-in-subject":
            return self.lab.issue_cert(common_name=host)
        names = {"wrong-name": "portal.example.com", "wildcard": f"*.{host.partition('.')[2]}"}
        dates = {
            "short": {"not_after": now + 7 * DAY},
            "expired": {"not_before": now - 90 * DAY, "not_after": now - DAY},
            "not-yet-valid": {"not_before": now + DAY, "not_after": now + 90 * DAY},
        }
        if kind not in {"good", *names, *dates}:
            raise ValueError(f"no such certificate: {kind}")
        return self.lab.issue_cert(names.get(kind, host), **dates.get(kind, {}))

    def _of_another(self, kind: str, host: str, folder: Path) -> trustme.LeafCert | None:
        now = datetime.now(UTC)
        match kind:
            case "other-ca":
                issuer = self.inspection
            case "self-signed":
                issuer = trustme.CA(organization_name="Itself")
            case "intermediate" | "no-intermediate":
                issuer = self.lab.create_child_ca()
            case "expired-intermediate":
                issuer = dated(self.lab.create_child_ca(), self.lab, now - 90 * DAY, now - DAY)
                issuer.parent_cert = self.lab  # so that it is sent along
            case "expired-root":
                root = trustme.CA(organization_name="Old Lab CA")
                issuer = dated(root, root, now - 90 * DAY, now - DAY)
                self._write_beside_ours(issuer, folder / "old-ca.pem")
            case "issuing-ca":
                issuer = trustme.CA(organization_name="Plant").create_child_ca()
                self._write_beside_ours(issuer, folder / "issuing-ca.pem")
            case _:
                return None
        return issuer.issue_cert(host)

    def _write_beside_ours(self, other: trustme.CA, path: Path) -> None:
        path.write_bytes(other.cert_pem.bytes() + self.lab.cert_pem.bytes())


def dated(authority: trustme.CA, issuer: trustme.CA, begin: datetime, end: datetime) -> trustme.CA:
    """Sign an authority's certificate anew, with other dates."""
    old = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    key = serialization.load_pem_private_key(issuer.private_key_pem.bytes(), None)
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(old.issuer)
        .public_key(old.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    signed = builder.sign(key, hashes.SHA256())
    pem = signed.public_bytes(serialization.Encoding.PEM)
    return trustme.CA.from_pem(pem, authority.private_key_pem.bytes())
