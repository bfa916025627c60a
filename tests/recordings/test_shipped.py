"""What ships is a whole office, not a stand-in for one."""

from reticent.recordings import source


def test_the_shipped_recordings_hold_at_least_12_people_and_1000_actions():
    people = source.people("office")
    assert len(people) >= 12
    assert sum(len(session.actions) for person in people for session in source.sessions("office", person)) >= 1_000
