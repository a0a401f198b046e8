"""connection.py: one way to the API server, for the client and for Kopf; a renewed token is picked up."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import Configuration

from reaper_operator.connection import TOKEN_LIFE, NoCluster, as_kopf, load, own_namespace

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def kubeconfig(cluster: dict[str, Any], user: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user or {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }


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


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"[]", "is no kubeconfig: "),
        (b"a: b: c", "is no kubeconfig: mapping values are not allowed here"),
        (b"clusters: 5\ncontexts: 6\ncurrent-context: a\n", "is no kubeconfig: "),
        (b"\xff\xfe", "is no kubeconfig: 'utf-8' codec can't decode"),
        (b"", "file is empty"),
        (json.dumps(kubeconfig({})).encode(), "is no URL: ''"),
        (json.dumps(kubeconfig({"server": "ftp://api"})).encode(), "is no URL: 'ftp://api'"),
    ],
)
def test_a_file_that_is_no_kubeconfig_is_one_sentence(tmp_path: Path, text: bytes, why: str) -> None:
    path = tmp_path / "config"
    path.write_bytes(text)
    with pytest.raises(NoCluster) as caught:
        load(str(path), connections=1)
    sentence = str(caught.value)
    assert sentence.startswith("no way to the Kubernetes API: ")
    assert why in sentence
    assert str(path) in sentence
    assert "\n" not in sentence


def test_a_service_account_without_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    with pytest.raises(NoCluster, match="Service token file does not exist"):
        load(None, connections=1)


def test_the_namespace_of_this_pod(tmp_path: Path) -> None:
    (tmp_path / "namespace").write_text("reaper-system")
    assert own_namespace(tmp_path) == "reaper-system"


def test_outside_a_pod_there_is_no_namespace(tmp_path: Path) -> None:
    with pytest.raises(NoCluster, match=r"^no namespace for the Lease: .* Set --lease-namespace, or run inside"):
        own_namespace(tmp_path)


def test_a_certificate_that_is_not_checked_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cluster = {"server": "https://api:6443", "insecure-skip-tls-verify": True}
    (tmp_path / "kubeconfig").write_text(json.dumps(kubeconfig(cluster)))
    load(str(tmp_path / "kubeconfig"), connections=1)
    (record,) = caplog.records
    assert record.getMessage() == "the certificate of https://api:6443 is not checked: insecure-skip-tls-verify"


def test_a_token_that_was_refused_is_read_again_if_it_can_be(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = kubeconfig({"server": "http://api"}, {"tokenFile": str(tmp_path / "token")})
    (tmp_path / "config").write_text(json.dumps(content))
    (tmp_path / "token").write_text("first")
    access = load(str(tmp_path / "config"), connections=1)
    (tmp_path / "token").write_text("second")
    assert as_kopf(access, NOW).token == "first"  # noqa: S105 - nobody's
    access.renew()
    assert as_kopf(access, NOW).token == "second"  # noqa: S105
    (tmp_path / "token").unlink()
    access.renew()
    assert as_kopf(access, NOW).token == "second"  # noqa: S105
    (tmp_path / "config").write_text(json.dumps(content)[:100])
    access.renew()
    assert as_kopf(access, NOW).token == "second"  # noqa: S105
    (tmp_path / "config").write_text(json.dumps(content)[:100])
    access.renew()  # as after each request
    assert [message.partition(":")[0] for message in caplog.messages] == ["the token cannot be read again"] * 2
