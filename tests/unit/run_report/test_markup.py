"""Text cannot become markup, whatever it is and wherever it is put."""

from __future__ import annotations

from bookpayctl.run_report.markup import element, joined, said, text


def test_a_child_that_is_text_is_escaped_and_markup_is_not() -> None:
    assert element("p", "<b>", element("b", "&")) == "<p>&lt;b&gt;<b>&amp;</b></p>"


def test_an_attribute_is_escaped() -> None:
    assert element("p", class_='"><x', data_label=None) == '<p class="&quot;&gt;&lt;x"></p>'


def test_many_children_are_put_one_after_the_other() -> None:
    assert joined(["a", element("br")], "b") == "a<br>b"


def test_characters_that_act_unseen_are_replaced() -> None:
    assert text("a\u202eb\x1bc\x00") == "a\ufffdb\ufffdc\ufffd"


def test_what_was_said_keeps_its_direction_to_itself() -> None:
    assert said("שלום") == "<bdi>שלום</bdi>"
