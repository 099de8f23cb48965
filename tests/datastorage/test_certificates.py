"""A certificate that is renewed is taken up without a restart, and never half."""

import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from kubernaut_datastorage.http.certificates import CertificateRenewal


def make(folder: Path, name: str) -> None:
    """A certificate of this name, in place of the one before."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days=2", f"-subj=/CN={name}",
         "-addext=subjectAltName=IP:127.0.0.1", f"-keyout={folder / 'tls.key'}", f"-out={folder / 'tls.crt'}"],
        check=True, capture_output=True,
    )  # fmt: skip


def served_name(context: ssl.SSLContext, trusted: Path) -> str:
    """The name that a client is shown."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        connection, _ = listener.accept()
        with context.wrap_socket(connection, server_side=True):
            pass

    server = threading.Thread(target=answer)
    server.start()
    client = ssl.create_default_context(cafile=str(trusted))
    plain = socket.create_connection(listener.getsockname())
    with client.wrap_socket(plain, server_hostname="127.0.0.1") as shown:
        found = shown.getpeercert()
    server.join()
    listener.close()
    assert found is not None
    return str(dict(entry[0] for entry in found["subject"])["commonName"])  # type: ignore[misc]


def test_a_renewed_certificate_is_shown_to_whoever_connects_then(tmp_path: Path) -> None:
    files = tmp_path / "tls.crt", tmp_path / "tls.key"
    make(tmp_path, "first")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    renewal = CertificateRenewal(context, files)

    assert not renewal.reload_if_changed()
    assert served_name(context, files[0]) == "first"
    make(tmp_path, "second")
    assert renewal.reload_if_changed()
    assert served_name(context, files[0]) == "second"
    assert not renewal.reload_if_changed()


@pytest.mark.parametrize("half", ["nothing", "a beginning", "the certificate without its key"])
def test_one_that_is_half_written_is_left_until_it_is_whole(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, half: str
) -> None:
    files = tmp_path / "tls.crt", tmp_path / "tls.key"
    make(tmp_path, "first")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    (tmp_path / "kept").write_bytes(files[0].read_bytes())
    renewal = CertificateRenewal(context, files)
    if half == "the certificate without its key":
        key = files[1].read_bytes()
        make(tmp_path, "second")
        files[1].write_bytes(key)
    else:
        files[0].write_text("-----BEGIN CERTIFICATE-----\n" if half == "a beginning" else "")

    assert not renewal.reload_if_changed()
    assert "the renewed certificate is not used yet" in caplog.text
    assert served_name(context, tmp_path / "kept") == "first"
    make(tmp_path, "second")
    assert renewal.reload_if_changed()
    assert served_name(context, files[0]) == "second"
