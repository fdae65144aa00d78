"""What an environment shows its Kafka: files beside its other secrets; no file means not needed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bookpayctl.clients.kafka_servers import KafkaProof

USERNAME: Final = "kafka-username"
PASSWORD: Final = "kafka-password"  # noqa: S105 - a file's name
CA: Final = "kafka-ca.crt"
CERTIFICATE: Final = "kafka-user.crt"
KEY: Final = "kafka-user.key"

FILES: Final = (USERNAME, PASSWORD, CA, CERTIFICATE, KEY)


def proof_in(secrets_dir: Path) -> KafkaProof:
    """What the files say; their paths go to the client, which reads them itself.

    Raises:
        OSError: one is there and cannot be read.
    """
    there = {name: str(secrets_dir / name) for name in FILES if (secrets_dir / name).is_file()}
    return KafkaProof(
        username=Path(there[USERNAME]).read_text().strip() if USERNAME in there else "",
        password=Path(there[PASSWORD]).read_text().strip() if PASSWORD in there else "",
        ca_file=there.get(CA, ""),
        certificate_file=there.get(CERTIFICATE, ""),
        key_file=there.get(KEY, ""),
    )


def variables_of(secrets_dir: Path) -> dict[str, str]:
    """The same under the names that services and `up` read; the secrets by their paths."""
    proof = proof_in(secrets_dir)
    named = {
        "KAFKA_USERNAME": proof.username,
        "KAFKA_PASSWORD_FILE": str(secrets_dir / PASSWORD) if proof.password else "",
        "KAFKA_CA_FILE": proof.ca_file,
        "KAFKA_CERTIFICATE_FILE": proof.certificate_file,
        "KAFKA_KEY_FILE": proof.key_file,
    }
    return {name: value for name, value in named.items() if value}
