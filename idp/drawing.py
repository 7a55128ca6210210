"""The drawing of the flows: Mermaid, from what the program runs."""

import itertools
from collections.abc import Sequence

from .flow import Flow


def draw(flows: Sequence[Flow]) -> str:
    """One box a flow with its steps in order; the first flow that is due comes first, the first step due is next."""
    lines = ["flowchart TD", "    request([authorization request, or a visit]) --> " + f"{flows[0].name}"]
    for flow in flows:
        lines += _box(flow)
    for flow, following in itertools.pairwise(flows):
        lines.append(f"    {flow.name} -->|nothing due| {following.name}")
    lines.append(f"    {flows[-1].name} -->|nothing due| answer([the client is answered])")
    lines += [f"    class {flow.name} entrance" for flow in flows if flow.is_entrance]
    lines.append("    classDef entrance stroke-width:3px")
    return "\n".join(lines) + "\n"


def _box(flow: Flow) -> list[str]:
    lines = [f"    subgraph {flow.name}[{_words(flow.name)}]", "        direction LR"]
    names = [f"{flow.name}.{step.name}" for step in flow.steps]
    lines += [f"        {name}[{_words(step.name)}]" for name, step in zip(names, flow.steps, strict=True)]
    lines += [f"        {name} --> {following}" for name, following in itertools.pairwise(names)]
    return [*lines, "    end"]


def _words(name: str) -> str:
    return name.replace("_", " ")
