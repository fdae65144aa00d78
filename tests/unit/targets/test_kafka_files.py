"""What an environment shows its Kafka: from variables or a cluster's Secrets into files."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from bookpayctl.clients.kafka_servers import KafkaProof, KafkaServers, without_tls
from bookpayctl.targets import credentials, kafka_files, settings
from bookpayctl.targets.kube import kafka_user
from bookpayctl.targets.kube.kafka_user import NoKafkaUserError
from bookpayctl.targets.local.options import read_options
from bookpayctl.targets.settings import SettingsError

PASSWORD = "correct horse"


def variables(folder: Path) -> dict[str, str]:
    (folder / "password").write_text(f"{PASSWORD}\n")
    (folder / "ca.crt").write_text("an authority\n")
    return {
        "KAFKA_USERNAME": "auditor",
        "KAFKA_PASSWORD_FILE": str(folder / "password"),
        "KAFKA_CA_FILE": str(folder / "ca.crt"),
    }


def test_what_the_variables_say_lies_beside_the_environment_and_is_shown(tmp_path: Path) -> None:
    proof = credentials.brought_for_kafka(variables(tmp_path))
    secrets_dir = tmp_path / "secrets"

    credentials.keep_for_kafka(secrets_dir, credentials.files_for_kafka(proof))

    kept = kafka_files.proof_in(secrets_dir)
    assert (kept.username, kept.password) == ("auditor", PASSWORD)
    assert kept.security["security.protocol"] == "SASL_SSL"
    assert kept.security["ssl.ca.location"] == str(secrets_dir / "kafka-ca.crt")
    assert kafka_files.variables_of(secrets_dir) == {
        "KAFKA_USERNAME": "auditor",
        "KAFKA_PASSWORD_FILE": str(secrets_dir / "kafka-password"),
        "KAFKA_CA_FILE": str(secrets_dir / "kafka-ca.crt"),
    }
    assert (secrets_dir / "kafka-password").stat().st_mode & 0o777 == 0o600


def test_what_is_not_shown_any_more_is_forgotten(tmp_path: Path) -> None:
    proof = credentials.brought_for_kafka(variables(tmp_path))
    credentials.keep_for_kafka(tmp_path / "secrets", credentials.files_for_kafka(proof))

    credentials.keep_for_kafka(tmp_path / "secrets", credentials.files_for_kafka(KafkaProof()))

    assert list((tmp_path / "secrets").iterdir()) == []
    assert kafka_files.proof_in(tmp_path / "secrets").security == {}


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"KAFKA_PASSWORD_FILE": ""}, "KAFKA_USERNAME needs KAFKA_PASSWORD"),
        ({"KAFKA_PASSWORD_FILE": "/nowhere"}, "KAFKA_PASSWORD_FILE cannot be read"),
        ({"KAFKA_CA_FILE": "/nowhere"}, "KAFKA_CA_FILE names no file"),
        ({"KAFKA_KEY_FILE": __file__}, "KAFKA_CERTIFICATE_FILE and KAFKA_KEY_FILE"),
    ],
)
def test_half_a_proof_is_refused_with_the_variable(
    tmp_path: Path, changed: dict[str, str], named: str
) -> None:
    with pytest.raises(SettingsError, match=named):
        credentials.brought_for_kafka({**variables(tmp_path), **changed})


def test_no_representation_holds_the_password() -> None:
    proof = KafkaProof(username="auditor", password=PASSWORD)

    assert PASSWORD not in repr(proof)
    assert PASSWORD not in repr(KafkaServers("h:1", proof.security))


def test_a_check_that_is_turned_off_is_named() -> None:
    security = {"security.protocol": "SSL", "ssl.endpoint.identification.algorithm": "none"}

    assert KafkaServers("h:1", security).unchecked == "ssl.endpoint.identification.algorithm=none"
    assert KafkaServers("h:1", KafkaProof(ca_file="/ca").security).unchecked == ""


def test_without_tls_the_name_is_still_shown_and_a_certificate_is_not() -> None:
    named = KafkaProof(username="auditor", password=PASSWORD, ca_file="/ca").security

    assert without_tls(named)["security.protocol"] == "SASL_PLAINTEXT"
    assert not any(name.startswith("ssl.") for name in without_tls(named))
    assert without_tls(KafkaProof(ca_file="/ca").security) == {}


def secret(**values: str) -> dict[str, Any]:
    data = {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}
    labels = {"strimzi.io/cluster": "shop"}
    return {"metadata": {"name": "bookpayctl", "labels": labels}, "data": data}


AUTHORITY = secret(**{"ca.crt": "an authority"})


def test_a_user_of_strimzi_has_a_password_or_a_certificate() -> None:
    named = kafka_user.files_of(secret(password=PASSWORD), AUTHORITY, "kafka")
    certified = secret(**{"user.crt": "one", "user.key": "two", "user.password": "a keystore's"})

    assert named == {
        kafka_files.USERNAME: "bookpayctl",
        kafka_files.PASSWORD: PASSWORD,
        kafka_files.CA: "an authority",
    }
    assert kafka_user.files_of(certified, AUTHORITY, "kafka") == {
        kafka_files.CERTIFICATE: "one",
        kafka_files.KEY: "two",
        kafka_files.CA: "an authority",
    }


def test_a_stack_without_our_user_is_refused_with_what_to_make() -> None:
    with pytest.raises(NoKafkaUserError, match="make the KafkaUser bookpayctl"):
        kafka_user.files_of(None, None, "kafka")
    with pytest.raises(NoKafkaUserError, match="no Secret shop-cluster-ca-cert with a"):
        kafka_user.files_of(secret(password=PASSWORD), None, "kafka")


def deployment(*variables: dict[str, str]) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [{"env": list(variables)}]}}}}


def test_a_stack_asks_for_names_when_a_service_shows_one() -> None:
    assert kafka_user.asks_for_names(deployment({"name": "KAFKA_USERNAME", "value": "notifier"}))
    assert kafka_user.asks_for_names(deployment({"name": "KAFKA_CA_FILE", "value": "/ca"}))
    assert not kafka_user.asks_for_names(deployment({"name": "KAFKA_USERNAME", "value": ""}))
    assert not kafka_user.asks_for_names(deployment())


def test_up_shows_an_existing_kafka_a_name_and_its_own_nothing(tmp_path: Path) -> None:
    environ = variables(tmp_path)
    existing = settings.resolve({"bootstrap_servers": "h:9093"}, {}, tmp_path)
    own = settings.resolve({}, {}, tmp_path)

    given = read_options(existing, environ)

    assert given.kafka is not None
    assert given.kafka.user == "auditor"
    assert read_options(own, environ).kafka_proof == KafkaProof()


def test_up_refuses_a_certificate_because_the_services_show_none(tmp_path: Path) -> None:
    values = settings.resolve({"bootstrap_servers": "h:9093"}, {}, tmp_path)
    environ = {"KAFKA_CERTIFICATE_FILE": __file__, "KAFKA_KEY_FILE": __file__}

    with pytest.raises(SettingsError, match="give KAFKA_USERNAME and KAFKA_PASSWORD_FILE"):
        read_options(values, environ)
