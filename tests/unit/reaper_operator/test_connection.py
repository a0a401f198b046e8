"""connection.py: one way to the API server, for the client and for Kopf; a renewed token is picked up."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from kubernetes.client import Configuration

from reaper_operator.connection import TOKEN_LIFE, NoCluster, as_kopf, load

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def test_kopf_gets_the_token_as_it_is_now() -> None:
    configuration = Configuration(host="https://api:6443")
    tokens = iter(["bearer first\n", "bearer second\n"])

    def renew(renewed: Configuration) -> None:
        renewed.api_key["BearerToken"] = next(tokens)

    vars(configuration)["refresh_api_key_hook"] = renew
    first, second = as_kopf(configuration, NOW), as_kopf(configuration, NOW)
    assert (first.token, second.token) == ("first", "second")
    assert first.expiration == NOW + TOKEN_LIFE
    assert first.server == "https://api:6443"
    assert first.insecure is False


def test_no_token_is_no_token() -> None:
    assert as_kopf(Configuration(host="https://api:6443"), NOW).token is None


def test_a_kubeconfig_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NoCluster, match=r"Set --kubeconfig, or run inside a cluster$"):
        load(str(tmp_path / "absent"), connections=1)


def test_a_service_account_without_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    with pytest.raises(NoCluster, match="Service token file does not exist"):
        load(None, connections=1)
