"""Stands in for docker, kubectl and helm where a recipe is run without a cluster.

    python -m tests.cluster kubectl --namespace glueflow apply --filename infra/kubernetes/network-policy.yaml

Nothing is carried out. What a cluster would refuse is refused: a flag or command that is not known here, a file that is
not there, a manifest that does not fit the schemas of Kubernetes, a name that nobody has made yet. What has been made
is kept in the file that CLUSTER names, as {"Secret/glueflow/glueflow-login": ["auth-string"], …}.
"""

import argparse
import base64
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import urlopen

import kubernetes_validate
import yaml

VERSION = "1.37.0"  # of Kubernetes
LOGIN, DATABASE = "auth-string", "connection-string"  # keys that Prefect's charts look for in the secrets
Made = dict[str, list[str]]


class Refused(Exception):
    """A command that the real program or cluster would not take."""


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        raise Refused(message)


def carry_out(made: Made, words: list[str], stdin: str = "") -> None:
    """Check the command and note what it makes; raises Refused."""
    asked = parser().parse_args(words)
    asked.do(made, asked, stdin)


def parser() -> Parser:
    """The commands and flags that are known, each spelt out."""
    whole = Parser()
    programs = whole.add_subparsers(required=True)
    docker = programs.add_parser("docker").add_subparsers(required=True)
    build = command(docker, "build", _build, "context")
    build.add_argument("--file", required=True)
    build.add_argument("--tag", required=True)
    command(docker, "push", _push, "tag")
    kubectl = programs.add_parser("kubectl", allow_abbrev=False)
    kubectl.add_argument("--namespace", default="default")
    verbs = kubectl.add_subparsers(required=True)
    command(verbs, "apply", _apply).add_argument("--filename", required=True)
    create = verbs.add_parser("create").add_subparsers(required=True)
    generic = command(create.add_parser("secret").add_subparsers(required=True), "generic", _secret, "name")
    source = generic.add_mutually_exclusive_group(required=True)
    source.add_argument("--from-file")
    source.add_argument("--from-env-file")
    command(verbs, "port-forward", _forward, "service", "port")
    command(verbs, "get", _get, "kind")
    helm = programs.add_parser("helm").add_subparsers(required=True)
    command(helm.add_parser("repo").add_subparsers(required=True), "add", _repo, "name", "url")
    install = command(helm, "install", _install, "release", "chart")
    install.add_argument("--namespace", required=True)
    install.add_argument("--values", required=True)
    install.add_argument("--wait", action="store_true")
    return whole


def command(verbs: Any, verb: str, do: Callable[[Made, argparse.Namespace, str], None], *operands: str) -> Parser:
    made: Parser = verbs.add_parser(verb, allow_abbrev=False)
    made.set_defaults(do=do)
    for operand in operands:
        made.add_argument(operand)
    return made


def present(path: str) -> Path:
    if not Path(path).exists():
        raise Refused(f"{path} is not there")
    return Path(path)


def needs(made: Made, name: str, *keys: str) -> None:
    if name not in made or not {*keys} <= {*made[name]}:
        raise Refused(f"{name} with {keys} is not there; there are {made}")


def check(manifest: dict[str, Any]) -> None:
    """Raises ValidationError unless Kubernetes would take it as it is, without a field that it does not know."""
    kubernetes_validate.validate(manifest, VERSION, strict=True)


def _build(made: Made, asked: argparse.Namespace, _: str) -> None:
    present(asked.context)
    present(asked.file)
    made[f"Built/{asked.tag}"] = []


def _push(made: Made, asked: argparse.Namespace, _: str) -> None:
    needs(made, f"Built/{asked.tag}")
    made[f"Image/{asked.tag}"] = []


def _apply(made: Made, asked: argparse.Namespace, stdin: str) -> None:
    text = stdin if asked.filename == "-" else present(asked.filename).read_text()
    for manifest in yaml.safe_load_all(text):
        _add(made, manifest)


def _add(made: Made, manifest: dict[str, Any]) -> None:
    try:
        check(manifest)
    except kubernetes_validate.ValidationError as error:
        raise Refused(str(error)) from error
    kind, named = manifest["kind"], manifest["metadata"]
    if kind == "Namespace":
        made[f"Namespace/{named['name']}"] = []
        return
    needs(made, f"Namespace/{named['namespace']}")
    made[f"{kind}/{named['namespace']}/{named['name']}"] = [*manifest.get("data", {})]


def _secret(made: Made, asked: argparse.Namespace, stdin: str) -> None:
    key, _, source = (asked.from_file or f"={asked.from_env_file}").partition("=")
    if source != "/dev/stdin" or not stdin:
        raise Refused("a secret comes by a pipe")
    values = {key: stdin} if key else dict(line.split("=", 1) for line in stdin.splitlines())
    if not all(values.values()):
        raise Refused(f"a value of {[*values]} is empty")
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}
    place = {"name": asked.name, "namespace": asked.namespace}
    _add(made, {"apiVersion": "v1", "kind": "Secret", "metadata": place, "data": encoded})


def _forward(made: Made, asked: argparse.Namespace, _: str) -> None:
    needs(made, f"Service/{asked.namespace}/{asked.service.removeprefix('service/')}", asked.port)


def _get(made: Made, asked: argparse.Namespace, _: str) -> None:
    needs(made, f"Namespace/{asked.namespace}")
    if asked.kind not in ("jobs", "pods"):
        raise Refused(f"{asked.kind} is not known here")


def _repo(made: Made, asked: argparse.Namespace, _: str) -> None:
    if asked.url != "https://prefecthq.github.io/prefect-helm":
        raise Refused(f"{asked.url} is not where Prefect's charts are")
    made[f"Repo/{asked.name}"] = []


def _install(made: Made, asked: argparse.Namespace, _: str) -> None:
    """What the values name has to be there: secrets with their keys, a worker's server, the pool that it serves."""
    repo, _, chart = asked.chart.partition("/")
    needs(made, f"Repo/{repo}")
    needs(made, f"Namespace/{asked.namespace}")
    values = yaml.safe_load(present(asked.values).read_text())
    for name, key in secrets(values):
        needs(made, f"Secret/{asked.namespace}/{name}", key)
    if chart == "prefect-server":
        made[f"Service/{asked.namespace}/{chart}"] = [str(values["service"]["port"])]
    elif chart == "prefect-worker":
        server = urlparse(values["worker"]["selfHostedServerApiConfig"]["apiUrl"])
        service, namespace, *_rest = (server.hostname or "").split(".")
        needs(made, f"Service/{namespace}/{service}", str(server.port))
        config = values["worker"]["config"]
        with urlopen(f"{os.environ['PREFECT_API_URL']}/work_pools/{config['workPool']}") as answer:  # noqa: S310  # loopback
            pool = json.load(answer)
        if pool["type"] != config["type"]:
            raise Refused(f"the pool {pool['name']} is of type {pool['type']}")
        for kind, name in named_by(pool["base_job_template"]):
            needs(made, f"{kind}/{asked.namespace}/{name}")
    else:
        raise Refused(f"{chart} is not one of Prefect's charts")
    made[f"Release/{asked.namespace}/{asked.release}"] = []


def secrets(values: Any) -> Iterator[tuple[str, str]]:
    """Secrets that a chart's values name, each with the key that the chart looks for."""
    for name, value in values.items():
        if name == "existingSecret":
            yield value, LOGIN
        elif name == "secret":
            yield value["name"], DATABASE
        elif isinstance(value, dict):
            yield from secrets(value)


def named_by(template: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What a job takes from its namespace, by the defaults of its pool's template."""
    variables = template["variables"]["properties"]
    kinds = {"config_map": "ConfigMap", "secret": "Secret", "service_account_name": "ServiceAccount"}
    for variable, kind in kinds.items():
        yield kind, variables[variable]["default"]


def main() -> int:
    file = Path(os.environ["CLUSTER"])
    made: Made = json.loads(file.read_text()) if file.exists() else {}
    before = dict(made)
    try:
        carry_out(made, sys.argv[1:], "" if sys.stdin.isatty() else sys.stdin.read())
    except Refused as error:
        print(f"{sys.argv[1]}: {error}", file=sys.stderr)
        return 1
    if made != before:
        file.write_text(json.dumps(made))
    return 0


if __name__ == "__main__":
    sys.exit(main())
