"""A real nginx with TLS in front of a service."""

import contextlib
import datetime
import subprocess
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PUBLIC = "tone.example"
# What people write into `location`: with what headers, and whether the prefix is passed on.
LOCATIONS = {
    "bare": "proxy_pass http://127.0.0.1:{service};",
    "bare, prefix dropped": "proxy_pass http://127.0.0.1:{service}/;",
    "host": "proxy_pass http://127.0.0.1:{service}; proxy_set_header Host $host;",
    "full": (
        "proxy_pass http://127.0.0.1:{service}; proxy_http_version 1.1; proxy_set_header Host $host; "
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; "
        "proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Real-IP $remote_addr;"
    ),
    "full, prefix dropped": (
        "proxy_pass http://127.0.0.1:{service}/; proxy_http_version 1.1; proxy_set_header Host $host; "
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; "
        "proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Real-IP $remote_addr;"
    ),
}
CONFIG = """
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl;
    server_name tone.example;
    ssl_certificate {folder}/cert.pem;
    ssl_certificate_key {folder}/key.pem;
    location /mood/ {{ {location} }}
  }}
}}
"""


@contextlib.contextmanager
def running_nginx(folder: Path, location: str, *, port: int, service: int) -> Iterator[str]:
    """Serve https://127.0.0.1:port/mood/ from a service; yield its address."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_certificate(folder)
    config = folder / "nginx.conf"
    config.write_text(
        CONFIG.format(folder=folder, port=port, location=LOCATIONS[location].format(service=service))
    )
    process = subprocess.Popen(
        ["nginx", "-p", str(folder), "-c", str(config), "-g", "daemon off;"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"https://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _write_certificate(folder: Path) -> None:
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, PUBLIC)]),
    )
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
