"""Topics: what is published where, and which topics the centre takes for whose."""

import pytest

from edge.messages import topics


def test_topics_are_those_of_the_contract() -> None:
    """Names on the broker are a contract with whoever sets up its access lists."""
    assert (
        "e1/hz/gw-1/up/b/0",
        "e1/hz/gw-1/up/b/2",
        "e1/hz/gw-1/up/res",
        "e1/hz/gw-1/st",
        "e1/hz/gw-1/dn/rc",
        "e1/hz/gw-1/dn/cmd",
        "e1/hz/gw-1/dn/cfg",
        "e1/hz/c/st",
    ) == (
        topics.batch_topic("hz", "gw-1", topics.LIVE),
        topics.batch_topic("hz", "gw-1", topics.BACKLOG),
        topics.result_topic("hz", "gw-1"),
        topics.birth_topic("hz", "gw-1"),
        topics.receipt_topic("hz", "gw-1"),
        topics.command_topic("hz", "gw-1"),
        topics.settings_topic("hz", "gw-1"),
        topics.centre_topic("hz"),
    )


def test_a_topic_says_whose_it_is() -> None:
    """Tenant, gateway and lane are read back from what was published."""
    assert ("hz", "gw-1", 2) == topics.parse_batch_topic(topics.batch_topic("hz", "gw-1", 2))
    assert ("hz", "gw-1") == topics.parse_birth_topic(topics.birth_topic("hz", "gw-1"))


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "e1/hz/gw-1/up/b/3",
        "e1/hz/gw-1/up/b/0/x",
        "e1/hz/gw-1/up/b/0\n",
        "e1/hz/gw 1/up/b/0",
        "e1/hz//up/b/0",
        "e2/hz/gw-1/up/b/0",
        "e1/hz/" + "g" * 33 + "/up/b/0",
        "e1/hz/c/st",
        "e1/hz/gw-1/dn/rc",
    ],
)
def test_other_topics_are_nobodys(topic: str) -> None:
    """What does not have the exact shape is not taken."""
    assert (None, None) == (topics.parse_batch_topic(topic), topics.parse_birth_topic(topic))
