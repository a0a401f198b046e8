"""Hypothesis strategies: any spec that a ReaperTask may have, in the words of YAML."""

from typing import Any

from hypothesis import strategies as st

Body = dict[str, Any]

names = st.from_regex(
    r"[a-z0-9]([-a-z0-9]{0,60}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,60}[a-z0-9])?){0,4}", fullmatch=True
).filter(lambda name: len(name) <= 253)
object_names = st.sampled_from(["a", "db.prod", "my-config-7", "x" * 253])
short_names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
env_names = st.from_regex(r"([-_a-zA-Z]|[.][-_a-zA-Z0-9])[-._a-zA-Z0-9]{0,5}", fullmatch=True)
keys = st.from_regex(r"[.]?[-_a-zA-Z0-9][-._a-zA-Z0-9]{0,5}", fullmatch=True)
label_keys = st.sampled_from(["disk", "example.com/zone", "A.b_c", "x" * 253 + "/y"])
label_values = st.sampled_from(["", "a", "A.b_c-d", "v" * 63])
modes = st.integers(0, 0o777)
absolute = st.from_regex(r"(/[a-z.]?[a-z0-9_ -]{1,5}){1,3}/?", fullmatch=True)
relative = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,4}(/[.]?[a-z0-9]{1,3}){0,2}", fullmatch=True)


def record(required: dict[str, st.SearchStrategy[Any]], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Body]:
    """A mapping with these keys, and some of those."""
    return st.fixed_dictionaries(required, optional=fields)


def one_of(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Body]:
    """A mapping with exactly one of these keys."""
    return st.one_of([st.fixed_dictionaries({name: value}) for name, value in fields.items()])


def merged(*parts: st.SearchStrategy[Body]) -> st.SearchStrategy[Body]:
    """What is in all of these mappings."""
    return st.tuples(*parts).map(lambda found: {key: value for part in found for key, value in part.items()})


key_refs = record({"name": object_names, "key": keys}, optional=st.booleans())
object_refs = record({"name": object_names}, optional=st.booleans())
variables = merged(
    record({"name": env_names}),
    st.one_of(
        record({}, value=texts),
        st.fixed_dictionaries({"valueFrom": one_of(secretKeyRef=key_refs, configMapKeyRef=key_refs)}),
    ),
)
env_from = merged(record({}, prefix=env_names), one_of(secretRef=object_refs, configMapRef=object_refs))

items = st.lists(record({"key": keys, "path": relative}, mode=modes), max_size=2, unique_by=lambda item: item["path"])
projected_parts = one_of(
    secret=record({"name": object_names}, optional=st.booleans()),
    configMap=record({"name": object_names}, optional=st.booleans()),
    serviceAccountToken=record(
        {"path": relative},
        audience=st.sampled_from(["vault", "x"]),
        expirationSeconds=st.integers(600, 2**31 - 1),
    ),
)
sources = one_of(
    hostPath=record({"path": absolute}, type=st.sampled_from(["", "Directory", "File", "Socket"])),
    configMap=record({"name": object_names}, items=items, defaultMode=modes, optional=st.booleans()),
    secret=record({"secretName": object_names}, items=items, defaultMode=modes, optional=st.booleans()),
    emptyDir=record({}, medium=st.sampled_from(["", "Memory"]), sizeLimit=st.sampled_from(["64Mi", "1.5G", "100"])),
    projected=record(
        {"sources": st.lists(projected_parts, min_size=1, max_size=1)},
        defaultMode=modes,
    ),
)
volumes = st.lists(
    merged(record({"name": short_names, "mountPath": absolute}, readOnly=st.booleans()), sources),
    max_size=3,
    unique_by=(lambda volume: volume["name"], lambda volume: volume["mountPath"]),
)

requirements = st.one_of(
    record(
        {
            "key": label_keys,
            "operator": st.sampled_from(["In", "NotIn"]),
            "values": st.lists(label_values, min_size=1, max_size=2),
        }
    ),
    record({"key": label_keys, "operator": st.sampled_from(["Exists", "DoesNotExist"])}),
)
comparisons = record(
    {"key": label_keys, "operator": st.sampled_from(["Gt", "Lt"]), "values": st.just(["8"])},
)
labels = st.dictionaries(label_keys, label_values, max_size=2)
terms = record({"matchExpressions": st.lists(st.one_of(requirements, comparisons), min_size=1, max_size=2)})
selectors = record({}, matchLabels=labels, matchExpressions=st.lists(requirements, max_size=2))
pod_terms = record(
    {"topologyKey": label_keys},
    labelSelector=selectors,
    namespaces=st.lists(short_names, max_size=2),
    namespaceSelector=selectors,
)
weights = st.integers(1, 100)
REQUIRED, PREFERRED = (
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
)
pod_affinities = st.fixed_dictionaries(
    {},
    optional={
        REQUIRED: st.lists(pod_terms, max_size=1),
        PREFERRED: st.lists(record({"weight": weights, "podAffinityTerm": pod_terms}), max_size=1),
    },
)
node_affinities = st.fixed_dictionaries(
    {},
    optional={
        REQUIRED: record({"nodeSelectorTerms": st.lists(terms, min_size=1, max_size=2)}),
        PREFERRED: st.lists(record({"weight": weights, "preference": terms}), max_size=1),
    },
)
affinities = record(
    {},
    nodeAffinity=node_affinities,
    podAffinity=pod_affinities,
    podAntiAffinity=pod_affinities,
)
tolerations = st.sampled_from(
    [
        {"operator": "Exists"},
        {"key": "a", "operator": "Equal", "value": "b"},
        {"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5},
    ]
)

specs = st.fixed_dictionaries(
    {"command": st.lists(texts, max_size=2).map(lambda rest: ["/bin/true", *rest])},
    optional={
        "restartPolicy": st.sampled_from(["Never", "OnFailure", "Always"]),
        "args": st.lists(texts, max_size=3),
        "env": st.lists(variables, max_size=3, unique_by=lambda variable: variable["name"]),
        "envFrom": st.lists(env_from, max_size=2),
        "workingDir": texts.map(lambda text: f"/{text}"),
        "user": record(
            {"uid": st.integers(0, 2**31 - 1), "gid": st.integers(0, 2**31 - 1)},
            supplementalGroups=st.lists(st.integers(0, 2**31 - 1), max_size=3, unique=True),
        ),
        "stdin": st.booleans(),
        "stdout": st.booleans(),
        "stderr": st.booleans(),
        "volumes": volumes,
        "overlay": record({"name": short_names}),
        "dnsMode": st.sampled_from(["host", "kubernetes"]),
        "nodeName": object_names,
        "nodeSelector": labels,
        "tolerations": st.lists(tolerations, max_size=2),
        "affinity": affinities,
        "priorityClassName": st.just("system-node-critical"),
        "serviceAccountName": st.just("default"),
        "terminationGracePeriodSeconds": st.integers(0, 600),
        "activeDeadlineSeconds": st.integers(1, 600),
        "backoffLimit": st.integers(0, 1000),
        "ttlSecondsAfterFinished": st.integers(0, 600),
        "suspend": st.booleans(),
    },
)
