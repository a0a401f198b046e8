"""names.py: names and labels as Kubernetes has them."""

from reaper_api.names import is_label_key, is_label_value, is_object_name


def test_names() -> None:
    assert all(map(is_object_name, ["a", "a.b-c", "x" * 253]))
    assert not any(map(is_object_name, ["x" * 254, "", "A", "a\n", "a..b", "-a", 7, None]))


def test_label_keys() -> None:
    assert all(map(is_label_key, ["a", "A.b_c", "a.b/c", "x" * 253 + "/y"]))
    assert not any(map(is_label_key, ["x" * 254 + "/y", "a/b/c", "/a", "a/", "y" * 64, "a\n", ""]))


def test_label_values() -> None:
    assert all(map(is_label_value, ["", "a", "1.0", "A_b-c.d", "x" * 63]))
    assert not any(map(is_label_value, ["x" * 64, "has space", "-a", "a.", "a\n", "a/b"]))
