"""What is wrong with the way to a broker, by a look of our own.

librdkafka gives the same words for an authority that it does not know and for a name that is not in
the certificate, and none for TLS where plain text was expected.
"""

from __future__ import annotations

import ssl
from typing import Final

from bookpayctl.clients.kafka_hello import NotToldError, hello
from bookpayctl.clients.kafka_servers import UNDERSTOOD, KafkaServers, tls_context

_CA: Final = "the file of its authority (KAFKA_CA_FILE; kafka.ca_file of a mapping)"
_CERTIFICATE: Final = (
    "a certificate that it knows (KAFKA_CERTIFICATE_FILE, KAFKA_KEY_FILE; kafka.certificate_file"
    " and key_file of a mapping)"
)
_MISMATCHES: Final = frozenset({62, 64})
"""X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL."""

_NO_TLS: Final = frozenset(
    # The last is what is said of a broker that hangs up on a greeting of TLS.
    {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNEXPECTED_EOF_WHILE_READING"}
)
_WANTS_OURS: Final = ("CERTIFICATE_REQUIRED", "BAD_CERTIFICATE", "UNKNOWN_CA", "HANDSHAKE_FAILURE")


def seen_of(servers: KafkaServers) -> str | None:
    """What is wrong with the way to the first server, by a look of our own.

    None where nothing is, or where the security is one that only librdkafka understands.
    """
    host, _, port = servers.bootstrap_servers.split(",")[0].strip().rpartition(":")
    if servers.is_tls and not servers.security.keys() <= UNDERSTOOD:
        return None
    try:
        context = tls_context(servers.security) if servers.is_tls else None
        hello(host, int(port), context)
    except ssl.SSLError as error:
        return tls_trouble(error)
    except (OSError, ValueError) as error:
        return f"does not take a connection ({error})"
    except NotToldError as error:
        if servers.is_tls:
            return f"answers TLS and nothing else: is it a broker? ({error})"
        return f"does not answer in plain text, as one that wants TLS: give {_CA}"
    return None


def tls_trouble(error: ssl.SSLError) -> str:
    """Why there is no TLS, as what the broker does and what to do about it."""
    said = error.reason or str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _MISMATCHES:
            return f"shows a certificate for another name: dial one of its ({error.verify_message})"
        why = error.verify_message
        return f"shows a certificate that nobody we know vouches for: give {_CA} ({why})"
    if said in _NO_TLS:
        return f"does not speak TLS at this port: dial one that does, or give no CA file ({said})"
    if any(reason in said for reason in _WANTS_OURS):
        return f"wants to see {_CERTIFICATE} ({said})"
    return f"and we do not agree on TLS ({said})"
