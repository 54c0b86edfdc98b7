"""The one error of a user's mistake: what is found, what is valid, and the near misses."""

import pytest

from dnnx.errors import UserError, check_arguments, choose, near_misses, require, unknown_key


def test_require_is_silent_when_valid_and_else_names_key_value_and_expected() -> None:
    require(True, "seeds", 5, "a count")
    with pytest.raises(UserError, match=r"^seeds=0: a count of at least 1$"):
        require(False, "seeds", 0, "a count of at least 1")


def test_choose_gives_the_named_entry() -> None:
    assert choose("net.norm", "batch", {"batch": 1, "layer": 2}) == 1


@pytest.mark.parametrize("value", ["Batch", "", None, 3, ["batch"], True])
def test_choose_refuses_anything_else_with_the_names_there_are(value: object) -> None:
    with pytest.raises(UserError, match="choose one of batch, layer") as error:
        choose("net.norm", value, {"batch": 1, "layer": 2})
    assert str(error.value).startswith(f"net.norm={value}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "near"), [("bacth", "did you mean batch?"), ("quite_another", "")])
def test_near_misses_are_named_only_when_they_are_near(name: str, near: str) -> None:
    assert near in near_misses(name, ["batch", "layer"])
    assert bool(near_misses(name, ["batch", "layer"])) == bool(near)


def test_check_arguments_refuses_what_a_function_does_not_take() -> None:
    def function(rate: float, momentum: float = 0.9) -> None: ...

    check_arguments("optimizer", function, ["rate", "momentum"])
    with pytest.raises(UserError, match=r"^optimizer\.momentun: .*did you mean optimizer\.momentum"):
        check_arguments("optimizer", function, ["rate", "momentun"])


def test_check_arguments_lets_pass_what_a_function_takes_by_any_name() -> None:
    def function(**options: float) -> None: ...

    check_arguments("optimizer", function, ["anything"])


def test_check_arguments_knows_the_arguments_of_a_class() -> None:
    class Thing:
        def __init__(self, size: int): ...

    check_arguments("thing", Thing, ["size"])
    with pytest.raises(UserError, match=r"thing\.self"):
        check_arguments("thing", Thing, ["self"])


def test_an_unknown_key_says_where_the_keys_are() -> None:
    assert unknown_key("net.hiden", ["net.hidden"]).endswith("did you mean net.hidden?; see all keys with --cfg job")
