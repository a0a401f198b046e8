"""Good specs. Unit tests try the models with them, integration tests a real API server. Bad ones: refusals.py."""

from typing import Any

Spec = dict[str, Any]

GOOD: dict[str, Spec] = {
    "least": {"command": ["true"]},
    "the plan's example": {
        "restartPolicy": "Never",
        "command": ["/usr/local/bin/my-binary"],
        "args": ["--flag", "value"],
        "env": [{"name": "VAR1", "value": "value1"}],
        "workingDir": "/var/app",
        "user": {"uid": 1000, "gid": 1000},
        "terminal": False,
        "stdin": False,
        "stdout": True,
        "stderr": True,
    },
    "everything": {
        "restartPolicy": "OnFailure",
        "command": ["/bin/sh", "-c"],
        "args": ["echo $(GREETING)\n", "", "ü"],
        "env": [
            {"name": "GREETING", "value": "hello"},
            {"name": "my.var-1"},
            {"name": ".hidden"},
            {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db.prod", "key": ".password"}}},
            {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "app", "key": "mode", "optional": True}}},
        ],
        "envFrom": [
            {"secretRef": {"name": "db.prod"}},
            {"prefix": "APP_", "configMapRef": {"name": "app", "optional": True}},
        ],
        "workingDir": "/",
        "user": {"uid": 0, "gid": 2147483647, "supplementalGroups": [0, 27]},
        "stdin": True,
        "stdout": False,
        "stderr": False,
        "nodeName": "node-1.example.com",
        "nodeSelector": {"kubernetes.io/arch": "amd64", "disk": ""},
        "tolerations": [
            {"operator": "Exists"},
            {"key": "example.com/gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"},
            {"key": "slow", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60},
        ],
        "terminationGracePeriodSeconds": 0,
        "activeDeadlineSeconds": 3600,
        "backoffLimit": 3,
        "ttlSecondsAfterFinished": 0,
        "suspend": True,
        "priorityClassName": "system-node-critical",
        "serviceAccountName": "builder",
        "overlay": {"name": "build-7"},
        "dnsMode": "kubernetes",
    },
    "volumes": {
        "command": ["true"],
        "volumes": [
            {"name": "logs", "mountPath": "/var/log", "hostPath": {"path": "/var/log", "type": "Directory"}},
            {"name": "root", "mountPath": "/host", "readOnly": True, "hostPath": {"path": "/"}},
            {"name": "config", "mountPath": "/etc/..app", "configMap": {"name": "app", "defaultMode": 256}},
            {
                "name": "key",
                "mountPath": "/etc/key",
                "secret": {"secretName": "tls", "optional": True, "items": [{"key": "k", "path": "a/..k", "mode": 0}]},
            },
            {"name": "disk", "mountPath": "/scratch", "emptyDir": {}},
            {"name": "memory", "mountPath": "/fast", "emptyDir": {"medium": "Memory", "sizeLimit": "1.5Gi"}},
            {
                "name": "all",
                "mountPath": "/all/",
                "projected": {
                    "defaultMode": 511,
                    "sources": [
                        {"secret": {"name": "tls", "items": [{"key": "k", "path": "k"}]}},
                        {"configMap": {"name": "app", "optional": True}},
                        {"serviceAccountToken": {"path": "token", "audience": "vault", "expirationSeconds": 600}},
                    ],
                },
            },
        ],
    },
    "affinity": {
        "command": ["true"],
        "nodeName": "node-1",
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [
                        {"matchExpressions": [{"key": "cores", "operator": "Gt", "values": ["8"]}]},
                        {
                            "matchExpressions": [
                                {"key": "example.com/pool", "operator": "In", "values": ["a", ""]},
                                {"key": "old", "operator": "DoesNotExist"},
                            ]
                        },
                    ]
                },
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 100, "preference": {"matchExpressions": [{"key": "ssd", "operator": "Exists"}]}}
                ],
            },
            "podAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {
                        "weight": 1,
                        "podAffinityTerm": {
                            "topologyKey": "topology.kubernetes.io/zone",
                            "namespaces": ["db"],
                            "labelSelector": {"matchLabels": {"app": "db"}},
                        },
                    }
                ]
            },
            "podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {
                        "topologyKey": "kubernetes.io/hostname",
                        "namespaceSelector": {},
                        "labelSelector": {
                            "matchExpressions": [{"key": "noisy", "operator": "In", "values": ["yes", "very"]}]
                        },
                    }
                ]
            },
        },
    },
    "the longest label keys": {
        "command": ["true"],
        "nodeSelector": {f"{'x' * 253}/{'y' * 63}": "ssd", "a": "b", "A.b_c-d": "e"},
        "tolerations": [{"key": f"{'x' * 253}/{'y' * 63}", "value": "v" * 63}],
    },
    "terminal": {"command": ["bash"], "terminal": True, "stdin": True},
}
