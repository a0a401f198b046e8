"""Where the API server is and who we are: one configuration for the client and for Kopf."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import kopf
from kubernetes import config
from kubernetes.client import Configuration

# kubelet renews the token at 80 % of its life of an hour or more, and the old one stays valid until its end.
TOKEN_LIFE = timedelta(minutes=5)


class NoCluster(Exception):
    """There is no way to the API server; the text says what to set."""


def load(kubeconfig: str | None, *, connections: int) -> Configuration:
    """The service account inside a cluster, else a kubeconfig. `connections` may be open at the same time."""
    configuration = Configuration()
    try:
        if kubeconfig is None and "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            config.load_kube_config(kubeconfig, client_configuration=configuration)  # type: ignore[no-untyped-call]
    except (config.ConfigException, OSError) as error:
        raise NoCluster(f"no way to the Kubernetes API: {error}. Set --kubeconfig, or run inside a cluster") from error
    configuration.connection_pool_maxsize = connections
    return configuration


def register_login(registry: kopf.OperatorRegistry, configuration: Configuration) -> None:
    """Give Kopf the same way in. It asks again when TOKEN_LIFE has passed, and so picks up a renewed
    token."""

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        return as_kopf(configuration, datetime.now(UTC))


def as_kopf(configuration: Configuration, now: datetime) -> kopf.ConnectionInfo:
    """`configuration` in Kopf's words. Reads the token anew."""
    header: str = configuration.get_api_key_with_prefix("BearerToken") or ""
    return kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        insecure=not configuration.verify_ssl,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        token=header.split(" ", 1)[-1].strip() or None,
        expiration=now + TOKEN_LIFE,
    )
