"""A tree learns which places of a path hold values."""

from hypothesis import given
from hypothesis import strategies as st

from telemetry.operations.learning import Tree

SEGMENTS = st.lists(st.sampled_from([*"abcdefgh", "{id}"]), max_size=4)


def tree(max_children: int = 3, max_nodes: int = 100) -> Tree:
    return Tree(1, max_children=max_children, max_nodes=max_nodes)


def learn(one: Tree, path: list[str]) -> bool:
    return one.learn(path, [hash(text) % 2**64 for text in path])


def learned(*paths: str, **bounds: int) -> Tree:
    one = tree(**bounds)
    for path in paths:
        learn(one, path.split("/"))
    return one


def test_words_are_kept_up_to_the_bound() -> None:
    assert learned("users/ann", "users/bob", "users/eve").template(["users", "ann"]) == ["users", "ann"]


def test_more_words_than_the_bound_are_values() -> None:
    one = learned("users/ann", "users/bob", "users/eve", "users/joe")
    assert one.template(["users", "ann"]) == ["users", "{value}"]
    assert one.template(["users", "never seen"]) == ["users", "{value}"]


def test_what_follows_values_is_merged() -> None:
    one = learned(*(f"{name}/orders/{name}" for name in ("ann", "bob", "eve", "joe")))
    assert one.template(["kim", "orders", "kim"]) == ["{value}", "orders", "{value}"]
    assert one.template(["kim", "carts"]) is None
    assert len(one) == 3


def test_values_told_by_their_shape_do_not_count_as_words() -> None:
    one = learned("users/ann", "users/bob", "users/eve", "users/{id}", "users/{uuid}")
    assert one.template(["users", "ann"]) == ["users", "ann"]
    assert learned("a", "b", "c", "d", "{id}").template(["{id}"]) == ["{id}"]


def test_a_full_tree_learns_nothing_more() -> None:
    one = learned("a/b", "c/d", max_nodes=2)
    assert (one.template(["a", "b"]), one.template(["c"]), len(one)) == (["a", "b"], None, 2)


@given(st.lists(SEGMENTS, max_size=60), st.integers(1, 4), st.integers(1, 40))
def test_a_learned_value_never_becomes_a_word_again(paths: list[list[str]], max_children: int, max_nodes: int) -> None:
    one = tree(max_children, max_nodes)
    values: dict[tuple[str, ...], set[int]] = {}
    for path in paths:
        learn(one, path)
        assert len(one) <= max_nodes
        for seen in [*values, tuple(path)]:
            template = one.template(list(seen))
            now = {at for at, text in enumerate(template or ()) if text == "{value}"}
            assert template is None or values.get(seen, set()) <= now
            values[seen] = now | values.get(seen, set())


@given(st.lists(SEGMENTS, max_size=60), st.integers(1, 4))
def test_no_place_has_more_words_than_the_bound(paths: list[list[str]], max_children: int) -> None:
    one = tree(max_children, 10_000)
    for path in paths:
        learn(one, path)
    templates = {tuple(one.template(path) or ()) for path in paths}
    prefixes = {template[:at] for template in templates for at in range(len(template))}
    for prefix in prefixes:
        at = len(prefix)
        words = {t[at] for t in templates if t[:at] == prefix and len(t) > at and not t[at].startswith("{")}
        assert len(words) <= max_children


@given(st.lists(SEGMENTS, max_size=60))
def test_every_path_that_fits_has_a_template_of_its_length(paths: list[list[str]]) -> None:
    one = tree(2, 10_000)
    for path in paths:
        learn(one, path)
    assert all(len(one.template(path) or ()) == len(path) for path in paths)
