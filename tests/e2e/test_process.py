"""What a task's process is: a process of the node, with the user, environment and directory that were asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from manifests import long_sleep, shell, task

if TYPE_CHECKING:
    from kubectl import Kubectl, Node

NAMESPACES = ("pid", "net", "ipc", "uts", "user")


def test_it_is_in_the_namespaces_of_the_node(kubectl: Kubectl, node: Node) -> None:
    links = " ".join(f"/proc/self/ns/{name}" for name in NAMESPACES)
    kubectl.apply(shell("host", f"hostname; readlink {links}", nodeName=node.name))

    kubectl.finished("host")

    of_init = node.sh(f"readlink {links.replace('self', '1')}").split()
    assert len(of_init) == len(NAMESPACES)
    assert kubectl.logs("host").split() == [node.name, *of_init]


def test_it_is_seen_on_the_node(kubectl: Kubectl, node: Node) -> None:
    sleep = long_sleep()
    kubectl.apply(task("sleeper", "/bin/sleep", sleep, nodeName=node.name))
    kubectl.in_phase("reapertask", "sleeper", "Running")

    (pid,) = node.processes(sleep)

    assert node.sh(f"readlink /proc/{pid}/root").strip() == "/"
    assert node.sh(f"readlink /proc/{pid}/exe").strip().endswith("/sleep")


def test_user_and_group(kubectl: Kubectl) -> None:
    kubectl.apply(shell("user", "id -u; id -g; id -G", user={"uid": 1000, "gid": 1000}))

    kubectl.finished("user")

    assert kubectl.logs("user").split() == ["1000", "1000", "1000"]


def test_user_and_group_can_differ(kubectl: Kubectl) -> None:
    kubectl.apply(shell("user", "id -u; id -g", user={"uid": 1234, "gid": 4321}))

    kubectl.finished("user")

    assert kubectl.logs("user").split() == ["1234", "4321"]


def test_root_by_default(kubectl: Kubectl) -> None:
    kubectl.apply(shell("root", "id -u; id -g"))

    kubectl.finished("root")

    assert kubectl.logs("root").split() == ["0", "0"]


def test_environment_arguments_and_directory(kubectl: Kubectl) -> None:
    kubectl.apply(
        task(
            "env",
            *("/bin/sh", "-c", 'echo "$GREETING|$EMPTY|$QUOTED"; pwd; for a; do echo "<$a>"; done', "sh"),
            args=["one", "two words", "", "$(GREETING) again", "$$(GREETING)"],
            env=[
                {"name": "GREETING", "value": "hello"},
                {"name": "EMPTY"},
                {"name": "QUOTED", "value": '"a" \\ $HOME'},
            ],
            workingDir="/usr/share",
        )
    )

    kubectl.finished("env")

    assert kubectl.logs("env").splitlines() == [
        'hello||"a" \\ $HOME',
        "/usr/share",
        *("<one>", "<two words>", "<>", "<hello again>", "<$(GREETING)>"),
    ]


def test_a_bare_name_is_looked_up_on_the_node(kubectl: Kubectl) -> None:
    kubectl.apply(task("bare", "uname", "-s"))

    assert kubectl.finished("bare")["status"]["phase"] == "Succeeded"
    assert kubectl.logs("bare") == "Linux\n"


def test_all_output_arrives(kubectl: Kubectl) -> None:
    kubectl.apply(shell("lines", "seq 1 50000"))

    kubectl.finished("lines")

    assert kubectl.logs("lines").splitlines() == [str(number) for number in range(1, 50001)]


def test_output_of_a_running_process_is_there_at_once(kubectl: Kubectl) -> None:
    kubectl.apply(shell("early", "echo first; exec sleep 600"))

    kubectl.in_phase("reapertask", "early", "Running")

    assert kubectl.logs("early", "--follow", "--limit-bytes=6") == "first\n"


def test_a_stream_can_be_discarded(kubectl: Kubectl) -> None:
    kubectl.apply(shell("quiet", "echo out; echo err >&2", stdout=False))

    kubectl.finished("quiet")

    assert kubectl.logs("quiet") == "err\n"


def test_stdin_is_empty(kubectl: Kubectl) -> None:
    kubectl.apply(shell("stdin", "wc -c"))

    kubectl.finished("stdin", within=30)

    assert kubectl.logs("stdin").strip() == "0"
