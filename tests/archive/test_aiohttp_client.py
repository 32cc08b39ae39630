"""aiohttp as it is imported."""

from __future__ import annotations

import ssl

from winter_sync.archive.aiohttp_client import _certificates_read_late


def test_contexts_made_while_aiohttp_is_imported_read_certificates_when_they_connect() -> None:
    """Whoever uses aiohttp in the same process verifies servers as ever; nobody else waits."""
    usual = ssl.create_default_context()
    with _certificates_read_late():
        verified = ssl.create_default_context()
        other = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        other.set_default_verify_paths()
    assert isinstance(verified, ssl.SSLContext)
    assert verified.verify_mode is ssl.CERT_REQUIRED
    for late in (verified, other):
        assert type(late) is not ssl.SSLContext
        late.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="example.org")
        assert type(late) is ssl.SSLContext
        assert late.cert_store_stats() == usual.cert_store_stats()
    assert type(ssl.create_default_context()) is ssl.SSLContext
