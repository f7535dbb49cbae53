"""One webhook on its way to one receiver."""

from __future__ import annotations

from catalogue.delivery import delivery_id


def test_an_event_has_one_id_however_often_it_is_told() -> None:
    """Another version of the blob is another event. No dots: they separate what is signed."""
    assert delivery_id("01ARYZ", 3) == delivery_id("01ARYZ", 3) == "msg_01ARYZ_3"
    assert delivery_id("01ARYZ", 4) != delivery_id("01ARYZ", 3)
    assert "." not in delivery_id("01ARYZ", 3)
