"""Where a Kafka is and how a client proves itself there: one value for every client of this tool.

Pure. What comes in are paths and a password that somebody else read; no message, record or
representation of it holds the password.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

CHECKED: Final = {
    "ssl.endpoint.identification.algorithm": "https",
    "enable.ssl.certificate.verification": "true",
}
"""The certificate must be of a known authority, and for the name that was dialled."""

UNDERSTOOD: Final = frozenset(
    {
        *("security.protocol", "sasl.mechanism", "sasl.mechanisms", *CHECKED),
        *("sasl.username", "sasl.password", "ssl.ca.location"),
        *("ssl.certificate.location", "ssl.key.location", "ssl.key.password"),
    }
)
"""What `tls_context` can do like librdkafka; with another property it may see another thing."""

_MECHANISM: Final = "SCRAM-SHA-512"


def _no_word() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class KafkaServers:
    """One Kafka.

    Attributes:
        security: librdkafka's properties for TLS, user and password; empty for plain text.
        known_as: what messages call it, where it is dialled by another address.
        heard_on_the_way: what whoever stands between us and the brokers could not do, last; empty
            where nobody stands there or nothing went wrong.
    """

    bootstrap_servers: str
    security: Mapping[str, str] = field(default_factory=dict, repr=False)
    known_as: str = ""
    heard_on_the_way: Callable[[], str] = field(default=_no_word, repr=False, compare=False)

    @property
    def name(self) -> str:
        """For a person."""
        return f"the Kafka at {self.known_as or self.bootstrap_servers}"

    @property
    def user(self) -> str:
        """The name that a password goes with; empty where none is given."""
        return self.security.get("sasl.username", "")

    @property
    def is_tls(self) -> bool:
        return self.security.get("security.protocol", "").upper().endswith("SSL")

    @property
    def unchecked(self) -> str:
        """The property by which the certificate, or its name, is not looked at; empty if it is."""
        for name, checked in CHECKED.items():
            if self.is_tls and self.security.get(name, checked).lower() != checked:
                return f"{name}={self.security[name]}"
        return ""


@dataclass(frozen=True, slots=True)
class KafkaProof:
    """What a client shows a broker; all of it empty for plain text. Files are paths.

    Attributes:
        ca_file: the authorities that the broker's certificate is trusted by; empty: the system's.
        certificate_file, key_file: a certificate of our own, as Strimzi's `tls` users have one.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""

    @property
    def problem(self) -> str:
        """Why no broker would take it; empty where one may."""
        if bool(self.username) != bool(self.password):
            return "a user and a password need each other"
        if bool(self.certificate_file) != bool(self.key_file):
            return "a certificate and its key need each other"
        return ""

    @property
    def security(self) -> dict[str, str]:
        """The properties of a client that shows it.

        A name goes over TLS alone: SCRAM hides the password, and not what is said afterwards.
        """
        if self == KafkaProof():
            return {}
        found = {"security.protocol": "SASL_SSL" if self.username else "SSL", **CHECKED}
        if self.username:
            found |= {
                "sasl.mechanism": _MECHANISM,
                "sasl.username": self.username,
                "sasl.password": self.password,
            }
        if self.ca_file:
            found["ssl.ca.location"] = self.ca_file
        if self.certificate_file:
            found |= {
                "ssl.certificate.location": self.certificate_file,
                "ssl.key.location": self.key_file,
            }
        return found


def without_tls(security: Mapping[str, str]) -> dict[str, str]:
    """The same proof, for where somebody on this machine makes the TLS in our place."""
    kept = {name: value for name, value in security.items() if name.startswith("sasl.")}
    return {"security.protocol": "SASL_PLAINTEXT", **kept} if kept else {}


def tls_context(security: Mapping[str, str]) -> ssl.SSLContext:
    """The same TLS for a connection that we make ourselves; as checked as librdkafka's.

    Raises:
        OSError: a file is not there, or holds no certificate (ssl.SSLError).
    """
    context = ssl.create_default_context(cafile=security.get("ssl.ca.location") or None)
    if security.get("ssl.endpoint.identification.algorithm", "https") == "none":
        context.check_hostname = False
    if security.get("enable.ssl.certificate.verification", "true") == "false":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate = security.get("ssl.certificate.location")
    if certificate:
        key, password = security.get("ssl.key.location"), security.get("ssl.key.password", "")
        # Without one OpenSSL would ask at the terminal.
        context.load_cert_chain(certificate, key or None, password=password)
    return context
