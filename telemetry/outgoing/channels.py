"""Credentials of gRPC channels from PEM files."""

import grpc

from telemetry.outgoing.tls import TlsFiles, client_context

__all__ = ["channel_credentials"]


def channel_credentials(files: TlsFiles) -> grpc.ChannelCredentials:
    """Read the files. Raises StartError when one can't be used."""
    client_context(files)  # gRPC itself would not say what is wrong with them
    authorities, certificate, key = (
        path.read_bytes() if path else None for path in (files.authorities, files.certificate, files.key)
    )
    return grpc.ssl_channel_credentials(authorities, key, certificate)
