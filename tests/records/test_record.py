import math
from typing import ClassVar

import pytest

from reticent.errors import FormatError, NewerFormatError, SettingError
from reticent.privacy.events import Adjacency, Mode, PrivacyEvent, Unit
from reticent.records.canonical import canonical
from reticent.records.record import Count, DeviceId, Hash, Key, Name, Positive, Rate, Record, Version1


class Inner(Record):
    TITLE: ClassVar[str] = "inner"
    rate: Rate


class Sample(Record):
    TITLE: ClassVar[str] = "sample"
    version: Version1 = 1
    count: Count
    size: Positive
    names: tuple[Name, ...]
    mode: Mode
    inner: Inner
    event: PrivacyEvent


EVENT = PrivacyEvent(
    unit=Unit.EMPLOYEE, adjacency=Adjacency.ZERO_OUT, mode=Mode.LOCAL, clip_norm=0.5, noise_multiplier=5.0
)
SAMPLE = Sample(count=3, size=0.5, names=("a", "b"), mode=Mode.LOCAL, inner=Inner(rate=1.0), event=EVENT)


def changed(path: str, value: object) -> bytes:
    """The sample's bytes with one field set to another value, in canonical form."""
    whole = SAMPLE.to_value()
    *parts, last = path.split(".")
    place = whole
    for part in parts:
        place = place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return canonical(whole)


def test_a_record_reads_back_as_itself_with_nested_records_tuples_enums_and_events():
    # fails first if pydantic renames __pydantic_base_init__: nested records would then be read by Python's rules
    assert Sample.from_bytes(SAMPLE.to_bytes()) == SAMPLE
    assert Sample.from_value(SAMPLE.to_value()) == SAMPLE


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("count", True),
        ("count", 1.5),
        ("count", "3"),
        ("count", 0),
        ("count", -1),
        ("count", None),
        ("count", []),
        ("size", True),
        ("size", "0.5"),
        ("size", 0),
        ("size", -1),
        ("size", 1e7),
        ("size", 1e-13),
        ("names", "ab"),
        ("names", [1]),
        ("names", ["A"]),
        ("names", ["a\n"]),
        ("names", ["a" * 65]),
        ("names", {"a": "b"}),
        ("mode", "remote"),
        ("mode", 1),
        ("inner", {}),
        ("inner", []),
        ("inner.rate", 1.5),
        ("inner.rate", 0),
        ("inner.extra", 1),
        ("event.steps", 1.5),
        ("event.steps", True),
        ("event.unit", "team"),
        ("event.sampling_rate", ...),  # it has a default, but a record has one encoding
        ("event.extra", 1),
        ("event", None),
        ("version", ...),
        ("version", 0),
        ("version", -1),
        ("version", True),
        ("version", 1.5),
        ("version", "1"),
        ("version", None),
        ("count", ...),
        ("extra", 1),
    ],
)
def test_anything_but_the_exact_shape_is_refused_in_one_sentence_without_the_value(path, value):
    with pytest.raises(FormatError) as caught:
        Sample.from_bytes(changed(path, value))
    assert not isinstance(caught.value, NewerFormatError)
    assert "sample" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("version", [2, 3, 10**15])
def test_a_newer_version_is_named_and_refused_before_anything_else_is_looked_at(version):
    data = canonical({"version": version, "something": "unknown"})
    with pytest.raises(NewerFormatError, match=rf"version {version}\b.* up to version 1\b"):
        Sample.from_bytes(data)


@pytest.mark.parametrize("value", [[], "text", 1, None, True])
def test_only_an_object_is_a_record(value):
    with pytest.raises(FormatError, match="must be a JSON object"):
        Sample.from_bytes(canonical(value))


@pytest.mark.parametrize("size", [0.0, -1.0, math.nan, math.inf, -math.inf, 1e7, "0.5", None, True])
def test_a_record_can_not_be_made_from_wrong_values(size):
    with pytest.raises(SettingError, match=r"^in this sample, size .*nothing was written$"):
        Sample(count=3, size=size, names=(), mode=Mode.LOCAL, inner=Inner(rate=1.0), event=EVENT)


def test_a_record_can_not_be_changed():
    with pytest.raises(Exception, match="frozen"):
        SAMPLE.count = 4


def test_an_error_shows_neither_the_value_nor_a_hostile_name_as_it_came():
    data = canonical({**SAMPLE.to_value(), "count": "s3cret", "x\x1b[31m" + "y" * 500: "s3cret"})
    with pytest.raises(FormatError) as caught:
        Sample.from_bytes(data)
    assert "s3cret" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (Hash, "0" * 64, ["0" * 63, "0" * 65, "A" * 64, "0" * 64 + "\n", "g" * 64]),
        (DeviceId, "a" * 32, ["a" * 31, "A" * 32, "a" * 32 + "\n"]),
        (Name, "office-60k", ["", "-a", "Office", "a b", "a/b", "../a", "a" * 65]),
        (Key, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", ["0" * 64, "01" + "0" * 62]),
    ],
)
def test_identifiers_have_exactly_one_form(kind, good, bad):
    class One(Record):
        field: kind

    assert One(field=good).field == good
    for text in bad:
        with pytest.raises(SettingError):
            One(field=text)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("count", ..., "count is missing"),
        ("more", 1, "more is no field of it"),
        ("count", 0, "count must be 1 at least"),
        ("count", 1.5, "count must be a whole number"),
        ("count", "3", "count must be a whole number"),
        ("size", 1e7, "size must be 1000000 at most"),
        ("size", "0.5", "size must be a number"),
        ("names", 1, "names must be a list"),
        ("names", ["A"], "names.0 has characters or a length that are not allowed there"),
        ("mode", "remote", "mode must be 'local' or 'secure'"),
        ("inner", 1, "inner must hold names and values"),
        ("inner.rate", 2, "inner.rate must be 1 at most"),
    ],
)
def test_what_is_wrong_is_said_in_words_of_this_project(path, value, said):
    with pytest.raises(FormatError) as told:
        Sample.from_bytes(changed(path, value))
    assert str(told.value) == f"these bytes are not a sample: {said}; nothing was read"


def test_a_number_that_is_none_is_said_in_words_too():
    with pytest.raises(SettingError, match="in this inner, rate must be a finite number; nothing was written"):
        Inner(rate=math.nan)
