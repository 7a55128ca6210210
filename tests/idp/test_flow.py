"""The computed next step: the first flow that is due, the first step that is due, nothing stored."""

from typing import Any

from idp.flow import Flow
from idp.flow import Refused
from idp.flow import Step
from idp.flow import next_page
from idp.flow import step_before
from idp.interaction import Interaction
from idp.texts import Text


class Ask(Step):
    """Due until its answer is there."""

    def __init__(self, name: str, returns: bool = True) -> None:
        self.name = name  # type: ignore[misc]
        self._returns = returns

    def is_due(self, interaction: Interaction) -> bool:
        return self.name not in interaction.answers

    def submit(self, interaction: Interaction, form: Any) -> None:
        interaction.answers[self.name] = True

    def can_return(self, interaction: Interaction) -> bool:
        return self._returns


ONE, TWO, THREE = Ask("one"), Ask("two", returns=False), Ask("three")
FIRST = Flow("first", (ONE, TWO, THREE), is_due=lambda interaction: interaction.goal == "first")
SECOND = Flow("second", (Ask("four"),), is_due=lambda _interaction: True, entrance="/second")


def interaction(goal: str = "first", *answers: str) -> Interaction:
    return Interaction("id", "", goal, None, None, answers=dict.fromkeys(answers, True))


def test_the_first_due_step_of_the_first_due_flow_comes_next() -> None:
    flows = (FIRST, SECOND)

    assert next_page(flows, interaction()) == (FIRST, ONE)
    assert next_page(flows, interaction("first", "one")) == (FIRST, TWO)
    assert next_page(flows, interaction("first", "two")) == (FIRST, ONE)
    assert next_page(flows, interaction("second")) == (SECOND, SECOND.steps[0])
    assert next_page(flows, interaction("first", "one", "two", "three")) == (SECOND, SECOND.steps[0])
    assert next_page(flows, interaction("first", "one", "two", "three", "four")) is None
    assert next_page((), interaction()) is None


def test_back_leads_to_the_nearest_page_that_may_be_shown_again() -> None:
    assert step_before(FIRST, THREE, interaction()) is ONE
    assert step_before(FIRST, TWO, interaction()) is ONE
    assert step_before(FIRST, ONE, interaction()) is None


def test_a_step_is_found_by_its_name() -> None:
    assert FIRST.step("two") is TWO
    assert FIRST.step("nothing") is None
    assert SECOND.is_entrance
    assert not FIRST.is_entrance


def test_a_refusal_carries_its_texts_and_its_field() -> None:
    refusal = Refused("code.err.wrong", Text("code.err.left", {"n": 2}), field="code")

    assert refusal.texts == (Text("code.err.wrong", {}), Text("code.err.left", {"n": 2}))
    assert refusal.field == "code"
