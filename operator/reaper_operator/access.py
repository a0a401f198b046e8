"""Where the API server is and what proves who we are, which may be another proof tomorrow."""

import time
from typing import Any

from kubernetes import config
from kubernetes.client import Configuration

from reaper_operator.complaints import Complaints


class Access(Configuration):
    """The official client's configuration, that can be read again from where it came from."""

    def __init__(self, kubeconfig: str | None = None, *, in_cluster: bool = False) -> None:
        """The service account of a Pod, or a kubeconfig: None is the one that kubectl would take. Raises
        ConfigException and OSError."""
        super().__init__()
        self._kubeconfig, self._in_cluster = kubeconfig, in_cluster
        self._complaints = Complaints(time.monotonic)
        self._read(self)

    def renew(self) -> None:
        """Take the token as it is now. By itself the client looks once a minute inside a cluster, and outside never, so
        this is for who was answered with 401. One that cannot be read, as while it is written, changes nothing."""
        fresh = Configuration()
        try:
            self._read(fresh)
        except (config.ConfigException, OSError) as error:
            self._complaints.about(f"the token cannot be read again: {error}")
            return
        self._complaints.over()
        self.api_key: dict[str, Any] = fresh.api_key
        self.refresh_api_key_hook: Any = fresh.refresh_api_key_hook

    def _read(self, into: Configuration) -> None:
        if self._in_cluster:
            config.load_incluster_config(client_configuration=into)  # type: ignore[no-untyped-call]
            return
        where = self._kubeconfig or "$KUBECONFIG"
        try:
            config.load_kube_config(self._kubeconfig, client_configuration=into)  # type: ignore[no-untyped-call]
        except (config.ConfigException, OSError):
            raise
        except Exception as error:  # the client trips in many ways over what is none, or is half written
            what = " ".join(str(error).split())
            raise config.ConfigException(f"{where} is no kubeconfig: {what}") from error
        if not into.host.startswith(("http://", "https://")):
            raise config.ConfigException(f"the server of {where} is no URL: {into.host!r}")
