"""Where the API server is and who we are: one configuration for the client and for Kopf."""

import asyncio
import logging
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import kopf
import urllib3
from kubernetes import config
from kubernetes.client import Configuration

from reaper_operator.access import Access

logger = logging.getLogger(__name__)

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
# kubelet renews the token at 80 % of its life of an hour or more, and the old one stays valid until its end.
TOKEN_LIFE = timedelta(minutes=5)
LOGIN_PAUSE = 1.0  # seconds before Kopf, which does not wait by itself, comes again after a 401


class NoCluster(Exception):
    """There is no way to the API server; the text says what to set."""


def load(kubeconfig: str | None, *, connections: int) -> Access:
    """The service account inside a cluster, else a kubeconfig. `connections` may be open at the same time."""
    in_cluster = kubeconfig is None and "KUBERNETES_SERVICE_HOST" in os.environ
    try:
        configuration = Access(kubeconfig, in_cluster=in_cluster)
    except (config.ConfigException, OSError) as error:
        raise NoCluster(f"no way to the Kubernetes API: {error}. Set --kubeconfig, or run inside a cluster") from error
    configuration.connection_pool_maxsize = connections
    if not configuration.verify_ssl:
        logger.warning("the certificate of %s is not checked: insecure-skip-tls-verify", configuration.host)
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # or it says so for each request
    return configuration


def own_namespace(account: Path = SERVICE_ACCOUNT) -> str:
    """The namespace of the Pod that this is. Raises NoCluster outside a Pod."""
    try:
        return (account / "namespace").read_text().strip()
    except OSError as error:
        raise NoCluster(
            f"no namespace for the Lease: {error}. Set --lease-namespace, or run inside a cluster"
        ) from error


def register_login(registry: kopf.OperatorRegistry, configuration: Access) -> None:
    """Give Kopf the same way in. It asks again when TOKEN_LIFE has passed, and so picks up a renewed token; and at once
    after a 401."""
    due = datetime.min.replace(tzinfo=UTC)

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        nonlocal due
        if datetime.now(UTC) < due:
            await asyncio.sleep(LOGIN_PAUSE)
            await asyncio.to_thread(configuration.renew)
        due = datetime.now(UTC) + TOKEN_LIFE
        return as_kopf(configuration, due - TOKEN_LIFE)


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
