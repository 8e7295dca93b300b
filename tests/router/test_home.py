"""Home area [N2]: the forms in which numbers come, and what the plan says of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.number_plan import canonical
from router.core.home import Home, home_of, split_area

MOBILE = Home("CN", "江苏省", "连云港市", "中国移动")
FORMS = ["13812345678", "+8613812345678", "008613812345678", "8613812345678", "013812345678", "1795113812345678"]


@pytest.mark.parametrize("number", [*FORMS, "17951013812345678", "1259313812345678", "138 1234-5678", "+86 138 1234 5678"])
def test_one_mobile_in_all_its_forms(number: str) -> None:
    """Country code, international, trunk and IP-telephony prefixes change neither home area nor carrier."""
    assert home_of(number, "CN") == MOBILE
    assert canonical(number, "CN") == "+8613812345678"


@pytest.mark.parametrize(
    ("number", "province", "city"),
    [
        ("01012345678", "北京市", "北京市"),
        ("+862112345678", "上海市", "上海市"),
        ("075512345678", "广东省", "深圳市"),
        ("07715551234", "广西壮族自治区", "南宁市、崇左市"),
        ("04715551234", "内蒙古自治区", "呼和浩特市"),
        ("0086-25-12345678", "江苏省", "南京市"),
    ],
)
def test_fixed_lines(number: str, province: str, city: str) -> None:
    """Area codes name province and city; the library knows no carriers of fixed lines."""
    assert home_of(number, "CN") == Home("CN", province, city, "")


@pytest.mark.parametrize("number", ["", "anonymous", "12345", "10086", "alice", "9", "+", "17951"])
def test_no_subscriber_number(number: str) -> None:
    """Withheld, short and alphabetic callers have no home area, and that is no error."""
    assert home_of(number, "CN") == Home()


def test_abroad() -> None:
    """A caller from another country: country and area, no province."""
    home = home_of("+14155552671", "CN")
    assert (home.country, home.province) == ("US", "")


def test_splitting() -> None:
    """Municipalities are their own province; short names of regions become the full ones; unknown text is a city."""
    assert split_area("广西壮族自治区南宁市") == ("广西壮族自治区", "南宁市")
    assert split_area("重庆市") == ("重庆市", "重庆市")
    assert split_area("天津") == ("天津市", "天津市")
    assert split_area("云南迪庆") == ("云南省", "迪庆")
    assert split_area("Atlantis") == ("", "Atlantis")


@given(st.text(max_size=40))
def test_never_an_error(number: str) -> None:
    """Whatever stands in a From header, the answer is a home area."""
    assert isinstance(home_of(number, "CN"), Home)
